/* Changes of tables: each is one write, and durable, before it is true in memory. */
#include <stdlib.h>

#include "dictionary_private.h"

static int no_memory(struct explanation *explanation)
{
	return explain(explanation, STORE_BUSY, "out of memory");
}

static int stale(struct explanation *explanation)
{
	return explain(explanation, STORE_STALE,
		"the table was dropped or truncated since it was opened: open it again");
}

static int write_durably(
	struct dictionary *dictionary, rocksdb_writebatch_t *batch, struct explanation *explanation)
{
	return database_write(
		dictionary->database, batch, DATABASE_SYNC | DATABASE_MAY_WAIT, explanation);
}

/* ---- what goes into a write ---- */

static void put_table(rocksdb_writebatch_t *batch, const struct table *table)
{
	const struct record_table record = {.generation = table->generation->number,
		.space_first = table->generation->space_first,
		.space_count = table->generation->space_count,
		.counter_first = table->counter_first};
	const struct record_key key = record_key_number(RECORD_TABLE, table->id);
	const char *keys[] = {key.data};
	const size_t key_bytes[] = {key.bytes};
	const char *values[] = {(const char *)&record, table->name};
	const size_t value_bytes[] = {sizeof record, table->name_bytes};

	rocksdb_writebatch_putv(batch, 1, keys, key_bytes, 2, values, value_bytes);
}

static void put_next(rocksdb_writebatch_t *batch, uint32_t table, uint32_t space)
{
	const struct record_next next = {.table = table, .space = space};

	record_put(batch, record_key(RECORD_NEXT), &next, sizeof next);
}

/* A generation's contents, and what is counted. */
static void delete_generation(rocksdb_writebatch_t *batch, const struct generation *generation)
{
	char first[SPACE_BYTES], end[SPACE_BYTES];

	space_write(first, generation->space_first);
	space_write(end, generation->space_first + generation->space_count);
	rocksdb_writebatch_delete_range(batch, first, sizeof first, end, sizeof end);
	record_put(batch, record_key_number(RECORD_RECLAIM, generation->space_first),
		&generation->space_count, sizeof generation->space_count);
	record_delete(batch, record_key_number(RECORD_COUNTER, generation->table));
	record_delete(batch, record_key_number(RECORD_ROWS, generation->table));
}

static void kill_generation(struct generation *generation)
{
	__atomic_store_n(&generation->is_dead, true, __ATOMIC_RELEASE);
	generation_release(generation);
}

/* ---- creating ---- */

static struct table *new_table(const struct dictionary *dictionary, const struct table_plan *plan)
{
	struct table *table = calloc(1, sizeof *table);

	if (!table)
		return NULL;
	table->id = dictionary->next_table;
	table->counter_first = plan->counter;
	table->generation =
		dictionary_new_generation(table, 1, dictionary->next_space, plan->space_count);
	if (!table->generation || dictionary_set_name(table, plan->name)) {
		dictionary_free_table(table);
		return NULL;
	}
	return table;
}

static int store_new_table(struct dictionary *dictionary, const struct table *table,
	struct bytes metadata, struct explanation *explanation)
{
	const struct generation *generation = table->generation;
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	int outcome;

	put_table(batch, table);
	put_next(batch, table->id + 1, generation->space_first + generation->space_count);
	record_put(batch, record_key_number(RECORD_METADATA, table->id), metadata.data,
		metadata.bytes);
	outcome = write_durably(dictionary, batch, explanation);
	rocksdb_writebatch_destroy(batch);
	return outcome;
}

static int can_create(struct dictionary *dictionary, const struct table_plan *plan,
	struct explanation *explanation)
{
	if (dictionary_find_name(dictionary, plan->name))
		return explain(explanation, STORE_EXISTS, "there is a table of that name");
	if (key_map_count(&dictionary->by_id) >= DICTIONARY_TABLES_MAX)
		return explain(explanation, STORE_BUSY, "there are %u tables, which is the most",
			DICTIONARY_TABLES_MAX);
	if (dictionary->next_space > UINT32_MAX - 1 - plan->space_count ||
		dictionary->next_table == UINT32_MAX)
		return explain(explanation, STORE_BUSY, "all numbers of tables have been used");
	return STORE_OK;
}

static int add_new_table(struct dictionary *dictionary, struct table *table, struct bytes metadata,
	struct explanation *explanation)
{
	int outcome;

	if (dictionary_add(dictionary, table))
		return no_memory(explanation);
	outcome = store_new_table(dictionary, table, metadata, explanation);
	if (outcome) {
		dictionary_remove(dictionary, table);
		return outcome;
	}
	dictionary->next_table++;
	dictionary->next_space += table->generation->space_count;
	return STORE_OK;
}

static int create(struct dictionary *dictionary, const struct table_plan *plan,
	struct table_view *view, struct explanation *explanation)
{
	int outcome = can_create(dictionary, plan, explanation);
	struct table *table;

	if (outcome)
		return outcome;
	table = new_table(dictionary, plan);
	if (!table)
		return no_memory(explanation);
	outcome = add_new_table(dictionary, table, plan->metadata, explanation);
	if (outcome)
		dictionary_free_table(table);
	else
		*view = (struct table_view){.table = table->id,
			.generation = table->generation->number,
			.space_count = plan->space_count};
	return outcome;
}

int dictionary_create(struct dictionary *dictionary, const struct table_plan *plan,
	struct table_view *view, struct explanation *explanation)
{
	int outcome;

	pthread_rwlock_wrlock(&dictionary->gate);
	outcome = create(dictionary, plan, view, explanation);
	pthread_rwlock_unlock(&dictionary->gate);
	return outcome;
}

/* ---- dropping ---- */

static int drop(struct dictionary *dictionary, struct table *table, rocksdb_writebatch_t *batch,
	struct explanation *explanation)
{
	int outcome;

	delete_generation(batch, table->generation);
	record_delete(batch, record_key_number(RECORD_TABLE, table->id));
	record_delete(batch, record_key_number(RECORD_METADATA, table->id));
	outcome = write_durably(dictionary, batch, explanation);
	if (outcome)
		return outcome;
	dictionary_remove(dictionary, table);
	generation_acquire(table->generation);
	kill_generation(table->generation);
	dictionary_free_table(table);
	return STORE_OK;
}

int dictionary_drop(
	struct dictionary *dictionary, struct bytes name, struct explanation *explanation)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	int outcome = STORE_NOT_FOUND;
	struct table *table;

	pthread_rwlock_wrlock(&dictionary->gate);
	table = dictionary_find_name(dictionary, name);
	if (table)
		outcome = drop(dictionary, table, batch, explanation);
	pthread_rwlock_unlock(&dictionary->gate);
	rocksdb_writebatch_destroy(batch);
	return outcome;
}

/* ---- renaming ---- */

static void free_copy_of(struct table *copy)
{
	free(copy->name);
	free(copy);
}

/* `renamed` is a copy of the table, with another name, which takes its place. */
static int replace(struct dictionary *dictionary, struct table *table, struct table *renamed,
	struct explanation *explanation)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	int outcome;

	put_table(batch, renamed);
	dictionary_remove(dictionary, table);
	/* The maps keep their buckets: they have grown to this size before, unless this is the only table. */
	if (dictionary_add(dictionary, renamed)) {
		outcome = no_memory(explanation);
	} else {
		outcome = write_durably(dictionary, batch, explanation);
		if (outcome)
			dictionary_remove(dictionary, renamed);
	}
	if (outcome)
		(void)dictionary_add(dictionary, table);
	rocksdb_writebatch_destroy(batch);
	return outcome;
}

static int rename_to(struct dictionary *dictionary, struct table *table, struct bytes new_name,
	struct explanation *explanation)
{
	struct table *renamed = malloc(sizeof *renamed);
	int outcome;

	if (!renamed)
		return no_memory(explanation);
	*renamed = *table;
	if (dictionary_set_name(renamed, new_name)) {
		free(renamed);
		return no_memory(explanation);
	}
	outcome = replace(dictionary, table, renamed, explanation);
	free_copy_of(outcome ? renamed : table);
	return outcome;
}

int dictionary_rename(struct dictionary *dictionary, struct bytes name, struct bytes new_name,
	struct explanation *explanation)
{
	int outcome = STORE_NOT_FOUND;
	struct table *table;

	pthread_rwlock_wrlock(&dictionary->gate);
	table = dictionary_find_name(dictionary, name);
	if (table && dictionary_find_name(dictionary, new_name))
		outcome = explain(explanation, STORE_EXISTS, "there is a table of that name");
	else if (table)
		outcome = rename_to(dictionary, table, new_name, explanation);
	pthread_rwlock_unlock(&dictionary->gate);
	return outcome;
}

/* ---- truncating ---- */

static int store_truncated(struct dictionary *dictionary, const struct table *table,
	const struct generation *old, struct explanation *explanation)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	int outcome;

	delete_generation(batch, old);
	put_table(batch, table);
	put_next(batch, dictionary->next_table,
		table->generation->space_first + table->generation->space_count);
	outcome = write_durably(dictionary, batch, explanation);
	rocksdb_writebatch_destroy(batch);
	return outcome;
}

static int truncate(
	struct dictionary *dictionary, struct table *table, struct explanation *explanation)
{
	struct generation *old = table->generation;
	struct generation *new;
	int outcome;

	if (dictionary->next_space > UINT32_MAX - 1 - old->space_count)
		return explain(explanation, STORE_BUSY, "all numbers of spaces have been used");
	new = dictionary_new_generation(
		table, old->number + 1, dictionary->next_space, old->space_count);
	if (!new)
		return no_memory(explanation);
	table->generation = new;
	outcome = store_truncated(dictionary, table, old, explanation);
	if (outcome) {
		table->generation = old;
		generation_release(new);
		return outcome;
	}
	dictionary->next_space += new->space_count;
	kill_generation(old);
	return STORE_OK;
}

int dictionary_truncate(struct dictionary *dictionary, uint32_t table, uint32_t number,
	struct explanation *explanation)
{
	struct table *found;
	int outcome;

	pthread_rwlock_wrlock(&dictionary->gate);
	found = dictionary_find_current(dictionary, table, number);
	outcome = found ? truncate(dictionary, found, explanation) : stale(explanation);
	pthread_rwlock_unlock(&dictionary->gate);
	return outcome;
}

/* ---- metadata ---- */

int dictionary_set_metadata(struct dictionary *dictionary, uint32_t table, uint32_t number,
	struct bytes metadata, struct explanation *explanation)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	int outcome;

	record_put(batch, record_key_number(RECORD_METADATA, table), metadata.data, metadata.bytes);
	pthread_rwlock_wrlock(&dictionary->gate);
	if (dictionary_find_current(dictionary, table, number))
		outcome = write_durably(dictionary, batch, explanation);
	else
		outcome = stale(explanation);
	pthread_rwlock_unlock(&dictionary->gate);
	rocksdb_writebatch_destroy(batch);
	return outcome;
}
