/*
 * One request, while it is handled.
 *
 * Theory of operation. The table of operations (operations.c) says for each how many bytes its struct has, how many its reply's, and who
 * handles it. The frame in call.c takes the struct off the message, looks up the table it names, and completes the reply. A handler reads
 * what follows, fills in `answer`, appends what follows that, and returns an outcome. Locks that a request has acquired are given up
 * if it fails; nothing else has to be undone, because handlers write last, and into room that they have reserved.
 */
#ifndef SLUICE_STORE_CALL_H
#define SLUICE_STORE_CALL_H

#include "store.h"

union call_request {
	struct store_request request;
	struct store_hello hello;
	struct store_cancel cancel;
	struct store_table_create create;
	struct store_table_name name;
	struct store_table_rename rename;
	struct store_table table;
	struct store_table_metadata metadata;
	struct store_counter counter;
	struct store_get get;
	struct store_scan scan;
	struct store_write write;
	struct store_savepoint savepoint;
	struct store_xid xid;
};

union call_answer {
	struct store_reply reply;
	struct store_hello_reply hello;
	struct store_table_reply table;
	struct store_table_status_reply status;
	struct store_counter_reply counter;
	struct store_value_reply value;
	struct store_scan_reply scan;
	struct store_write_reply write;
	struct store_count_reply count;
	struct store_list_reply list;
};

struct call {
	struct session *session;
	struct store *store;
	bool may_wait;
	union call_request request;
	struct message_reader rest;    /* of the message, behind the struct */
	struct generation *generation; /* of the table that the request names */
	union call_answer answer;
	struct module_reply *reply; /* appended to; `answer` gets to its beginning at last */
	struct explanation explanation;
};

struct operation {
	/* Returns an outcome. */
	int (*handle)(struct call *call);
	size_t request_bytes, reply_bytes;
	bool has_table;	     /* the request begins with a struct store_table */
	bool is_told_always; /* the reply is complete with every status */
};

/* NULL: not known. */
const struct operation *operation_find(unsigned number);

enum module_result call_handle(
	struct session *session, const struct module_request *request, struct module_reply *reply);

/* ---- for handlers ---- */

static inline bool call_has(const struct call *call, unsigned flags)
{
	return call->request.request.flags & flags;
}

/* Take the last bytes of the message, of that many. Returns false if it has more, or fewer. */
bool call_take_last(struct call *call, size_t bytes, struct bytes *taken);

/* Make room for that many more bytes. Returns false if the message would be too big. */
bool call_can_append(struct call *call, size_t bytes);

/* Append to the reply. Returns STORE_OK, or STORE_TOO_BIG. */
int call_append(struct call *call, const void *data, size_t bytes);

/* As call_append, with a u32 of bytes before it. */
int call_append_item(struct call *call, struct bytes item);

/* What to read with: a snapshot, or NULL for what is committed now. */
rocksdb_readoptions_t *call_read_options(struct call *call, const rocksdb_snapshot_t *snapshot);

/* How what is read is locked. Returns false if it is not. */
bool call_lock_mode(const struct call *call, enum lock_mode *mode);

/* Lock a key for the session's transaction. Returns an outcome. */
int call_lock(struct call *call, struct bytes key, enum lock_mode mode, struct lock_hold **hold);

/* The same for an interval of keys. */
int call_lock_range(struct call *call, const struct interval *interval, enum lock_mode mode);

/*
 * The value of a key as the session's transaction sees it, with that snapshot. `*pinned` is to be destroyed unless it is NULL.
 * Returns an outcome: STORE_NOT_FOUND.
 */
int call_read(struct call *call, struct bytes key, const rocksdb_snapshot_t *snapshot,
	rocksdb_pinnableslice_t **pinned, struct bytes *value);

/*
 * Whether to look at one more row, after so many. Returns an outcome: STORE_OK; STORE_CANCELLED; or OUTCOME_WOULD_WAIT, where that
 * is more than others can be made to wait for.
 */
int call_go_on(struct call *call, uint32_t rows_seen);

/* Put together a key of the database from a space of the call's table. */
void call_make_key(
	const struct call *call, struct key_buffer *buffer, uint32_t space, struct bytes key);

static inline struct bytes key_bytes_of(const struct key_buffer *key)
{
	return (struct bytes){.data = key->data, .bytes = key->bytes};
}

/* ---- the handlers ---- */

int handle_hello(struct call *call);
int handle_table_create(struct call *call);
int handle_table_open(struct call *call);
int handle_table_drop(struct call *call);
int handle_table_rename(struct call *call);
int handle_table_truncate(struct call *call);
int handle_table_metadata(struct call *call);
int handle_table_list(struct call *call);
int handle_table_status(struct call *call);
int handle_counter(struct call *call);
int handle_get(struct call *call);
int handle_scan(struct call *call);
int handle_write(struct call *call);
int handle_count(struct call *call);
int handle_commit(struct call *call);
int handle_rollback(struct call *call);
int handle_savepoint(struct call *call);
int handle_savepoint_rollback(struct call *call);
int handle_savepoint_release(struct call *call);
int handle_prepare(struct call *call);
int handle_recover(struct call *call);
int handle_commit_xid(struct call *call);
int handle_rollback_xid(struct call *call);
int handle_snapshot(struct call *call);
int handle_checkpoint(struct call *call);
int handle_status(struct call *call);
int handle_cancel(struct call *call);

#endif
