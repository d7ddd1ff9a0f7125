/*
 * Ranges of rows: read.
 *
 * Theory of operation. An iterator sees what was committed when it was made. A row that is locked is one that may have been changed by then and
 * the lock, so it is read again, unless nothing at all was written meanwhile, which RocksDB's sequence number says.
 *
 * Where the keys between the rows are locked, too, a first iterator finds out how far the answer will reach, that interval is locked as
 * one, and what a second iterator sees in it then is what stays. There may be fewer rows then, even none: so on to the next interval.
 */
#include "key_range.h"

#define COVERED_ROWS_MAX 64u /* that are locked at once */

struct scan {
	struct call *call;
	const rocksdb_snapshot_t *snapshot; /* or NULL */
	bool is_snapshot_own;		    /* of this request alone */
	bool is_locking;
	bool is_covered; /* by a lock of the interval: pairs need none */
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
	int outcome = STORE_OK;

	scan->value = scan->cursor.value;
	if (!scan->is_locking || scan->is_covered)
		return STORE_OK;
	outcome = lock(scan, scan->cursor.key);
	if (outcome || is_unchanged(scan))
		return outcome;
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
	range_open_cursor(call, &scan->cursor, scan->snapshot, call_has(call, STORE_BACKWARD));
	outcome = answer_rows(scan);
	/* It may have ended where there was more, even if others of the rows were found. */
	error = row_cursor_error(&scan->cursor, &call->explanation);
	row_cursor_close(&scan->cursor);
	return error ? error : outcome;
}

/* ---- with the keys between them ---- */

static void copy_key(struct key_buffer *to, const struct key_buffer *from)
{
	memcpy(to->data, from->data, from->bytes);
	to->bytes = from->bytes;
}

/* How far the next rows reach: `*far`, which is the range's end at first, and stays so if there are no more. */
static int find_end(struct scan *scan, struct key_buffer *far, bool *is_last)
{
	struct call *call = scan->call;
	struct key_buffer *found = &call->session->row;
	const uint32_t rows_max = scan->rows_max && scan->rows_max < COVERED_ROWS_MAX
					  ? scan->rows_max
					  : COVERED_ROWS_MAX;
	const bool is_backward = call_has(call, STORE_BACKWARD);
	struct row_cursor cursor;
	uint32_t passed;
	int outcome = range_look_at(call, &cursor, is_backward, rows_max - 1, &passed);

	*is_last = !cursor.is_valid;
	if (cursor.is_valid) {
		memcpy(found->data, cursor.key.data, cursor.key.bytes);
		found->bytes = cursor.key.bytes;
		/* It is in the interval, and nothing behind it. */
		if (!is_backward)
			found->data[found->bytes++] = '\0';
	}
	row_cursor_close(&cursor);
	if (!outcome && !*is_last)
		copy_key(far, found);
	return outcome;
}

static int run_covered(struct scan *scan)
{
	struct session *session = scan->call->session;
	struct store_scan_reply *answer = &scan->call->answer.scan;
	const bool is_backward = call_has(scan->call, STORE_BACKWARD);
	struct key_buffer *near = is_backward ? &session->upper : &session->lower;
	struct key_buffer *far = is_backward ? &session->lower : &session->upper;
	bool is_last = false;
	int outcome = STORE_OK;

	copy_key(&session->bound, far);
	while (!outcome && !is_last && !answer->row_count) {
		outcome = find_end(scan, far, &is_last);
		if (!outcome)
			outcome = call_lock_range(scan->call,
				&(struct interval){.lower = key_bytes_of(&session->lower),
					.upper = key_bytes_of(&session->upper)},
				scan->mode);
		if (!outcome)
			outcome = run(scan);
		answer->is_end &= is_last;
		copy_key(near, far);
		copy_key(far, &session->bound);
	}
	return outcome;
}

/* ---- */

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
	int outcome = range_take(call);

	if (outcome)
		return outcome;
	if (!session_transaction(call->session))
		return explain(&call->explanation, STORE_BUSY, "out of memory");
	scan.is_locking = call_lock_mode(call, &scan.mode);
	scan.is_covered = scan.is_locking && call_has(call, STORE_RANGE) &&
			  !call_has(call, STORE_SKIP_LOCKED);
	choose_snapshot(&scan);
	if (range_is_empty(call->session))
		call->answer.scan.is_end = 1;
	else
		outcome = scan.is_covered ? run_covered(&scan) : run(&scan);
	if (scan.is_snapshot_own && scan.snapshot)
		rocksdb_release_snapshot(call->store->database.db, scan.snapshot);
	return outcome;
}
