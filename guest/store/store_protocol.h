/*
 * What the storage module is asked, and answers: ordered keys and values in tables, with transactions.
 *
 * A message is one of the structs here, then what it says follows it, in order and without padding. Numbers are little-endian.
 * "bytes" counts what follows. A reply begins with struct store_reply. Whatever does not hold together ends the connection.
 *
 * Spaces. A table is a number of spaces, each of them ordered pairs of key and value, compared like memcmp: space 0 for the rows by their
 * primary key, one more for each further index. What keys mean is the client's business. In an index, a value begins with a u32 of bytes
 * and the primary key of its row (that is what STORE_SCAN follows with STORE_WITH_ROWS); what follows is the client's.
 *
 * Transactions. A connection has at most one. It begins with the first request that reads or writes, at the isolation that
 * request's flags say, and ends by COMMIT, ROLLBACK, PREPARE (then it belongs to nobody, until a COMMIT_XID or ROLLBACK_XID) or with the
 * connection. Reads see what it has written. Without lock, they read a snapshot: of the first read of the transaction, or
 * with STORE_FRESH of this request; with a lock they read what is committed last, and nobody else locks or writes that key until the
 * transaction ends, whether or not it is there. A locking scan with STORE_RANGE locks whatever is between the range's beginning and the last row of
 * its answer (or the range's end), so that nobody else inserts there, either. Writes lock, too. Waiting for a lock ends by getting it, by a deadlock, or by time. After STORE_DEADLOCK the
 * transaction is rolled back as a whole; after any other status what the request would have done is undone, no more.
 *
 * Posting. A client may send requests before it has the answers to earlier ones. What follows must not be done if one that it did
 * not wait for fails, the COMMIT above all: so a request with STORE_POSTED that fails takes the whole transaction with it, and
 * all requests that follow are answered with its status and text, up to and with a COMMIT or ROLLBACK.
 */
#ifndef SLUICE_STORE_PROTOCOL_H
#define SLUICE_STORE_PROTOCOL_H

#include <stdint.h>

#define STORE_PROTOCOL_VERSION 3
#define STORE_NAME_BYTES_MAX 1024
#define STORE_SPACES_MAX 130u /* of a table: MariaDB has at most 64 indexes (128 when built so) */
#define STORE_KEY_BYTES_MAX 8192u
#define STORE_XID_BYTES_MAX 152u /* MariaDB's: format, lengths, 128 bytes of data */
#define STORE_SAVEPOINTS_MAX 65535u

enum store_operation {
	STORE_HELLO = 1,    /* store_hello -> store_hello_reply */
	STORE_TABLE_CREATE, /* store_table_create, name, metadata -> store_table_reply; STORE_EXISTS */
	STORE_TABLE_OPEN, /* store_table_name, name -> store_table_reply, metadata; STORE_NOT_FOUND */
	STORE_TABLE_DROP, /* store_table_name, name; all of it; STORE_NOT_FOUND. Like the next three at once and for good, outside of transactions */
	STORE_TABLE_RENAME, /* store_table_rename, name, new name */
	STORE_TABLE_TRUNCATE, /* store_table: all spaces are empty, under a new generation; the counter starts anew */
	STORE_TABLE_METADATA, /* store_table_metadata, metadata: replaced */
	STORE_TABLE_LIST, /* store_table_name, prefix of names -> store_list_reply, and per table a u32 of bytes, name */
	STORE_TABLE_STATUS, /* store_table -> store_table_status_reply */
	STORE_COUNTER, /* store_counter -> store_counter_reply: reserve numbers, for good, whatever becomes of the transaction */

	STORE_GET, /* store_get, key -> store_value_reply, value; STORE_NOT_FOUND (locked all the same, if a lock was asked for, and not STORE_IF_THERE) */
	STORE_SCAN, /* store_scan, lower, upper -> store_scan_reply, then per row struct store_row, key, value, row */
	STORE_WRITE, /* store_write, then per change struct store_change, key, value; all or nothing. -> store_write_reply */
	STORE_COUNT, /* store_scan (rows_max: how many to look at; 0: none, just estimate), lower, upper -> store_count_reply: about how many there are; exactly, if rows_max was enough */

	STORE_COMMIT,	/* store_request alone; STORE_SYNC: durable when answered */
	STORE_ROLLBACK, /* of the whole transaction */
	STORE_SAVEPOINT, /* store_savepoint: set one more, with that number, which grows from one to the next */
	STORE_SAVEPOINT_ROLLBACK, /* store_savepoint: undo what came after it; it stays, later ones go. STORE_NOT_FOUND */
	STORE_SAVEPOINT_RELEASE, /* store_savepoint: it and later ones go, what was done stays */
	STORE_PREPARE, /* store_xid, xid: durable; the connection has no transaction then */
	STORE_RECOVER, /* store_request alone -> store_list_reply, and per prepared transaction a u32 of bytes, xid */
	STORE_COMMIT_XID,   /* store_xid, xid; STORE_NOT_FOUND */
	STORE_ROLLBACK_XID, /* store_xid, xid */
	STORE_SNAPSHOT,	    /* begin, and take the snapshot now */

	STORE_CHECKPOINT, /* store_table_name, name: a consistent copy in "checkpoints/NAME" of the module's directory; STORE_EXISTS */
	STORE_STATUS,	  /* -> store_value_reply, text */
	STORE_CANCEL, /* store_cancel: what another connection asks for now, and from now on, ends with STORE_CANCELLED where it would wait or go on for long; with key 0: this one's is not cancelled any more. STORE_NOT_FOUND */
	STORE_OPERATIONS,
};

enum store_flag {
	STORE_SHARED = 1,    /* GET, SCAN: lock what is read, others may do so too */
	STORE_EXCLUSIVE = 2, /* GET, SCAN: lock what is read */
	STORE_FRESH = 4,     /* read what is committed now (READ COMMITTED) */
	STORE_DIRTY =
		8, /* read what is committed now, and that is all it takes: no snapshot is kept (READ UNCOMMITTED) */
	STORE_NO_WAIT = 16,	/* a lock that is taken is STORE_LOCK_TIMEOUT at once */
	STORE_SKIP_LOCKED = 32, /* SCAN: leave out rows whose lock is taken */
	STORE_SYNC =
		64, /* COMMIT: durable when answered, together with others that commit meanwhile */
	STORE_BACKWARD = 128, /* SCAN: from the upper end down */
	STORE_WITH_ROWS =
		256, /* SCAN of an index: the rows, too (locked with it); entries whose row is gone are left out */
	STORE_KEYS_ONLY = 512, /* SCAN: values are not sent (but rows are, with STORE_WITH_ROWS) */
	STORE_POSTED = 1024,   /* if it fails, the transaction fails: see above */
	STORE_RANGE =
		2048, /* SCAN with a lock: lock the keys between those that are found, too; not with STORE_SKIP_LOCKED */
	STORE_IF_THERE = 4096, /* GET: a key that is not there is not locked either */
};

enum store_status {
	STORE_OK,
	STORE_NOT_FOUND,
	STORE_EXISTS,
	STORE_DUPLICATE, /* a change that inserts found its key: store_write_reply says which */
	STORE_LOCK_TIMEOUT,
	STORE_DEADLOCK,
	STORE_TOO_BIG, /* more than a message, a key or the transaction may have */
	STORE_NO_SPACE,
	STORE_IO_ERROR,
	STORE_READ_ONLY,   /* after an I/O error, nothing is written any more */
	STORE_UNSUPPORTED, /* another version; an operation not known */
	STORE_STALE, /* this table was dropped or truncated since it was opened: open it again */
	STORE_BUSY,  /* too many transactions, snapshots, tables */
	STORE_CANCELLED, /* by STORE_CANCEL */
};

struct store_request {
	uint16_t operation;
	uint16_t flags;
	uint32_t lock_timeout_ms; /* for how long to wait for each lock */
};

struct store_reply {
	uint16_t status;
	uint16_t operation; /* of the request */
	uint32_t
		text_bytes; /* with a status other than STORE_OK: this many bytes of explanation end the reply. Between it and them is nothing, but for STORE_WRITE the rest of store_write_reply */
};

struct store_hello {
	struct store_request request;
	uint32_t version;
	uint32_t reserved;
};

struct store_hello_reply {
	struct store_reply reply;
	uint32_t version;
	uint32_t message_bytes_max;
	uint64_t instance;   /* another one after each start of the module */
	uint64_t cancel_key; /* of this connection, for STORE_CANCEL; random, not 0 */
};

struct store_cancel {
	struct store_request request;
	uint64_t key;
};

struct store_table_create {
	struct store_request request;
	uint32_t space_count;
	uint32_t name_bytes, metadata_bytes;
	uint32_t reserved;
	uint64_t counter; /* the first number that STORE_COUNTER gives */
};

struct store_table_name {
	struct store_request request;
	uint32_t name_bytes;
	uint32_t reserved;
};

struct store_table_rename {
	struct store_request request;
	uint32_t name_bytes, new_name_bytes;
};

/* A table that was opened; its generation changes when it is truncated. */
struct store_table {
	struct store_request request;
	uint32_t table;
	uint32_t generation;
};

struct store_table_metadata {
	struct store_table table;
	uint32_t metadata_bytes;
	uint32_t reserved;
};

struct store_table_reply {
	struct store_reply reply;
	uint32_t table;
	uint32_t generation;
	uint32_t space_count;
	uint32_t metadata_bytes;
};

struct store_table_status_reply {
	struct store_reply reply;
	uint64_t rows;	     /* about */
	uint64_t data_bytes; /* about, on the device: of space 0 */
	uint64_t index_bytes;
	uint64_t counter; /* the next number that STORE_COUNTER would give */
};

struct store_counter {
	struct store_table table;
	uint64_t least;	       /* the first number given is at least this */
	uint64_t step, offset; /* and so that number = offset modulo step */
	uint64_t
		count; /* how many, `step` from each other and from whatever comes next; 0: only see that later ones are at least `least` */
};

struct store_counter_reply {
	struct store_reply reply;
	uint64_t first;
};

struct store_get {
	struct store_table table;
	uint32_t space;
	uint32_t key_bytes;
};

struct store_value_reply {
	struct store_reply reply;
	uint32_t value_bytes;
	uint32_t reserved;
};

/*
 * The rows whose keys k have lower <= k < upper, bytewise; no bytes for either means no bound. The keys behind one, and those that begin with
 * one, are such ranges: the next key after k is k with a byte 0, and the first behind all that begin with k is k with its last byte that is
 * not 255 increased, and nothing behind that.
 */
struct store_scan {
	struct store_table table;
	uint32_t space;
	uint32_t lower_bytes, upper_bytes;
	uint32_t rows_max; /* 0: as many as fit */
	uint32_t
		bytes_max; /* of the reply, about; at least one row is sent if there is any; 0: as many as fit */
	uint32_t reserved;
};

struct store_scan_reply {
	struct store_reply reply;
	uint32_t row_count;
	uint32_t
		is_end; /* 1: there are no more rows in the range; 0: scan again, from behind the last one's key */
};

struct store_row {
	uint32_t key_bytes, value_bytes, row_bytes;
};

enum store_change_kind {
	STORE_PUT,    /* write, whether or not the key is there */
	STORE_INSERT, /* STORE_DUPLICATE if the key is there, as others have committed it, or this transaction has written it */
	STORE_DELETE, /* whether or not it is there */
};

struct store_write {
	struct store_table table;
	uint32_t change_count;
	uint32_t
		savepoint; /* set before the changes, as by STORE_SAVEPOINT, unless the request fails; 0: none */
};

struct store_change {
	uint32_t kind;
	uint32_t space;
	uint32_t key_bytes, value_bytes;
};

struct store_write_reply {
	struct store_reply reply;
	uint32_t failed_change; /* with STORE_DUPLICATE, the number of the change, from 0 */
	uint32_t reserved;
};

struct store_count_reply {
	struct store_reply reply;
	uint64_t rows;
	uint32_t is_exact;
	uint32_t reserved;
};

struct store_savepoint {
	struct store_request request;
	uint32_t number;
	uint32_t reserved;
};

struct store_xid {
	struct store_request request;
	uint32_t xid_bytes;
	uint32_t reserved;
};

struct store_list_reply {
	struct store_reply reply;
	uint32_t count;
	uint32_t reserved;
};

#endif
