/* The dictionary as it was, and what is stored of it when it ends. */
#include <errno.h>
#include <stdlib.h>

#include "dictionary_private.h"

/* ---- reading it ---- */

static int corrupt(struct error *error, const char *what)
{
	return error_set(error, -EUCLEAN,
		"the store's record of %s does not hold together: restore a checkpoint", what);
}

static int load_format(void *context, struct bytes name, struct bytes value, struct error *error)
{
	uint32_t *format = context;

	if (value.bytes != sizeof *format)
		return corrupt(error, "its format");
	memcpy(format, value.data, sizeof *format);
	return 0;
}

static int load_next(void *context, struct bytes name, struct bytes value, struct error *error)
{
	struct dictionary *dictionary = context;
	struct record_next next;

	if (value.bytes != sizeof next)
		return corrupt(error, "the next table");
	memcpy(&next, value.data, sizeof next);
	dictionary->next_table = next.table;
	dictionary->next_space = next.space;
	return 0;
}

static int load_table(void *context, struct bytes name, struct bytes value, struct error *error)
{
	struct message_reader reader = {.at = value.data, .left = value.bytes};
	struct dictionary *dictionary = context;
	struct record_table record;
	struct table *table;

	if (name.bytes != SPACE_BYTES || !message_take(&reader, &record, sizeof record) ||
		!reader.left)
		return corrupt(error, "a table");
	table = calloc(1, sizeof *table);
	if (!table)
		return -ENOMEM;
	table->id = space_read(name.data);
	table->counter_first = record.counter_first;
	table->generation = dictionary_new_generation(
		table, record.generation, record.space_first, record.space_count);
	if (!table->generation ||
		dictionary_set_name(
			table, (struct bytes){.data = reader.at, .bytes = reader.left}) ||
		dictionary_add(dictionary, table)) {
		dictionary_free_table(table);
		return error_set(error, -ENOMEM, "out of memory");
	}
	return 0;
}

static int load_counter(void *context, struct bytes name, struct bytes value, struct error *error)
{
	const struct table *table;

	if (name.bytes != SPACE_BYTES || value.bytes != sizeof(uint64_t))
		return corrupt(error, "a counter");
	table = dictionary_find_id(context, space_read(name.data));
	if (table) {
		memcpy(&table->generation->counter_next, value.data, value.bytes);
		table->generation->counter_limit = table->generation->counter_next;
	}
	return 0;
}

static int load_rows(void *context, struct bytes name, struct bytes value, struct error *error)
{
	const struct table *table;

	if (name.bytes != SPACE_BYTES || value.bytes != sizeof(int64_t))
		return corrupt(error, "how many rows there are");
	table = dictionary_find_id(context, space_read(name.data));
	if (table) {
		memcpy(&table->generation->rows, value.data, value.bytes);
		table->generation->rows_stored = table->generation->rows;
	}
	return 0;
}

struct record_loader {
	enum record_kind kind;
	int (*load)(void *context, struct bytes name, struct bytes value, struct error *error);
};

static const struct record_loader record_loaders[] = {
	{RECORD_NEXT, load_next},
	{RECORD_TABLE, load_table},
	{RECORD_COUNTER, load_counter},
	{RECORD_ROWS, load_rows},
};

static int load_records(struct dictionary *dictionary, struct error *error)
{
	const size_t count = sizeof record_loaders / sizeof record_loaders[0];
	int failure = 0;

	for (size_t i = 0; i < count && !failure; i++)
		failure = record_each(dictionary->database, record_loaders[i].kind,
			record_loaders[i].load, dictionary, error);
	return failure;
}

/* ---- its format ---- */

static int store_format(struct dictionary *dictionary, struct error *error)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	const uint32_t format = RECORD_FORMAT;
	struct explanation explanation;
	int outcome;

	record_put(batch, record_key(RECORD_FORMAT_VERSION), &format, sizeof format);
	outcome = database_write(
		dictionary->database, batch, DATABASE_SYNC | DATABASE_MAY_WAIT, &explanation);
	rocksdb_writebatch_destroy(batch);
	return outcome ? error_set(error, -EIO, "%s", explanation.text) : 0;
}

static int check_format(struct dictionary *dictionary, struct error *error)
{
	uint32_t format = 0;
	int failure = record_each(
		dictionary->database, RECORD_FORMAT_VERSION, load_format, &format, error);

	if (failure)
		return failure;
	if (!format)
		return store_format(dictionary, error);
	if (format != RECORD_FORMAT)
		return error_set(error, -EPROTONOSUPPORT,
			"the store has format %u, and this module knows %u: use the module that "
			"wrote it",
			format, RECORD_FORMAT);
	return 0;
}

/* ---- beginning and end ---- */

static void init_gate(pthread_rwlock_t *gate)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	/* Or commits that overlap would keep changes of tables out for ever. */
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(gate, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

static void free_all(struct dictionary *dictionary)
{
	struct table *table;

	while ((table = dictionary_next(dictionary, NULL))) {
		dictionary_remove(dictionary, table);
		dictionary_free_table(table);
	}
	pthread_mutex_destroy(&dictionary->counter_mutex);
	pthread_rwlock_destroy(&dictionary->gate);
}

int dictionary_open(struct dictionary *dictionary, struct database *database, struct error *error)
{
	int failure;

	/* Space 0 is the module's own. */
	*dictionary = (struct dictionary){.database = database, .next_table = 1, .next_space = 1};
	init_gate(&dictionary->gate);
	pthread_mutex_init(&dictionary->counter_mutex, NULL);
	failure = check_format(dictionary, error);
	if (!failure)
		failure = load_records(dictionary, error);
	if (failure)
		free_all(dictionary);
	return failure;
}

static void write_now(struct dictionary *dictionary, rocksdb_writebatch_t *batch)
{
	struct explanation explanation;

	/* Estimates, and numbers that would otherwise be left out: nothing is lost that was promised. */
	if (rocksdb_writebatch_count(batch))
		(void)database_write(dictionary->database, batch, DATABASE_MAY_WAIT, &explanation);
}

void dictionary_store_rows(struct dictionary *dictionary)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	const struct table *table = NULL;

	pthread_rwlock_rdlock(&dictionary->gate);
	while ((table = dictionary_next(dictionary, table))) {
		const int64_t rows = __atomic_load_n(&table->generation->rows, __ATOMIC_RELAXED);

		if (rows == table->generation->rows_stored)
			continue;
		table->generation->rows_stored = rows;
		record_put(batch, record_key_number(RECORD_ROWS, table->id), &rows, sizeof rows);
	}
	write_now(dictionary, batch);
	pthread_rwlock_unlock(&dictionary->gate);
	rocksdb_writebatch_destroy(batch);
}

/* So that numbers go on where they were. */
static void store_counters(struct dictionary *dictionary)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	const struct table *table = NULL;

	while ((table = dictionary_next(dictionary, table))) {
		const struct generation *generation = table->generation;

		if (generation->counter_next != generation->counter_limit)
			record_put(batch, record_key_number(RECORD_COUNTER, table->id),
				&generation->counter_next, sizeof generation->counter_next);
	}
	write_now(dictionary, batch);
	rocksdb_writebatch_destroy(batch);
}

void dictionary_close(struct dictionary *dictionary)
{
	dictionary_store_rows(dictionary);
	store_counters(dictionary);
	free_all(dictionary);
}
