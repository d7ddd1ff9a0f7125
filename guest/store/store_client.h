/*
 * The storage module's client: typed calls for what store_protocol.h says. May be used from C++.
 *
 * In an index, a value begins with a u32 of bytes and the primary key of its row.
 *
 * Theory of operation. A store_client is one connection, and so one transaction, of one thread at a time. Its request is built in a
 * buffer that is kept. An answer lies in the channel until the next call, so what a call returns by pointer holds until the next
 * call with the same client; only a cursor copies its rows, and they hold until the cursor is moved past the last one of its batch.
 *
 * Every call that asks returns
 *	0 (STORE_OK),
 *	an enum store_status greater than 0, which store_client_text explains, or
 *	a negative errno: -ECONNRESET: the host has forgotten the connection and with it the transaction: close this client, and open
 *	another; -EMSGSIZE: more than a message may have (nothing was asked); -EPROTO: the answer does not hold together; -ENOMEM.
 */
#ifndef SLUICE_GUEST_STORE_CLIENT_H
#define SLUICE_GUEST_STORE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel/channel_client.h"
#include "store/store_protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

struct store_client;

/* Bytes that belong to somebody else. */
struct store_bytes {
	const void *data;
	size_t bytes;
};

/* An open table. Anybody may keep one and use it with every client of the same instance of the module, until STORE_STALE. */
struct store_handle {
	uint32_t table;
	uint32_t generation;
	uint32_t space_count;
};

/* Connect, and ask whether the versions fit. Also returns -EPROTONOSUPPORT, and what channel_connect returns. */
int store_client_open(struct channel *channel, struct store_client **client);

/* End the connection: an unfinished transaction is rolled back. NULL is ignored. */
void store_client_close(struct store_client *client);

/* The host has forgotten the connection: any call would return -ECONNRESET. Asks nothing. */
bool store_client_is_lost(const struct store_client *client);

/* Of the module: another one after each of its starts. Handles are worth nothing then. */
uint64_t store_client_instance(const struct store_client *client);

/* By which others cancel what this client asks for. */
uint64_t store_client_cancel_key(const struct store_client *client);

/*
 * What the client with that key asks for now, and from now on, ends with STORE_CANCELLED where it would wait for a lock, or go on
 * for long. Key 0: what this client itself asks for is not cancelled any more.
 */
int store_client_cancel(struct store_client *client, uint64_t key);

/* For how long later calls wait for each lock, in milliseconds. 0 at first: not at all. */
void store_client_set_lock_timeout(struct store_client *client, uint32_t timeout_ms);

/* What the module says about the status of the last call; "" if nothing. Holds until the next call. */
const char *store_client_text(const struct store_client *client);

/* A status in a few words. */
const char *store_status_text(int status);

/* ---- Tables. At once and for good, outside of the transaction. ---- */

/* @counter: the first number that store_client_counter gives */
int store_client_table_create(struct store_client *client, struct store_bytes name,
	struct store_bytes metadata, uint32_t space_count, uint64_t counter,
	struct store_handle *handle);

/* @metadata: what create or set_metadata was given; may be NULL */
int store_client_table_open(struct store_client *client, struct store_bytes name,
	struct store_handle *handle, struct store_bytes *metadata);

int store_client_table_drop(struct store_client *client, struct store_bytes name);

int store_client_table_rename(
	struct store_client *client, struct store_bytes name, struct store_bytes new_name);

/* Empty all spaces. Every handle of the table is stale afterwards, this one too: open it again. */
int store_client_table_truncate(struct store_client *client, const struct store_handle *handle);

int store_client_table_set_metadata(struct store_client *client, const struct store_handle *handle,
	struct store_bytes metadata);

struct store_table_numbers {
	uint64_t rows;	      /* about */
	uint64_t data_bytes;  /* about, on the device: of space 0 */
	uint64_t index_bytes; /* of the others */
	uint64_t counter;     /* the next number */
};

int store_client_table_status(struct store_client *client, const struct store_handle *handle,
	struct store_table_numbers *numbers);

/* What store_client_table_list and store_client_recover return: read it with store_list_next. */
struct store_list {
	const char *at, *end;
	uint32_t left;
};

/* Names that begin with `prefix`. */
int store_client_table_list(
	struct store_client *client, struct store_bytes prefix, struct store_list *list);

/* Returns false behind the last. */
bool store_list_next(struct store_list *list, struct store_bytes *item);

/*
 * Reserve `count` numbers, `step` from each other, of which each is `offset` modulo `step` and at least `least`. `count` 0 reserves
 * nothing, and sees that later ones are at least `least`. What is reserved next is a `step` behind the last, at least. `*first` may be NULL.
 */
int store_client_counter(struct store_client *client, const struct store_handle *handle,
	uint64_t least, uint64_t step, uint64_t offset, uint64_t count, uint64_t *first);

/* ---- Reading; @flags: enum store_flag. ---- */

/* `*value` holds until the next call; may be NULL. */
int store_client_get(struct store_client *client, const struct store_handle *handle, uint32_t space,
	struct store_bytes key, unsigned flags, struct store_bytes *value);

/* About how many rows there are; @rows_max: how many to look at, 0: none, just estimate; `*is_exact` may be NULL. */
int store_client_count(struct store_client *client, const struct store_handle *handle,
	uint32_t space, struct store_bytes lower, struct store_bytes upper, uint32_t rows_max,
	unsigned flags, uint64_t *rows, bool *is_exact);

/* What to scan. The bounds are copied by store_cursor_begin. */
struct store_range {
	struct store_handle handle;
	uint32_t space;
	unsigned flags;
	struct store_bytes lower, upper; /* lower <= key < upper; no bytes: no bound */
	uint32_t rows_first; /* how many rows the first batch asks for; 0: as many as fit */
	uint32_t
		rows_max; /* how many a later batch asks for (they grow up to it); 0: as many as fit */
	uint32_t bytes_max; /* of a batch; 0: as many as fit */
};

/* A row of a cursor. What was not asked for has no bytes. */
struct store_cursor_row {
	struct store_bytes key, value;
	struct store_bytes row; /* with STORE_WITH_ROWS */
};

/*
 * A scan, in batches. Several may be open for a client, with other calls in between; between two batches it has nothing at the
 * module. All of it is private. Begin with a zeroed one; one that has ended may begin again and keeps its buffers.
 */
struct store_cursor {
	struct store_range range;
	char *bounds; /* the lower one, then the upper one, with room for a last key and a byte more */
	size_t bounds_capacity;
	char *rows; /* of the batch */
	size_t rows_capacity, rows_bytes, at;
	uint32_t left;
	uint32_t rows_next; /* how many the next batch asks for */
	bool is_end;	    /* there is no batch after this one */
};

/* Asks nothing yet. Returns 0, -ENOMEM, or -EMSGSIZE: a bound has more than STORE_KEY_BYTES_MAX + 1 bytes. */
int store_cursor_begin(struct store_cursor *cursor, const struct store_range *range);

/*
 * Fetch the next batch, if there is no row left of the last: then `left` says how many rows there are, and `is_end` whether those are all.
 * After a failure, the cursor is at its end.
 */
int store_cursor_fill(struct store_cursor *cursor, struct store_client *client);

/*
 * The next row; it holds until the next call with this cursor. At the end: STORE_NOT_FOUND. After any other failure, the cursor is
 * at its end.
 */
int store_cursor_next(
	struct store_cursor *cursor, struct store_client *client, struct store_cursor_row *row);

/* Free its buffers. */
void store_cursor_end(struct store_cursor *cursor);

/* ---- Writing. ---- */

/*
 * Changes of one table, which are made all or none. Private. Begin with a zeroed one; it may be begun again, and keeps its buffer.
 * Adding returns 0, -ENOMEM, or -EMSGSIZE if it would be more than a message may have: then write what there is, and begin again.
 */
struct store_batch {
	char *data;
	size_t bytes, capacity, bytes_max;
	uint32_t change_count;
	uint32_t
		savepoint; /* to be set before the changes, unless they fail; 0, as after its beginning: none */
};

int store_batch_begin(struct store_batch *batch, const struct store_client *client,
	const struct store_handle *handle);
int store_batch_put(struct store_batch *batch, uint32_t space, struct store_bytes key,
	struct store_bytes value);
int store_batch_insert(struct store_batch *batch, uint32_t space, struct store_bytes key,
	struct store_bytes value);
int store_batch_delete(struct store_batch *batch, uint32_t space, struct store_bytes key);
void store_batch_end(struct store_batch *batch);

/*
 * Write a batch, which stays as it is. @failed_change: with STORE_DUPLICATE, the number of the change, from 0; may be NULL. A
 * batch without changes asks nothing.
 */
int store_client_write(struct store_client *client, const struct store_batch *batch, unsigned flags,
	uint32_t *failed_change);

/*
 * Write a batch without waiting for what becomes of it: for changes that are expected to succeed, as their rows are locked. If they fail,
 * the transaction does: every call that asks returns that status then, up to and with a commit or rollback. Returns 0 or a negative errno.
 */
int store_client_post_write(struct store_client *client, const struct store_batch *batch);

/* Whether that has happened, as far as is known: after a call that has asked, it is known. */
bool store_client_is_failed(const struct store_client *client);

/* ---- Transactions. ---- */

/* Take the snapshot that the transaction's reads are of now. */
int store_client_snapshot(struct store_client *client);

int store_client_commit(struct store_client *client, bool is_durable);
int store_client_rollback(struct store_client *client);

/*
 * End a transaction that has neither written nor locked anything, without waiting for it: nobody else could tell. Returns 0 or a
 * negative errno.
 */
int store_client_post_commit(struct store_client *client);

/* @number: grows from one savepoint to the next */
int store_client_savepoint(struct store_client *client, uint32_t number);
int store_client_savepoint_rollback(struct store_client *client, uint32_t number);
int store_client_savepoint_release(struct store_client *client, uint32_t number);

/* The transaction is durable, and the connection has none any more. */
int store_client_prepare(struct store_client *client, struct store_bytes xid);

/* Xids of prepared transactions. */
int store_client_recover(struct store_client *client, struct store_list *list);

int store_client_commit_xid(struct store_client *client, struct store_bytes xid, bool is_durable);
int store_client_rollback_xid(struct store_client *client, struct store_bytes xid);

/* ---- For the operator. ---- */

int store_client_checkpoint(struct store_client *client, struct store_bytes name);

/* Lines "name: value"; holds until the next call. */
int store_client_status(struct store_client *client, struct store_bytes *text);

#ifdef __cplusplus
}
#endif
#endif
