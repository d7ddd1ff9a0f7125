/*
 * RocksDB, as this module uses it: one ordered set of keys, of which the first four bytes are the number of a space.
 *
 * Its own transactions are not used: what its C interface offers of them has one time-out for a transaction's locks and no way to
 * change it, where here every request says how long it waits, and a poller must not. Locks, pending writes and prepared
 * transactions are this module's own; a transaction is committed by one atomic write. Its log is not used either: see commit_log.h.
 */
#ifndef SLUICE_STORE_DATABASE_H
#define SLUICE_STORE_DATABASE_H

#include <rocksdb/c.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "commit_log.h"
#include "message.h"
#include "outcome.h"

struct database_config {
	const char *directory;
	size_t block_cache_bytes;
	size_t write_buffer_bytes;
	unsigned background_threads;
};

enum database_write_flag {
	DATABASE_SYNC = 1,
	DATABASE_MAY_WAIT = 2,
};

struct database {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_cache_t *cache;
	rocksdb_readoptions_t *durable_options;	  /* to read what is on the device */
	rocksdb_writeoptions_t *write_options[2]; /* that must not wait, that may */
	struct commit_log log;
	bool is_read_only; /* after an I/O error. Atomic */
};

/*
 * Open, or create. RocksDB's threads are started here, and run where the calling thread may. Returns 0 or a negative errno.
 */
int database_open(
	struct database *database, const struct database_config *config, struct error *error);
void database_close(struct database *database);

/* The outcome of a call that has set `message`, which is freed; NULL: STORE_OK. */
int database_outcome(char *message, struct explanation *explanation);

/*
 * Write atomically. Others may read it before it is on the device.
 *
 * @batch: is given the number of the log's record, too
 * @flags: enum database_write_flag
 *
 * Returns an outcome; STORE_READ_ONLY once a write has failed.
 */
int database_write(struct database *database, rocksdb_writebatch_t *batch, unsigned flags,
	struct explanation *explanation);

/*
 * What to read with. Deletions of ranges are not looked at: only spaces that nobody reads any more are deleted so, and an iterator of
 * RocksDB 7.8 that does look leaves out a file that it cannot read, without an error (facebook/rocksdb#11782).
 *
 * @may_wait: or what is not in memory is OUTCOME_WOULD_WAIT
 */
rocksdb_readoptions_t *database_read_options(bool may_wait);

/* Returns an outcome, with `*value` to be destroyed, or STORE_NOT_FOUND. */
int database_get(struct database *database, const rocksdb_readoptions_t *options, struct bytes key,
	rocksdb_pinnableslice_t **value, struct explanation *explanation);

bool database_is_read_only(const struct database *database);

/* Returns STORE_OK, or STORE_READ_ONLY with its explanation. */
int database_check_writable(const struct database *database, struct explanation *explanation);

/* Of changes that RocksDB gathers before it writes a file. */
size_t database_buffer_bytes(const struct database_config *config);

/* For database_open: the log is read, and what is missing is written. Returns 0 or a negative errno. */
int database_open_log(
	struct database *database, const struct database_config *config, struct error *error);

/* A space's number, as keys begin with it. */
#define SPACE_BYTES 4u

static inline void space_write(char *key, uint32_t space)
{
	const uint32_t big_endian = __builtin_bswap32(space);

	memcpy(key, &big_endian, sizeof big_endian);
}

static inline uint32_t space_read(const char *key)
{
	uint32_t big_endian;

	memcpy(&big_endian, key, sizeof big_endian);
	return __builtin_bswap32(big_endian);
}

#endif
