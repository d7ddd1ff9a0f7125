#include "store_client_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- answers ---- */

bool store_take(struct store_bytes *from, size_t bytes, struct store_bytes *taken)
{
	if (from->bytes < bytes)
		return false;
	*taken = (struct store_bytes){.data = from->data, .bytes = bytes};
	from->data = (const char *)from->data + bytes;
	from->bytes -= bytes;
	return true;
}

int store_take_rest(const struct store_answer *answer, size_t bytes, struct store_bytes *taken)
{
	if (answer->rest.bytes != bytes)
		return -EPROTO;
	if (taken)
		*taken = answer->rest;
	return 0;
}

static void keep_text(struct store_client *client, struct store_bytes text)
{
	const size_t bytes = text.bytes < STORE_TEXT_BYTES ? text.bytes : STORE_TEXT_BYTES - 1;

	if (bytes)
		memcpy(client->text, text.data, bytes);
	client->text[bytes] = '\0';
}

/* A status other than STORE_OK. As much of the struct as came is copied. */
static int take_refusal(struct store_client *client, const struct store_reply *head,
	struct store_bytes all, struct store_answer *answer)
{
	struct store_bytes body;

	if (head->text_bytes > all.bytes - sizeof *head ||
		!store_take(&all, all.bytes - head->text_bytes, &body))
		return -EPROTO;
	keep_text(client, all);
	if (answer->reply)
		memcpy(answer->reply, body.data,
			body.bytes < answer->reply_bytes ? body.bytes : answer->reply_bytes);
	return head->status;
}

static int take_answer(struct store_client *client, enum store_operation operation,
	struct store_bytes all, struct store_answer *answer)
{
	struct store_reply head;
	struct store_bytes body;

	if (all.bytes < sizeof head)
		return -EPROTO;
	memcpy(&head, all.data, sizeof head);
	if (head.operation != operation)
		return -EPROTO;
	if (head.status)
		return take_refusal(client, &head, all, answer);
	if (!store_take(&all, answer->reply ? answer->reply_bytes : sizeof head, &body))
		return -EPROTO;
	if (answer->reply)
		memcpy(answer->reply, body.data, body.bytes);
	else if (all.bytes)
		return -EPROTO;
	answer->rest = all;
	return STORE_OK;
}

/* ---- requests ---- */

typedef int send_parts(
	struct channel_connection *connection, const struct iovec *parts, unsigned count);

static int send_question(
	struct store_client *client, const struct store_question *question, send_parts *send)
{
	const struct store_request head = {.operation = (uint16_t)question->operation,
		.flags = (uint16_t)question->flags,
		.lock_timeout_ms = client->lock_timeout_ms};
	struct iovec parts[1 + STORE_PARTS_MAX];
	unsigned count = 1;

	memcpy(question->request, &head, sizeof head);
	parts[0] =
		(struct iovec){.iov_base = question->request, .iov_len = question->request_bytes};
	for (unsigned i = 0; i < question->part_count; i++) {
		if (question->parts[i].bytes)
			parts[count++] = (struct iovec){.iov_base = (void *)question->parts[i].data,
				.iov_len = question->parts[i].bytes};
	}
	return send(client->connection, parts, count);
}

/* Take the answers to requests that were posted, until no more than that many are missing. */
static int take_posted(struct store_client *client, unsigned left)
{
	while (client->posted > left) {
		struct store_bytes all;
		struct store_reply head;
		int failure = channel_receive(client->connection, &all.data, &all.bytes);

		if (failure)
			return failure;
		if (all.bytes < sizeof head)
			return -EPROTO;
		memcpy(&head, all.data, sizeof head);
		client->posted--;
		client->is_failed |= head.status && head.operation != STORE_COMMIT;
	}
	return 0;
}

/* A write can wait for what is asked next; after a transaction's end that may take long. */
int store_post(struct store_client *client, const struct store_question *question)
{
	int failure = take_posted(client, STORE_POSTED_MAX - 1);

	if (!failure)
		failure = send_question(client, question,
			question->operation == STORE_COMMIT ? channel_send : channel_post);
	if (!failure)
		client->posted++;
	return failure;
}

static void note_end(struct store_client *client, enum store_operation operation)
{
	if (operation == STORE_COMMIT || operation == STORE_ROLLBACK)
		client->is_failed = false;
}

int store_ask(struct store_client *client, const struct store_question *question,
	struct store_answer *answer)
{
	struct store_bytes all;
	int failure = send_question(client, question, channel_send);

	client->text[0] = '\0';
	if (!failure)
		failure = take_posted(client, 0);
	if (!failure && question->flags & STORE_SYNC)
		channel_expect_delay(client->connection);
	if (!failure)
		failure = channel_receive(client->connection, &all.data, &all.bytes);
	if (failure)
		return failure;
	note_end(client, question->operation);
	return take_answer(client, question->operation, all, answer);
}

/* ---- clients ---- */

static int greet(struct store_client *client)
{
	struct store_hello request = {.version = STORE_PROTOCOL_VERSION};
	struct store_hello_reply reply = {.version = 0};
	struct store_answer answer = {.reply = &reply, .reply_bytes = sizeof reply};
	const struct store_question question = {
		.operation = STORE_HELLO, .request = &request, .request_bytes = sizeof request};
	const int status = store_ask(client, &question, &answer);

	if (status > 0)
		return -EPROTONOSUPPORT;
	if (status < 0)
		return status;
	if (reply.version != STORE_PROTOCOL_VERSION)
		return -EPROTONOSUPPORT;
	if (reply.message_bytes_max && reply.message_bytes_max < client->message_bytes_max)
		client->message_bytes_max = reply.message_bytes_max;
	client->instance = reply.instance;
	client->cancel_key = reply.cancel_key;
	return 0;
}

int store_client_open(struct channel *channel, struct store_client **client)
{
	struct store_client *opened = calloc(1, sizeof *opened);
	int failure;

	if (!opened)
		return -ENOMEM;
	opened->message_bytes_max = channel_message_bytes_max(channel);
	failure = channel_connect(channel, &opened->connection);
	if (failure)
		goto fail_connect;
	failure = greet(opened);
	if (failure)
		goto fail_greet;
	*client = opened;
	return 0;

fail_greet:
	channel_disconnect(opened->connection);
fail_connect:
	free(opened);
	return failure;
}

void store_client_close(struct store_client *client)
{
	if (!client)
		return;
	channel_disconnect(client->connection);
	free(client);
}

bool store_client_is_lost(const struct store_client *client)
{
	return channel_is_lost(client->connection);
}

uint64_t store_client_instance(const struct store_client *client)
{
	return client->instance;
}

uint64_t store_client_cancel_key(const struct store_client *client)
{
	return client->cancel_key;
}

void store_client_set_lock_timeout(struct store_client *client, uint32_t timeout_ms)
{
	client->lock_timeout_ms = timeout_ms;
}

bool store_client_is_failed(const struct store_client *client)
{
	return client->is_failed;
}

const char *store_client_text(const struct store_client *client)
{
	return client->text;
}

static const char *const status_texts[] = {
	[STORE_OK] = "success",
	[STORE_NOT_FOUND] = "not found",
	[STORE_EXISTS] = "it exists already",
	[STORE_DUPLICATE] = "the key exists already",
	[STORE_LOCK_TIMEOUT] = "another transaction has kept the lock for too long",
	[STORE_DEADLOCK] = "deadlock: the transaction was rolled back",
	[STORE_TOO_BIG] = "too big",
	[STORE_NO_SPACE] = "no space left on the device",
	[STORE_IO_ERROR] = "I/O error",
	[STORE_READ_ONLY] = "nothing is written any more, after an I/O error",
	[STORE_UNSUPPORTED] = "not supported by the module",
	[STORE_STALE] = "the table was dropped or truncated since it was opened",
	[STORE_CANCELLED] = "cancelled",
	[STORE_BUSY] = "the module has too many transactions, tables or too little memory",
};

const char *store_status_text(int status)
{
	if (status < 0)
		return strerror(-status);
	if ((size_t)status >= sizeof status_texts / sizeof status_texts[0])
		return "an unknown status";
	return status_texts[status];
}
