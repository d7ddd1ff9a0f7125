/*
 * Theory of operation. The next batch begins behind the last key of this one, or before it: the bounds are moved, one of which always is a
 * key that was seen. Batches grow, so that who wants one row does not pay for a hundred.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store_client_private.h"

#define BOUND_BYTES_MAX ((size_t)STORE_KEY_BYTES_MAX + 1)
#define ROWS_GROW 4u

static int make_room(char **data, size_t *capacity, size_t bytes)
{
	char *moved;

	if (*capacity >= bytes)
		return 0;
	moved = realloc(*data, bytes);
	if (!moved)
		return -ENOMEM;
	*data = moved;
	*capacity = bytes;
	return 0;
}

static void copy(char *to, struct store_bytes from)
{
	if (from.bytes)
		memcpy(to, from.data, from.bytes);
}

int store_cursor_begin(struct store_cursor *cursor, const struct store_range *range)
{
	char *upper;

	if (range->lower.bytes > BOUND_BYTES_MAX || range->upper.bytes > BOUND_BYTES_MAX)
		return -EMSGSIZE;
	if (make_room(&cursor->bounds, &cursor->bounds_capacity, 2 * BOUND_BYTES_MAX))
		return -ENOMEM;
	upper = cursor->bounds + BOUND_BYTES_MAX;
	cursor->range = *range;
	copy(cursor->bounds, range->lower);
	copy(upper, range->upper);
	cursor->range.lower.data = cursor->bounds;
	cursor->range.upper.data = upper;
	cursor->rows_next = range->rows_first ? range->rows_first : range->rows_max;
	cursor->left = 0;
	cursor->is_end = false;
	return 0;
}

/* What a later batch asks for. */
static void grow(struct store_cursor *cursor)
{
	const uint32_t most = cursor->range.rows_max;

	if (!cursor->rows_next || cursor->rows_next > UINT32_MAX / ROWS_GROW)
		return;
	cursor->rows_next *= ROWS_GROW;
	if (most && cursor->rows_next > most)
		cursor->rows_next = most;
}

/* Keep a batch. */
static int keep(
	struct store_cursor *cursor, const struct store_scan_reply *reply, struct store_bytes rows)
{
	if (make_room(&cursor->rows, &cursor->rows_capacity, rows.bytes))
		return -ENOMEM;
	copy(cursor->rows, rows);
	cursor->rows_bytes = rows.bytes;
	cursor->at = 0;
	cursor->left = reply->row_count;
	/* A batch without rows that is not the last would be asked for again for ever. */
	cursor->is_end = reply->is_end || !reply->row_count;
	return 0;
}

static int fetch(struct store_cursor *cursor, struct store_client *client)
{
	const struct store_range *range = &cursor->range;
	struct store_scan request = {
		.table = {.table = range->handle.table, .generation = range->handle.generation},
		.space = range->space,
		.lower_bytes = (uint32_t)range->lower.bytes,
		.upper_bytes = (uint32_t)range->upper.bytes,
		.rows_max = cursor->rows_next,
		.bytes_max = range->bytes_max};
	struct store_scan_reply reply = {.row_count = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const struct store_question question = {.operation = STORE_SCAN,
		.flags = range->flags,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {range->lower, range->upper},
		.part_count = 2};
	const int status = store_ask(client, &question, &answer);

	grow(cursor);
	return status ? status : keep(cursor, &reply, answer.rest);
}

static bool take_row(struct store_cursor *cursor, struct store_cursor_row *row)
{
	struct store_bytes rest = {
		.data = cursor->rows + cursor->at, .bytes = cursor->rows_bytes - cursor->at};
	struct store_bytes taken;
	struct store_row head;

	if (!store_take(&rest, sizeof head, &taken))
		return false;
	memcpy(&head, taken.data, sizeof head);
	if (!store_take(&rest, head.key_bytes, &row->key) ||
		!store_take(&rest, head.value_bytes, &row->value) ||
		!store_take(&rest, head.row_bytes, &row->row))
		return false;
	cursor->at = cursor->rows_bytes - rest.bytes;
	cursor->left--;
	return head.key_bytes <= STORE_KEY_BYTES_MAX;
}

/* The rest of the range begins behind this key, or ends before it. */
static void move_bound(struct store_cursor *cursor, struct store_bytes key)
{
	struct store_range *range = &cursor->range;
	char *upper = cursor->bounds + BOUND_BYTES_MAX;

	if (range->flags & STORE_BACKWARD) {
		copy(upper, key);
		range->upper.bytes = key.bytes;
		/* No bytes would mean no bound, and nothing is less than an empty key. */
		cursor->is_end |= !key.bytes;
		return;
	}
	copy(cursor->bounds, key);
	cursor->bounds[key.bytes] = '\0';
	range->lower.bytes = key.bytes + 1;
}

static int fail(struct store_cursor *cursor, int status)
{
	cursor->left = 0;
	cursor->is_end = true;
	return status;
}

int store_cursor_fill(struct store_cursor *cursor, struct store_client *client)
{
	int status = STORE_OK;

	if (!cursor->left && !cursor->is_end)
		status = fetch(cursor, client);
	return status ? fail(cursor, status) : STORE_OK;
}

int store_cursor_next(
	struct store_cursor *cursor, struct store_client *client, struct store_cursor_row *row)
{
	int status = store_cursor_fill(cursor, client);

	if (status)
		return status;
	if (!cursor->left)
		return STORE_NOT_FOUND;
	if (!take_row(cursor, row))
		return fail(cursor, -EPROTO);
	if (!cursor->left && !cursor->is_end)
		move_bound(cursor, row->key);
	return STORE_OK;
}

void store_cursor_end(struct store_cursor *cursor)
{
	free(cursor->bounds);
	free(cursor->rows);
	*cursor = (struct store_cursor){.bounds = NULL};
}
