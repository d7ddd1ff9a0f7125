/* Ranges of rows: counted, as far as they are few, and estimated. */
#include "key_position.h"
#include "key_range.h"

#define ROWS_POLLED_MAX 1024u /* that are counted where others wait for the poller */

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
	int outcome = range_look_at(call, &cursor, false, rows_max, rows);

	*is_exact = !cursor.is_valid;
	row_cursor_close(&cursor);
	return outcome;
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

/* RocksDB may read its indexes for that. There are as many as were seen, at least. */
static int answer_estimate(struct call *call, uint32_t seen)
{
	uint64_t *rows = &call->answer.count.rows;
	int outcome;

	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	outcome = estimate_rows(call, rows);
	if (*rows < seen)
		*rows = seen;
	return outcome;
}

static int answer_count(struct call *call, uint32_t rows_max)
{
	struct store_count_reply *answer = &call->answer.count;
	bool is_exact = false;
	uint32_t seen = 0;
	int outcome = STORE_OK;

	if (rows_max)
		outcome = look_at_rows(call, rows_max, &seen, &is_exact);
	answer->is_exact = is_exact;
	answer->rows = seen;
	if (!outcome && is_exact)
		correct_estimate(call, seen);
	return outcome || is_exact ? outcome : answer_estimate(call, seen);
}

int handle_count(struct call *call)
{
	const uint32_t rows_max = call->request.scan.rows_max;
	int outcome = range_take(call);

	if (outcome)
		return outcome;
	if (range_is_empty(call->session)) {
		call->answer.count.is_exact = 1;
		return STORE_OK;
	}
	if (rows_max > ROWS_POLLED_MAX && !call->may_wait)
		return OUTCOME_WOULD_WAIT;
	return answer_count(call, rows_max);
}
