/*
 * Ranges of rows: read, and counted.
 *
 * Theory of operation. An iterator sees what was committed when it was made. A row that is locked is one that may have been changed by then and
 * the lock, so it is read again, unless nothing at all was written meanwhile, which RocksDB's sequence number says.
 */
#include "call.h"
#include "key_position.h"
#include "row_cursor.h"

#define ROWS_POLLED_MAX 1024u /* that are counted where others wait for the poller */

struct scan {
	struct call *call;
	const rocksdb_snapshot_t *snapshot; /* or NULL */
	bool is_snapshot_own;		    /* of this request alone */
	bool is_locking;
	enum lock_mode mode;
	uint64_t sequence; /* of the database, when the cursor was made */
	struct row_cursor cursor;
	size_t bytes_max;
	uint32_t rows_max;
	/* The row, as it is now: */
	struct bytes value;
	rocksdb_pinnableslice_t *value_pinned;
	struct bytes row;
	rocksdb_pinnableslice_t *row_pinned;
};

/* ---- the range ---- */

static void make_upper(struct call *call, uint32_t space, struct bytes upper)
{
	struct key_buffer *buffer = &call->session->upper;

	if (upper.bytes)
		call_make_key(call, buffer, space, upper);
	else
		call_make_key(call, buffer, space + 1, upper);
}

static int take_range(struct call *call)
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

static bool is_empty(const struct session *session)
{
	return bytes_compare(key_bytes_of(&session->lower), key_bytes_of(&session->upper)) >= 0;
}

static void open_cursor(struct call *call, struct row_cursor *cursor,
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

/* ---- one row ---- */

static void unpin(rocksdb_pinnableslice_t **pinned)
{
	if (*pinned)
		rocksdb_pinnableslice_destroy(*pinned);
	*pinned = NULL;
}

static bool is_unchanged(const struct scan *scan)
{
	return scan->cursor.is_written ||
	       rocksdb_get_latest_sequence_number(scan->call->store->database.db) == scan->sequence;
}

/* Lock a key if that is asked for. STORE_LOCK_TIMEOUT with STORE_SKIP_LOCKED means: leave it out. */
static int lock(struct scan *scan, struct bytes key)
{
	struct lock_hold *hold;

	return scan->is_locking ? call_lock(scan->call, key, scan->mode, &hold) : STORE_OK;
}

/* Lock the pair, and see what it is then. STORE_NOT_FOUND: leave it out. */
static int read_pair(struct scan *scan)
{
	int outcome = lock(scan, scan->cursor.key);

	if (outcome)
		return outcome;
	scan->value = scan->cursor.value;
	if (!scan->is_locking || is_unchanged(scan))
		return STORE_OK;
	return call_read(scan->call, scan->cursor.key, NULL, &scan->value_pinned, &scan->value);
}

/* The key of the row of an index's pair. */
static int make_row_key(struct scan *scan)
{
	struct message_reader reader = {.at = scan->value.data, .left = scan->value.bytes};
	struct bytes key;
	uint32_t bytes;

	if (!message_take(&reader, &bytes, sizeof bytes) || bytes > STORE_KEY_BYTES_MAX ||
		!message_take_bytes(&reader, bytes, &key))
		return OUTCOME_MALFORMED;
	call_make_key(scan->call, &scan->call->session->row, 0, key);
	return STORE_OK;
}

static int read_row(struct scan *scan)
{
	const struct key_buffer *key = &scan->call->session->row;
	int outcome;

	if (!call_has(scan->call, STORE_WITH_ROWS) || !scan->call->request.scan.space)
		return STORE_OK;
	outcome = make_row_key(scan);
	if (!outcome)
		outcome = lock(scan, key_bytes_of(key));
	if (outcome)
		return outcome;
	return call_read(
		scan->call, key_bytes_of(key), scan->snapshot, &scan->row_pinned, &scan->row);
}

static bool is_left_out(const struct scan *scan, int outcome)
{
	return outcome == STORE_NOT_FOUND ||
	       (outcome == STORE_LOCK_TIMEOUT && call_has(scan->call, STORE_SKIP_LOCKED));
}

/* ---- the answer ---- */

static struct store_row describe(const struct scan *scan)
{
	return (struct store_row){.key_bytes = (uint32_t)(scan->cursor.key.bytes - SPACE_BYTES),
		.value_bytes =
			call_has(scan->call, STORE_KEYS_ONLY) ? 0 : (uint32_t)scan->value.bytes,
		.row_bytes = (uint32_t)scan->row.bytes};
}

static bool fits(struct scan *scan, const struct store_row *row)
{
	struct call *call = scan->call;
	const size_t bytes =
		sizeof *row + (size_t)row->key_bytes + row->value_bytes + row->row_bytes;

	if (!call->answer.scan.row_count)
		return true;
	return call->reply->bytes + bytes <= scan->bytes_max && call_can_append(call, bytes);
}

static int append_row(struct scan *scan, const struct store_row *row)
{
	struct call *call = scan->call;
	int outcome = call_append(call, row, sizeof *row);

	if (!outcome)
		outcome = call_append(call, scan->cursor.key.data + SPACE_BYTES, row->key_bytes);
	if (!outcome)
		outcome = call_append(call, scan->value.data, row->value_bytes);
	if (!outcome)
		outcome = call_append(call, scan->row.data, row->row_bytes);
	call->answer.scan.row_count++;
	return outcome;
}

/* Answer with the row where the cursor stands. `*is_full`: there was no room for it, and there is for no more. */
static int answer_row(struct scan *scan, bool *is_full)
{
	struct store_row row;
	int outcome = read_pair(scan);

	if (!outcome)
		outcome = read_row(scan);
	if (is_left_out(scan, outcome))
		return STORE_OK;
	if (outcome)
		return outcome;
	row = describe(scan);
	*is_full = !fits(scan, &row);
	return *is_full ? STORE_OK : append_row(scan, &row);
}

static int answer_rows(struct scan *scan)
{
	struct store_scan_reply *answer = &scan->call->answer.scan;
	uint32_t rows_seen = 0;
	bool is_full = false;
	int outcome = STORE_OK;

	while (scan->cursor.is_valid && !outcome && !is_full) {
		if (scan->rows_max && answer->row_count == scan->rows_max)
			break;
		outcome = call_go_on(scan->call, ++rows_seen);
		if (outcome)
			break;
		scan->row = (struct bytes){0};
		outcome = answer_row(scan, &is_full);
		unpin(&scan->value_pinned);
		unpin(&scan->row_pinned);
		if (!is_full)
			row_cursor_next(&scan->cursor);
	}
	answer->is_end = !scan->cursor.is_valid;
	return outcome;
}

/* ---- the scan ---- */

static void choose_snapshot(struct scan *scan)
{
	struct call *call = scan->call;

	if (scan->is_locking || call_has(call, STORE_DIRTY))
		return;
	scan->is_snapshot_own = call_has(call, STORE_FRESH);
	/* An iterator is one by itself; rows that are looked up must be of the same. */
	if (!scan->is_snapshot_own)
		scan->snapshot = transaction_snapshot(call->session->transaction);
	else if (call_has(call, STORE_WITH_ROWS))
		scan->snapshot = rocksdb_create_snapshot(call->store->database.db);
}

static int run(struct scan *scan)
{
	struct call *call = scan->call;
	int outcome, error;

	scan->sequence = rocksdb_get_latest_sequence_number(call->store->database.db);
	open_cursor(call, &scan->cursor, scan->snapshot, call_has(call, STORE_BACKWARD));
	outcome = answer_rows(scan);
	/* It may have ended where there was more, even if others of the rows were found. */
	error = row_cursor_error(&scan->cursor, &call->explanation);
	row_cursor_close(&scan->cursor);
	return error ? error : outcome;
}

static size_t reply_bytes_max(const struct call *call)
{
	const size_t most = call->store->message_bytes_max;
	const size_t asked = call->request.scan.bytes_max;

	return asked && asked < most ? asked : most;
}

int handle_scan(struct call *call)
{
	struct scan scan = {.call = call,
		.bytes_max = reply_bytes_max(call),
		.rows_max = call->request.scan.rows_max};
	int outcome = take_range(call);

	if (outcome)
		return outcome;
	if (!session_transaction(call->session))
		return explain(&call->explanation, STORE_BUSY, "out of memory");
	scan.is_locking = call_lock_mode(call, &scan.mode);
	choose_snapshot(&scan);
	if (is_empty(call->session))
		call->answer.scan.is_end = 1;
	else
		outcome = run(&scan);
	if (scan.is_snapshot_own && scan.snapshot)
		rocksdb_release_snapshot(call->store->database.db, scan.snapshot);
	return outcome;
}

/* ---- counting ---- */

static int estimate(struct call *call, const char *lower, size_t lower_bytes, const char *upper,
	size_t upper_bytes, uint64_t *bytes)
{
	const char *lowers[] = {lower}, *uppers[] = {upper};
	char *message = NULL;

	rocksdb_approximate_sizes(call->store->database.db, 1, lowers, &lower_bytes, uppers,
		&upper_bytes, bytes, &message);
	return database_outcome(message, &call->explanation);
}

/* What part of the keys of an iterator is in the range. */
static double part_by_position(struct session *session, rocksdb_iterator_t *iterator)
{
	struct bytes key;

	rocksdb_iter_seek_to_first(iterator);
	if (!rocksdb_iter_valid(iterator))
		return 0;
	key.data = rocksdb_iter_key(iterator, &key.bytes);
	memcpy(session->row.data, key.data, key.bytes);
	session->row.bytes = key.bytes;
	rocksdb_iter_seek_to_last(iterator);
	if (!rocksdb_iter_valid(iterator))
		return 0;
	key.data = rocksdb_iter_key(iterator, &key.bytes);
	return key_position(key_bytes_of(&session->row), key, key_bytes_of(&session->upper)) -
	       key_position(key_bytes_of(&session->row), key, key_bytes_of(&session->lower));
}

/* By where the range's bounds lie between the first key of the space and the last. */
static int estimate_by_position(struct call *call, const char *first, const char *end, double *part)
{
	struct session *session = call->session;
	rocksdb_readoptions_t *options = call_read_options(call, NULL);
	rocksdb_iterator_t *iterator;
	char *message = NULL;

	rocksdb_readoptions_set_iterate_lower_bound(options, first, SPACE_BYTES);
	rocksdb_readoptions_set_iterate_upper_bound(options, end, SPACE_BYTES);
	iterator = rocksdb_create_iterator(call->store->database.db, options);
	*part = part_by_position(session, iterator);
	rocksdb_iter_get_error(iterator, &message);
	rocksdb_iter_destroy(iterator);
	/* The options are kept, and these two are not. */
	rocksdb_readoptions_set_iterate_lower_bound(
		options, session->lower.data, session->lower.bytes);
	rocksdb_readoptions_set_iterate_upper_bound(
		options, session->upper.data, session->upper.bytes);
	return database_outcome(message, &call->explanation);
}

/*
 * What part of the space's bytes on the device is in the range, that part of the rows. While none of it is on the device, bytes of keys
 * must do.
 */
static int estimate_rows(struct call *call, uint64_t *rows)
{
	const struct session *session = call->session;
	const uint32_t space = space_read(session->lower.data);
	const int64_t all = __atomic_load_n(&call->generation->rows, __ATOMIC_RELAXED);
	char first[SPACE_BYTES], end[SPACE_BYTES];
	uint64_t range_bytes, space_bytes;
	double part = 0;
	int outcome;

	space_write(first, space);
	space_write(end, space + 1);
	outcome = estimate(call, session->lower.data, session->lower.bytes, session->upper.data,
		session->upper.bytes, &range_bytes);
	if (!outcome)
		outcome = estimate(call, first, sizeof first, end, sizeof end, &space_bytes);
	if (!outcome && space_bytes)
		part = (double)range_bytes / (double)space_bytes;
	else if (!outcome)
		outcome = estimate_by_position(call, first, end, &part);
	*rows = all > 0 ? (uint64_t)((double)all * part) : 0;
	return outcome;
}

static int look_at_rows(struct call *call, uint32_t rows_max, uint32_t *rows, bool *is_exact)
{
	struct row_cursor cursor;
	int outcome = STORE_OK, error;

	open_cursor(call, &cursor, NULL, false);
	for (*rows = 0; cursor.is_valid && *rows < rows_max && !outcome; ++*rows) {
		row_cursor_next(&cursor);
		outcome = call_go_on(call, *rows);
	}
	*is_exact = !cursor.is_valid;
	error = row_cursor_error(&cursor, &call->explanation);
	row_cursor_close(&cursor);
	return error ? error : outcome;
}

static bool is_whole_table(const struct call *call)
{
	const struct store_scan *request = &call->request.scan;

	return !request->space && !request->lower_bytes && !request->upper_bytes;
}

/* The session sees the rows of its own transaction, too, but that is a small mistake in an estimate. */
static void correct_estimate(struct call *call, uint32_t rows)
{
	if (is_whole_table(call))
		__atomic_store_n(&call->generation->rows, rows, __ATOMIC_RELAXED);
}

int handle_count(struct call *call)
{
	struct store_count_reply *answer = &call->answer.count;
	const uint32_t rows_max = call->request.scan.rows_max;
	bool is_exact = false;
	uint32_t seen = 0;
	int outcome = take_range(call);

	if (outcome)
		return outcome;
	if (is_empty(call->session)) {
		answer->is_exact = 1;
		return STORE_OK;
	}
	if (rows_max > ROWS_POLLED_MAX && !call->may_wait)
		return OUTCOME_WOULD_WAIT;
	if (rows_max)
		outcome = look_at_rows(call, rows_max, &seen, &is_exact);
	answer->is_exact = is_exact;
	answer->rows = seen;
	if (!outcome && is_exact)
		correct_estimate(call, seen);
	if (outcome || is_exact)
		return outcome;
	/* RocksDB may read its indexes for that. */
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	outcome = estimate_rows(call, &answer->rows);
	if (answer->rows < seen)
		answer->rows = seen;
	return outcome;
}
