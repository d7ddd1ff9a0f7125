/*
 * Theory of operation. Two sorted sequences are merged; where both have a key, what was written hides what is committed. The
 * committed one knows its bounds, the written one is checked here.
 */
#include "row_cursor.h"

static bool has_committed(const struct row_cursor *cursor)
{
	return rocksdb_iter_valid(cursor->committed);
}

static void step_committed(struct row_cursor *cursor)
{
	if (cursor->range.is_backward)
		rocksdb_iter_prev(cursor->committed);
	else
		rocksdb_iter_next(cursor->committed);
}

static bool is_in_range(const struct row_cursor *cursor, const struct write_node *node)
{
	const struct bytes key = write_node_key(node);

	return cursor->range.is_backward ? bytes_compare(key, cursor->range.lower) >= 0
					 : bytes_compare(key, cursor->range.upper) < 0;
}

static void set_written(struct row_cursor *cursor, const struct write_node *node)
{
	cursor->written = node && is_in_range(cursor, node) ? node : NULL;
}

static void step_written(struct row_cursor *cursor)
{
	if (cursor->range.is_backward)
		set_written(cursor, write_set_seek_before(
					    cursor->range.writes, write_node_key(cursor->written)));
	else
		set_written(cursor, cursor->written->next[0]);
}

/* Less than 0: what is committed comes first; 0: they are the same key. One of them is there. */
static int compare(const struct row_cursor *cursor)
{
	struct bytes key;
	int order;

	if (!cursor->written)
		return -1;
	if (!has_committed(cursor))
		return 1;
	key.data = rocksdb_iter_key(cursor->committed, &key.bytes);
	order = bytes_compare(key, write_node_key(cursor->written));
	return cursor->range.is_backward ? -order : order;
}

static void stand_on_committed(struct row_cursor *cursor)
{
	cursor->is_valid = true;
	cursor->is_written = false;
	cursor->key.data = rocksdb_iter_key(cursor->committed, &cursor->key.bytes);
	cursor->value.data = rocksdb_iter_value(cursor->committed, &cursor->value.bytes);
}

static void stand_on_written(struct row_cursor *cursor)
{
	const struct write_version *version = cursor->written->newest;

	cursor->is_valid = true;
	cursor->is_written = true;
	cursor->key = write_node_key(cursor->written);
	cursor->value = (struct bytes){.data = version->value, .bytes = version->value_bytes};
}

/* Stand on the next pair at or after where the sequences are. */
static void settle(struct row_cursor *cursor)
{
	int order;

	cursor->is_valid = false;
	while (!cursor->is_valid && (cursor->written || has_committed(cursor))) {
		order = compare(cursor);
		if (order < 0) {
			stand_on_committed(cursor);
			return;
		}
		if (!order)
			step_committed(cursor);
		if (cursor->written->newest->is_put)
			stand_on_written(cursor);
		else
			step_written(cursor);
	}
}

static void begin_forward(struct row_cursor *cursor)
{
	rocksdb_iter_seek(cursor->committed, cursor->range.lower.data, cursor->range.lower.bytes);
	if (cursor->range.writes)
		set_written(cursor, write_set_seek(cursor->range.writes, cursor->range.lower));
}

static void begin_backward(struct row_cursor *cursor)
{
	rocksdb_iter_seek_to_last(cursor->committed);
	if (cursor->range.writes)
		set_written(
			cursor, write_set_seek_before(cursor->range.writes, cursor->range.upper));
}

void row_cursor_open(struct row_cursor *cursor, rocksdb_t *db, const struct row_range *range)
{
	*cursor = (struct row_cursor){
		.committed = rocksdb_create_iterator(db, range->options), .range = *range};
	if (range->is_backward)
		begin_backward(cursor);
	else
		begin_forward(cursor);
	settle(cursor);
}

void row_cursor_next(struct row_cursor *cursor)
{
	if (cursor->is_written)
		step_written(cursor);
	else
		step_committed(cursor);
	settle(cursor);
}

int row_cursor_error(const struct row_cursor *cursor, struct explanation *explanation)
{
	char *message = NULL;

	rocksdb_iter_get_error(cursor->committed, &message);
	return database_outcome(message, explanation);
}

void row_cursor_close(struct row_cursor *cursor)
{
	rocksdb_iter_destroy(cursor->committed);
}
