#include "call.h"

#define ALONE(handler)                                                              \
	{                                                                           \
		.handle = (handler), .request_bytes = sizeof(struct store_request), \
		.reply_bytes = sizeof(struct store_reply)                           \
	}
#define PLAIN(handler, request)                                               \
	{                                                                     \
		.handle = (handler), .request_bytes = sizeof(struct request), \
		.reply_bytes = sizeof(struct store_reply)                     \
	}
#define ANSWERED(handler, request, answer)                                    \
	{                                                                     \
		.handle = (handler), .request_bytes = sizeof(struct request), \
		.reply_bytes = sizeof(struct answer)                          \
	}
#define TABLE(handler, request, answer)                                       \
	{                                                                     \
		.handle = (handler), .request_bytes = sizeof(struct request), \
		.reply_bytes = sizeof(struct answer), .has_table = true       \
	}

static const struct operation operations[STORE_OPERATIONS] = {
	[STORE_HELLO] = ANSWERED(handle_hello, store_hello, store_hello_reply),
	[STORE_TABLE_CREATE] = ANSWERED(handle_table_create, store_table_create, store_table_reply),
	[STORE_TABLE_OPEN] = ANSWERED(handle_table_open, store_table_name, store_table_reply),
	[STORE_TABLE_DROP] = PLAIN(handle_table_drop, store_table_name),
	[STORE_TABLE_RENAME] = PLAIN(handle_table_rename, store_table_rename),
	/* These two look the table up where nothing can come in between. */
	[STORE_TABLE_TRUNCATE] = PLAIN(handle_table_truncate, store_table),
	[STORE_TABLE_METADATA] = PLAIN(handle_table_metadata, store_table_metadata),
	[STORE_TABLE_LIST] = ANSWERED(handle_table_list, store_table_name, store_list_reply),
	[STORE_TABLE_STATUS] = TABLE(handle_table_status, store_table, store_table_status_reply),
	[STORE_COUNTER] = TABLE(handle_counter, store_counter, store_counter_reply),
	[STORE_GET] = TABLE(handle_get, store_get, store_value_reply),
	[STORE_SCAN] = TABLE(handle_scan, store_scan, store_scan_reply),
	[STORE_WRITE] = {.handle = handle_write,
		.request_bytes = sizeof(struct store_write),
		.reply_bytes = sizeof(struct store_write_reply),
		.has_table = true,
		.is_told_always = true},
	[STORE_COUNT] = TABLE(handle_count, store_scan, store_count_reply),
	[STORE_COMMIT] = ALONE(handle_commit),
	[STORE_ROLLBACK] = ALONE(handle_rollback),
	[STORE_SAVEPOINT] = PLAIN(handle_savepoint, store_savepoint),
	[STORE_SAVEPOINT_ROLLBACK] = PLAIN(handle_savepoint_rollback, store_savepoint),
	[STORE_SAVEPOINT_RELEASE] = PLAIN(handle_savepoint_release, store_savepoint),
	[STORE_PREPARE] = PLAIN(handle_prepare, store_xid),
	[STORE_RECOVER] = ANSWERED(handle_recover, store_request, store_list_reply),
	[STORE_COMMIT_XID] = PLAIN(handle_commit_xid, store_xid),
	[STORE_ROLLBACK_XID] = PLAIN(handle_rollback_xid, store_xid),
	[STORE_SNAPSHOT] = ALONE(handle_snapshot),
	[STORE_CHECKPOINT] = PLAIN(handle_checkpoint, store_table_name),
	[STORE_STATUS] = ANSWERED(handle_status, store_request, store_value_reply),
	[STORE_CANCEL] = PLAIN(handle_cancel, store_cancel),
};

const struct operation *operation_find(unsigned number)
{
	if (number >= STORE_OPERATIONS || !operations[number].handle)
		return NULL;
	return &operations[number];
}
