/*
 * Space 0: what the module itself keeps in the database. Each key is the space's number, a letter, and what the letter says.
 */
#ifndef SLUICE_STORE_DICTIONARY_RECORD_H
#define SLUICE_STORE_DICTIONARY_RECORD_H

#include <stdint.h>

#include "database.h"

#define RECORD_FORMAT 1u

enum record_kind {
	RECORD_FORMAT_VERSION = 'v', /* -> u32 */
	RECORD_NEXT = 'n',	     /* -> struct record_next */
	RECORD_TABLE = 't',	     /* number of the table -> struct record_table, name */
	RECORD_METADATA = 'm',	     /* number of the table -> metadata */
	RECORD_COUNTER = 'c',	     /* number of the table -> u64: later ones begin there */
	RECORD_ROWS = 'r',	     /* number of the table -> i64: about */
	RECORD_RECLAIM = 'd',	     /* first space -> u32: how many are to be reclaimed */
	RECORD_PREPARED = 'x',	     /* xid -> RocksDB's write batch */
	RECORD_LOGGED = 'l', /* -> u64: number of the commit log's record that was written last */
};

struct record_next {
	uint32_t table, space;
};

struct record_table {
	uint32_t generation;
	uint32_t space_first, space_count;
	uint32_t reserved;
	uint64_t counter_first;
};

#define RECORD_KEY_BYTES_MAX (SPACE_BYTES + 1 + STORE_XID_BYTES_MAX)

struct record_key {
	char data[RECORD_KEY_BYTES_MAX];
	size_t bytes;
};

/* The key of a record that is there once. */
struct record_key record_key(enum record_kind kind);

/* Of a record by a number. */
struct record_key record_key_number(enum record_kind kind, uint32_t number);

/* Of a record by up to STORE_XID_BYTES_MAX bytes. */
struct record_key record_key_bytes(enum record_kind kind, struct bytes bytes);

void record_put(
	rocksdb_writebatch_t *batch, struct record_key key, const void *value, size_t bytes);
void record_delete(rocksdb_writebatch_t *batch, struct record_key key);

/*
 * Call `visit` with what follows the letter, and the value, of each record of a kind. It returns 0, or a negative errno that ends it.
 */
int record_each(struct database *database, enum record_kind kind,
	int (*visit)(void *context, struct bytes name, struct bytes value, struct error *error),
	void *context, struct error *error);

#endif
