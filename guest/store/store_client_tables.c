/* Tables, lists of things, and what an operator asks. */
#include <errno.h>
#include <string.h>

#include "store_client_private.h"

static struct store_table table_of(const struct store_handle *handle)
{
	return (struct store_table){.table = handle->table, .generation = handle->generation};
}

static int ask_plainly(struct store_client *client, const struct store_question *question)
{
	struct store_answer answer = {.reply = NULL};

	return store_ask(client, question, &answer);
}

static int ask_for_table(struct store_client *client, const struct store_question *question,
	struct store_handle *handle, struct store_bytes *metadata)
{
	struct store_table_reply reply = {.table = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const int status = store_ask(client, question, &answer);

	if (status)
		return status;
	*handle = (struct store_handle){.table = reply.table,
		.generation = reply.generation,
		.space_count = reply.space_count};
	return store_take_rest(&answer, reply.metadata_bytes, metadata);
}

int store_client_table_create(struct store_client *client, struct store_bytes name,
	struct store_bytes metadata, uint32_t space_count, uint64_t counter,
	struct store_handle *handle)
{
	struct store_table_create request = {.space_count = space_count,
		.name_bytes = (uint32_t)name.bytes,
		.metadata_bytes = (uint32_t)metadata.bytes,
		.counter = counter};
	const struct store_question question = {.operation = STORE_TABLE_CREATE,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {name, metadata},
		.part_count = 2};

	return ask_for_table(client, &question, handle, NULL);
}

int store_client_table_open(struct store_client *client, struct store_bytes name,
	struct store_handle *handle, struct store_bytes *metadata)
{
	struct store_table_name request = {.name_bytes = (uint32_t)name.bytes};
	const struct store_question question = {.operation = STORE_TABLE_OPEN,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {name},
		.part_count = 1};

	return ask_for_table(client, &question, handle, metadata);
}

static int ask_by_name(
	struct store_client *client, enum store_operation operation, struct store_bytes name)
{
	struct store_table_name request = {.name_bytes = (uint32_t)name.bytes};
	const struct store_question question = {.operation = operation,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {name},
		.part_count = 1};

	return ask_plainly(client, &question);
}

int store_client_table_drop(struct store_client *client, struct store_bytes name)
{
	return ask_by_name(client, STORE_TABLE_DROP, name);
}

int store_client_checkpoint(struct store_client *client, struct store_bytes name)
{
	return ask_by_name(client, STORE_CHECKPOINT, name);
}

int store_client_table_rename(
	struct store_client *client, struct store_bytes name, struct store_bytes new_name)
{
	struct store_table_rename request = {
		.name_bytes = (uint32_t)name.bytes, .new_name_bytes = (uint32_t)new_name.bytes};
	const struct store_question question = {.operation = STORE_TABLE_RENAME,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {name, new_name},
		.part_count = 2};

	return ask_plainly(client, &question);
}

int store_client_table_truncate(struct store_client *client, const struct store_handle *handle)
{
	struct store_table request = table_of(handle);
	const struct store_question question = {.operation = STORE_TABLE_TRUNCATE,
		.request = &request,
		.request_bytes = sizeof request};

	return ask_plainly(client, &question);
}

int store_client_table_set_metadata(
	struct store_client *client, const struct store_handle *handle, struct store_bytes metadata)
{
	struct store_table_metadata request = {
		.table = table_of(handle), .metadata_bytes = (uint32_t)metadata.bytes};
	const struct store_question question = {.operation = STORE_TABLE_METADATA,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {metadata},
		.part_count = 1};

	return ask_plainly(client, &question);
}

int store_client_table_status(struct store_client *client, const struct store_handle *handle,
	struct store_table_numbers *numbers)
{
	struct store_table request = table_of(handle);
	struct store_table_status_reply reply = {.rows = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const struct store_question question = {.operation = STORE_TABLE_STATUS,
		.request = &request,
		.request_bytes = sizeof request};
	const int status = store_ask(client, &question, &answer);

	*numbers = (struct store_table_numbers){.rows = reply.rows,
		.data_bytes = reply.data_bytes,
		.index_bytes = reply.index_bytes,
		.counter = reply.counter};
	return status;
}

// NOLINTNEXTLINE(readability-function-size): as much as the request has
int store_client_counter(struct store_client *client, const struct store_handle *handle,
	uint64_t least, uint64_t step, uint64_t offset, uint64_t count, uint64_t *first)
{
	struct store_counter request = {.table = table_of(handle),
		.least = least,
		.step = step,
		.offset = offset,
		.count = count};
	struct store_counter_reply reply = {.first = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const struct store_question question = {
		.operation = STORE_COUNTER, .request = &request, .request_bytes = sizeof request};
	const int status = store_ask(client, &question, &answer);

	if (first)
		*first = reply.first;
	return status;
}

/* ---- lists ---- */

static int ask_for_list(
	struct store_client *client, const struct store_question *question, struct store_list *list)
{
	struct store_list_reply reply = {.count = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const int status = store_ask(client, question, &answer);

	*list = (struct store_list){.at = NULL};
	if (status)
		return status;
	list->at = answer.rest.data;
	list->end = list->at + answer.rest.bytes;
	list->left = reply.count;
	return 0;
}

int store_client_table_list(
	struct store_client *client, struct store_bytes prefix, struct store_list *list)
{
	struct store_table_name request = {.name_bytes = (uint32_t)prefix.bytes};
	const struct store_question question = {.operation = STORE_TABLE_LIST,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {prefix},
		.part_count = 1};

	return ask_for_list(client, &question, list);
}

int store_client_recover(struct store_client *client, struct store_list *list)
{
	struct store_request request;
	const struct store_question question = {
		.operation = STORE_RECOVER, .request = &request, .request_bytes = sizeof request};

	return ask_for_list(client, &question, list);
}

bool store_list_next(struct store_list *list, struct store_bytes *item)
{
	struct store_bytes rest = {.data = list->at, .bytes = (size_t)(list->end - list->at)};
	struct store_bytes length;
	uint32_t bytes;

	if (!list->left || !store_take(&rest, sizeof bytes, &length))
		return false;
	memcpy(&bytes, length.data, sizeof bytes);
	if (!store_take(&rest, bytes, item))
		return false;
	list->at = rest.data;
	list->left--;
	return true;
}

int store_client_status(struct store_client *client, struct store_bytes *text)
{
	struct store_request request;
	struct store_value_reply reply = {.value_bytes = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const struct store_question question = {
		.operation = STORE_STATUS, .request = &request, .request_bytes = sizeof request};
	const int status = store_ask(client, &question, &answer);

	return status ? status : store_take_rest(&answer, reply.value_bytes, text);
}
