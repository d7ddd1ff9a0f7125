#include "key_range.h"

static void make_upper(struct call *call, uint32_t space, struct bytes upper)
{
	struct key_buffer *buffer = &call->session->upper;

	if (upper.bytes)
		call_make_key(call, buffer, space, upper);
	else
		call_make_key(call, buffer, space + 1, upper);
}

int range_take(struct call *call)
{
	const struct store_scan *request = &call->request.scan;
	struct bytes lower, upper;

	if (request->space >= call->generation->space_count ||
		!message_take_bytes(&call->rest, request->lower_bytes, &lower) ||
		!call_take_last(call, request->upper_bytes, &upper))
		return OUTCOME_MALFORMED;
	if (lower.bytes > STORE_KEY_BYTES_MAX + 1 || upper.bytes > STORE_KEY_BYTES_MAX + 1)
		return explain(&call->explanation, STORE_TOO_BIG, "a key has at most %u bytes",
			STORE_KEY_BYTES_MAX);
	call_make_key(call, &call->session->lower, request->space, lower);
	make_upper(call, request->space, upper);
	return STORE_OK;
}

bool range_is_empty(const struct session *session)
{
	return bytes_compare(key_bytes_of(&session->lower), key_bytes_of(&session->upper)) >= 0;
}

void range_open_cursor(struct call *call, struct row_cursor *cursor,
	const rocksdb_snapshot_t *snapshot, bool is_backward)
{
	struct session *session = call->session;
	rocksdb_readoptions_t *options = call_read_options(call, snapshot);
	const struct write_set *writes =
		session->transaction ? &session->transaction->writes : NULL;

	rocksdb_readoptions_set_iterate_lower_bound(
		options, session->lower.data, session->lower.bytes);
	rocksdb_readoptions_set_iterate_upper_bound(
		options, session->upper.data, session->upper.bytes);
	if (writes && write_set_is_empty(writes))
		writes = NULL;
	row_cursor_open(cursor, call->store->database.db,
		&(struct row_range){.options = options,
			.writes = writes,
			.lower = key_bytes_of(&session->lower),
			.upper = key_bytes_of(&session->upper),
			.is_backward = is_backward});
}

int range_look_at(struct call *call, struct row_cursor *cursor, bool is_backward, uint32_t rows_max,
	uint32_t *rows)
{
	int outcome = STORE_OK, error;

	range_open_cursor(call, cursor, NULL, is_backward);
	for (*rows = 0; cursor->is_valid && *rows < rows_max && !outcome; ++*rows) {
		row_cursor_next(cursor);
		outcome = call_go_on(call, *rows);
	}
	error = row_cursor_error(cursor, &call->explanation);
	return error ? error : outcome;
}
