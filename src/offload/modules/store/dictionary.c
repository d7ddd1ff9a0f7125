#include "dictionary.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "dictionary_private.h"

/* ---- the gate, and references ---- */

bool dictionary_share(struct dictionary *dictionary, bool may_wait)
{
	if (may_wait)
		return !pthread_rwlock_rdlock(&dictionary->gate);
	return !pthread_rwlock_tryrdlock(&dictionary->gate);
}

void dictionary_unshare(struct dictionary *dictionary)
{
	pthread_rwlock_unlock(&dictionary->gate);
}

void generation_acquire(struct generation *generation)
{
	__atomic_add_fetch(&generation->references, 1, __ATOMIC_RELAXED);
}

void generation_release(struct generation *generation)
{
	if (generation && !__atomic_sub_fetch(&generation->references, 1, __ATOMIC_ACQ_REL))
		free(generation);
}

/* ---- finding ---- */

struct table *dictionary_find_id(struct dictionary *dictionary, uint32_t id)
{
	struct key_map_node *node = key_map_find(&dictionary->by_id, &id, sizeof id);

	return node ? container_of(node, struct table, by_id) : NULL;
}

struct table *dictionary_find_name(struct dictionary *dictionary, struct bytes name)
{
	struct key_map_node *node = key_map_find(&dictionary->by_name, name.data, name.bytes);

	return node ? container_of(node, struct table, by_name) : NULL;
}

struct table *dictionary_next(struct dictionary *dictionary, const struct table *table)
{
	struct key_map_node *node =
		key_map_next(&dictionary->by_name, table ? &table->by_name : NULL);

	return node ? container_of(node, struct table, by_name) : NULL;
}

struct table *dictionary_find_current(struct dictionary *dictionary, uint32_t id, uint32_t number)
{
	struct table *table = dictionary_find_id(dictionary, id);

	return table && table->generation->number == number ? table : NULL;
}

int dictionary_find(struct dictionary *dictionary, uint32_t table, uint32_t number, bool may_wait,
	struct generation **generation)
{
	const struct table *found;

	if (!dictionary_share(dictionary, may_wait))
		return OUTCOME_WOULD_WAIT;
	found = dictionary_find_current(dictionary, table, number);
	if (found) {
		*generation = found->generation;
		generation_acquire(*generation);
	}
	dictionary_unshare(dictionary);
	return found ? STORE_OK : STORE_STALE;
}

struct generation *dictionary_find_space(struct dictionary *dictionary, uint32_t space)
{
	const struct table *table = NULL;

	while ((table = dictionary_next(dictionary, table))) {
		const struct generation *generation = table->generation;

		if (space - generation->space_first < generation->space_count)
			return table->generation;
	}
	return NULL;
}

int dictionary_metadata(struct dictionary *dictionary, const struct table *table,
	const rocksdb_readoptions_t *options, rocksdb_pinnableslice_t **metadata,
	struct explanation *explanation)
{
	const struct record_key key = record_key_number(RECORD_METADATA, table->id);

	return database_get(dictionary->database, options,
		(struct bytes){.data = key.data, .bytes = key.bytes}, metadata, explanation);
}

/* ---- tables come and go in memory ---- */

struct generation *dictionary_new_generation(
	const struct table *table, uint32_t number, uint32_t space_first, uint32_t space_count)
{
	struct generation *generation = calloc(1, sizeof *generation);

	if (!generation)
		return NULL;
	*generation = (struct generation){.table = table->id,
		.number = number,
		.space_first = space_first,
		.space_count = space_count,
		.references = 1,
		.counter_next = table->counter_first,
		.counter_limit = table->counter_first};
	return generation;
}

void dictionary_free_table(struct table *table)
{
	if (!table)
		return;
	generation_release(table->generation);
	free(table->name);
	free(table);
}

int dictionary_set_name(struct table *table, struct bytes name)
{
	char *copy = malloc(name.bytes);

	if (!copy)
		return -ENOMEM;
	memcpy(copy, name.data, name.bytes);
	table->name = copy;
	table->name_bytes = name.bytes;
	return 0;
}

int dictionary_add(struct dictionary *dictionary, struct table *table)
{
	if (key_map_add(&dictionary->by_id, &table->by_id, &table->id, sizeof table->id))
		return -ENOMEM;
	if (!key_map_add(&dictionary->by_name, &table->by_name, table->name, table->name_bytes))
		return 0;
	key_map_remove(&dictionary->by_id, &table->by_id);
	return -ENOMEM;
}

void dictionary_remove(struct dictionary *dictionary, struct table *table)
{
	key_map_remove(&dictionary->by_id, &table->by_id);
	key_map_remove(&dictionary->by_name, &table->by_name);
}
