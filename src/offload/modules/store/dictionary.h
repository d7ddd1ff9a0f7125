/*
 * The tables: their names, spaces and counters.
 *
 * Theory of operation. What is true of tables is in space 0 of the database, one record each (dictionary_record.h), and all of it in memory but
 * the metadata. A table's contents are a generation: numbers of spaces that nothing else had or will have, and what is counted. Truncating
 * a table gives it another generation; dropping one takes it away. In one atomic write the old spaces are deleted as a range and
 * noted to be reclaimed from the device, which is done later (reclaimer.h). Requests keep a reference to the generation that they work on,
 * and a commit leaves out what was written to one that is dead; that no generation dies during a commit is what the gate is for: commits
 * share it, and changes of tables have it alone.
 */
#ifndef SLUICE_STORE_DICTIONARY_H
#define SLUICE_STORE_DICTIONARY_H

#include <pthread.h>
#include <stdint.h>

#include "base/key_map.h"
#include "database.h"

#define DICTIONARY_TABLES_MAX 65536u
#define DICTIONARY_METADATA_BYTES_MAX (1u << 20)

struct generation {
	uint32_t table, number;
	uint32_t space_first, space_count;
	uint32_t references; /* atomic */
	bool is_dead;	     /* written with the gate; atomic */
	int64_t rows;	     /* about; atomic */
	int64_t rows_stored; /* what is in the database */
	/* With the counter mutex: */
	uint64_t counter_next;
	uint64_t counter_limit; /* in the database: later ones begin there after a crash */
	/* About, on the device, as asked last; atomic. */
	uint64_t data_bytes, index_bytes, sizes_time_ns;
};

struct table {
	struct key_map_node by_id, by_name;
	struct generation *generation;
	uint32_t id;
	uint64_t counter_first;
	size_t name_bytes;
	char *name;
};

struct dictionary {
	struct database *database;
	pthread_rwlock_t gate;
	struct key_map by_id, by_name;
	uint32_t next_table, next_space;
	pthread_mutex_t counter_mutex;
};

int dictionary_open(struct dictionary *dictionary, struct database *database, struct error *error);

/* Stores what is only in memory. */
void dictionary_close(struct dictionary *dictionary);

/* Share the gate. Returns false if that would wait, and it may not. */
bool dictionary_share(struct dictionary *dictionary, bool may_wait);
void dictionary_unshare(struct dictionary *dictionary);

/*
 * The generation of an open table. Returns an outcome, with a reference in `*generation`; STORE_STALE; OUTCOME_WOULD_WAIT.
 */
int dictionary_find(struct dictionary *dictionary, uint32_t table, uint32_t number, bool may_wait,
	struct generation **generation);

void generation_acquire(struct generation *generation);

/* NULL is ignored. */
void generation_release(struct generation *generation);

static inline bool generation_is_dead(const struct generation *generation)
{
	return __atomic_load_n(&generation->is_dead, __ATOMIC_ACQUIRE);
}

/* The live generation that a space belongs to, without a reference, or NULL. With the gate, or while nobody else is there. */
struct generation *dictionary_find_space(struct dictionary *dictionary, uint32_t space);

/* What an open table is to a client. */
struct table_view {
	uint32_t table, generation, space_count;
};

/* What a table is to be. */
struct table_plan {
	struct bytes name, metadata;
	uint32_t space_count;
	uint64_t counter; /* the first number */
};

/* The following return outcomes, and may wait. */

int dictionary_create(struct dictionary *dictionary, const struct table_plan *plan,
	struct table_view *view, struct explanation *explanation);
int dictionary_drop(
	struct dictionary *dictionary, struct bytes name, struct explanation *explanation);
int dictionary_rename(struct dictionary *dictionary, struct bytes name, struct bytes new_name,
	struct explanation *explanation);
int dictionary_truncate(struct dictionary *dictionary, uint32_t table, uint32_t number,
	struct explanation *explanation);
int dictionary_set_metadata(struct dictionary *dictionary, uint32_t table, uint32_t number,
	struct bytes metadata, struct explanation *explanation);

/* With the gate. NULL if there is none. */
struct table *dictionary_find_name(struct dictionary *dictionary, struct bytes name);

/* With the gate. The table after one, or the first after NULL. */
struct table *dictionary_next(struct dictionary *dictionary, const struct table *table);

/* With the gate: a table's metadata, as database_get does. */
int dictionary_metadata(struct dictionary *dictionary, const struct table *table,
	const rocksdb_readoptions_t *options, rocksdb_pinnableslice_t **metadata,
	struct explanation *explanation);

/* Store estimates that have changed. */
void dictionary_store_rows(struct dictionary *dictionary);

#endif
