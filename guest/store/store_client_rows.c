/* Single rows, counts, and batches of changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store_client_private.h"

int store_client_get(struct store_client *client, const struct store_handle *handle, uint32_t space,
	struct store_bytes key, unsigned flags, struct store_bytes *value)
{
	struct store_get request = {
		.table = {.table = handle->table, .generation = handle->generation},
		.space = space,
		.key_bytes = (uint32_t)key.bytes};
	struct store_value_reply reply = {.value_bytes = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const struct store_question question = {.operation = STORE_GET,
		.flags = flags,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {key},
		.part_count = 1};
	const int status = store_ask(client, &question, &answer);

	return status ? status : store_take_rest(&answer, reply.value_bytes, value);
}

// NOLINTNEXTLINE(readability-function-size): as much as the request has
int store_client_count(struct store_client *client, const struct store_handle *handle,
	uint32_t space, struct store_bytes lower, struct store_bytes upper, uint32_t rows_max,
	unsigned flags, uint64_t *rows, bool *is_exact)
{
	struct store_scan request = {
		.table = {.table = handle->table, .generation = handle->generation},
		.space = space,
		.lower_bytes = (uint32_t)lower.bytes,
		.upper_bytes = (uint32_t)upper.bytes,
		.rows_max = rows_max};
	struct store_count_reply reply = {.rows = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const struct store_question question = {.operation = STORE_COUNT,
		.flags = flags,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {lower, upper},
		.part_count = 2};
	const int status = store_ask(client, &question, &answer);

	*rows = reply.rows;
	if (is_exact)
		*is_exact = reply.is_exact;
	return status;
}

/* ---- batches: the request's struct, and the changes behind it ---- */

/* Make room for `bytes` more. Returns 0 or a negative errno. */
static int make_room(struct store_batch *batch, size_t bytes)
{
	const size_t wanted = batch->bytes + bytes;
	size_t capacity = batch->capacity ? batch->capacity : 1024;
	char *moved;

	if (batch->bytes_max && wanted > batch->bytes_max)
		return -EMSGSIZE;
	if (wanted <= batch->capacity)
		return 0;
	while (capacity < wanted)
		capacity *= 2;
	moved = realloc(batch->data, capacity);
	if (!moved)
		return -ENOMEM;
	batch->data = moved;
	batch->capacity = capacity;
	return 0;
}

static void append(struct store_batch *batch, const void *data, size_t bytes)
{
	if (bytes)
		memcpy(batch->data + batch->bytes, data, bytes);
	batch->bytes += bytes;
}

int store_batch_begin(struct store_batch *batch, const struct store_client *client,
	const struct store_handle *handle)
{
	const struct store_write request = {
		.table = {.table = handle->table, .generation = handle->generation}};
	int failure;

	batch->bytes = 0;
	batch->change_count = 0;
	batch->savepoint = 0;
	batch->bytes_max = client->message_bytes_max;
	failure = make_room(batch, sizeof request);
	if (!failure)
		append(batch, &request, sizeof request);
	return failure;
}

static int add(struct store_batch *batch, enum store_change_kind kind, uint32_t space,
	struct store_bytes key, struct store_bytes value)
{
	const struct store_change change = {.kind = kind,
		.space = space,
		.key_bytes = (uint32_t)key.bytes,
		.value_bytes = (uint32_t)value.bytes};
	int failure = make_room(batch, sizeof change + key.bytes + value.bytes);

	if (failure)
		return failure;
	append(batch, &change, sizeof change);
	append(batch, key.data, key.bytes);
	append(batch, value.data, value.bytes);
	batch->change_count++;
	return 0;
}

int store_batch_put(
	struct store_batch *batch, uint32_t space, struct store_bytes key, struct store_bytes value)
{
	return add(batch, STORE_PUT, space, key, value);
}

int store_batch_insert(
	struct store_batch *batch, uint32_t space, struct store_bytes key, struct store_bytes value)
{
	return add(batch, STORE_INSERT, space, key, value);
}

int store_batch_delete(struct store_batch *batch, uint32_t space, struct store_bytes key)
{
	return add(batch, STORE_DELETE, space, key, (struct store_bytes){.data = NULL});
}

void store_batch_end(struct store_batch *batch)
{
	free(batch->data);
	*batch = (struct store_batch){.data = NULL};
}

/* What writes a batch; `request` is its room. */
static struct store_question question_of(
	const struct store_batch *batch, struct store_write *request, unsigned flags)
{
	memcpy(request, batch->data, sizeof *request);
	request->change_count = batch->change_count;
	request->savepoint = batch->savepoint;
	return (struct store_question){.operation = STORE_WRITE,
		.flags = flags,
		.request = request,
		.request_bytes = sizeof *request,
		.parts = {{.data = batch->data + sizeof *request,
			.bytes = batch->bytes - sizeof *request}},
		.part_count = 1};
}

int store_client_write(struct store_client *client, const struct store_batch *batch, unsigned flags,
	uint32_t *failed_change)
{
	struct store_write request;
	struct store_write_reply reply = {.failed_change = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	struct store_question question;
	int status;

	if (!batch->change_count)
		return STORE_OK;
	question = question_of(batch, &request, flags);
	status = store_ask(client, &question, &answer);
	if (failed_change)
		*failed_change = reply.failed_change;
	return status;
}

int store_client_post_write(struct store_client *client, const struct store_batch *batch)
{
	struct store_write request;
	struct store_question question;

	if (!batch->change_count)
		return 0;
	question = question_of(batch, &request, STORE_POSTED);
	return store_post(client, &question);
}
