/* A transaction: what it has locked and written, and the snapshot that it reads. */
#ifndef SLUICE_STORE_TRANSACTION_H
#define SLUICE_STORE_TRANSACTION_H

#include "database.h"
#include "dictionary.h"
#include "lock_table.h"
#include "write_set.h"

struct savepoint {
	uint32_t number;
	struct write_mark mark;
};

struct transaction {
	struct database *database;
	struct dictionary *dictionary;
	struct lock_table *locks;
	size_t bytes_max;
	struct lock_owner owner;
	struct write_set writes;
	const rocksdb_snapshot_t *snapshot; /* NULL: none was taken */
	uint64_t request;		    /* number of the request that changes something */
	struct savepoint *savepoints;
	size_t savepoint_count, savepoint_capacity;
	struct generation **generations; /* written to; a reference of each */
	size_t generation_count, generation_capacity;
};

/* Where a transaction writes to, and what it shares with others. */
struct transaction_environment {
	struct database *database;
	struct dictionary *dictionary;
	struct lock_table *locks;
	struct budget *budget;
	size_t bytes_max; /* of its locks and writes */
};

/* NULL: no memory. */
struct transaction *transaction_create(const struct transaction_environment *environment);

/* It is rolled back. NULL is ignored. */
void transaction_destroy(struct transaction *transaction);

/* Give up what it wrote, its locks and its snapshot: there is none then. */
void transaction_reset(struct transaction *transaction);

/* The snapshot, taken now if it was not before. */
const rocksdb_snapshot_t *transaction_snapshot(struct transaction *transaction);

/* Keep a generation for as long as the transaction. Returns 0 or -ENOMEM. */
int transaction_keep(struct transaction *transaction, struct generation *generation);

/*
 * Lock a key of the database.
 *
 * @timeout_ms: 0: do not wait
 *
 * Returns an outcome: STORE_LOCK_TIMEOUT, STORE_DEADLOCK, STORE_TOO_BIG, STORE_BUSY.
 */
int transaction_lock(struct transaction *transaction, struct bytes key, enum lock_mode mode,
	uint32_t timeout_ms, struct lock_hold **hold, struct explanation *explanation);

/* Lock an interval of the database's keys; as transaction_lock. */
int transaction_lock_range(struct transaction *transaction, const struct interval *interval,
	enum lock_mode mode, uint32_t timeout_ms, struct explanation *explanation);

/* Make room for changes of that many bytes. Returns an outcome: STORE_TOO_BIG, STORE_BUSY. */
int transaction_reserve(
	struct transaction *transaction, size_t bytes, struct explanation *explanation);

/* What it has written, as one batch, but for what went into generations that are dead. With the gate. */
void transaction_collect(const struct transaction *transaction, rocksdb_writebatch_t *batch);

/*
 * Write what it has written, and `batch` with it, and end it.
 *
 * @flags: enum database_write_flag
 *
 * Returns an outcome; unless it is STORE_OK the transaction is as it was.
 */
int transaction_commit(struct transaction *transaction, rocksdb_writebatch_t *batch, unsigned flags,
	struct explanation *explanation);

/* The following return outcomes. */
int savepoint_set(
	struct transaction *transaction, uint32_t number, struct explanation *explanation);
int savepoint_rollback(struct transaction *transaction, uint32_t number);
int savepoint_release(struct transaction *transaction, uint32_t number);

#endif
