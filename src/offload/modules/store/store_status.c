/* What the module says about itself. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "store.h"

struct text {
	char *text;
	size_t size, length;
};

/* What does not fit is left out. */
static void add_line(struct text *text, const char *name, uint64_t value)
{
	const int written = snprintf(text->text + text->length, text->size - text->length,
		"%s: %" PRIu64 "\n", name, value);

	if (written > 0 && (size_t)written < text->size - text->length)
		text->length += (size_t)written;
}

struct property {
	const char *name, *property;
};

static const struct property properties[] = {
	{"keys (about)", "rocksdb.estimate-num-keys"},
	{"bytes on the device", "rocksdb.total-sst-files-size"},
	{"bytes of data (about)", "rocksdb.estimate-live-data-size"},
	{"bytes in the block cache", "rocksdb.block-cache-usage"},
	{"bytes in write buffers", "rocksdb.cur-size-all-mem-tables"},
	{"bytes to compact", "rocksdb.estimate-pending-compaction-bytes"},
	{"running compactions", "rocksdb.num-running-compactions"},
	{"running flushes", "rocksdb.num-running-flushes"},
	{"writes are stopped", "rocksdb.is-write-stopped"},
	{"background errors", "rocksdb.background-errors"},
	{"snapshots", "rocksdb.num-snapshots"},
};

static void add_properties(struct text *text, struct database *database)
{
	for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
		uint64_t value;

		if (!rocksdb_property_int(database->db, properties[i].property, &value))
			add_line(text, properties[i].name, value);
	}
}

static void add_tables(struct text *text, struct dictionary *dictionary)
{
	dictionary_share(dictionary, true);
	add_line(text, "tables", key_map_count(&dictionary->by_id));
	dictionary_unshare(dictionary);
}

static void add_locks(struct text *text, struct lock_table *locks)
{
	struct lock_counts counts;

	lock_table_count(locks, &counts);
	add_line(text, "locks", counts.locks);
	add_line(text, "locked intervals", counts.ranges);
	add_line(text, "lock waits", counts.waits);
	add_line(text, "lock time-outs", counts.timeouts);
	add_line(text, "deadlocks", counts.deadlocks);
}

static void add_log(struct text *text, struct commit_log *log)
{
	struct commit_log_counts counts;

	commit_log_count(log, &counts);
	add_line(text, "log records", counts.records);
	add_line(text, "log writes", counts.frames);
	add_line(text, "log syncs", counts.syncs);
	add_line(text, "log bytes", counts.bytes);
}

size_t store_status(struct store *store, char *text, size_t size)
{
	struct text written = {.text = text, .size = size};

	add_line(&written, "connections", __atomic_load_n(&store->sessions, __ATOMIC_RELAXED));
	add_line(&written, "prepared transactions", prepared_count(&store->prepared));
	add_line(&written, "bytes in transactions",
		__atomic_load_n(&store->budget.used_bytes, __ATOMIC_RELAXED));
	add_line(&written, "read-only", database_is_read_only(&store->database));
	add_tables(&written, &store->dictionary);
	add_locks(&written, &store->locks);
	add_line(&written, "reclaimed generations",
		__atomic_load_n(&store->reclaimer.reclaimed, __ATOMIC_RELAXED));
	add_log(&written, &store->database.log);
	add_properties(&written, &store->database);
	return written.length;
}
