/* Transactions. */
#include "store_client_private.h"

static int ask(struct store_client *client, const struct store_question *question)
{
	struct store_answer answer = {.reply = NULL};

	return store_ask(client, question, &answer);
}

static int ask_alone(struct store_client *client, enum store_operation operation, unsigned flags)
{
	struct store_request request;
	const struct store_question question = {.operation = operation,
		.flags = flags,
		.request = &request,
		.request_bytes = sizeof request};

	return ask(client, &question);
}

int store_client_snapshot(struct store_client *client)
{
	return ask_alone(client, STORE_SNAPSHOT, 0);
}

int store_client_cancel(struct store_client *client, uint64_t key)
{
	struct store_cancel request = {.key = key};
	const struct store_question question = {
		.operation = STORE_CANCEL, .request = &request, .request_bytes = sizeof request};

	return ask(client, &question);
}

int store_client_commit(struct store_client *client, bool is_durable)
{
	return ask_alone(client, STORE_COMMIT, is_durable ? STORE_SYNC : 0);
}

int store_client_post_commit(struct store_client *client)
{
	struct store_request request;
	const struct store_question question = {
		.operation = STORE_COMMIT, .request = &request, .request_bytes = sizeof request};

	return store_post(client, &question);
}

int store_client_rollback(struct store_client *client)
{
	return ask_alone(client, STORE_ROLLBACK, 0);
}

static int ask_savepoint(
	struct store_client *client, enum store_operation operation, uint32_t number)
{
	struct store_savepoint request = {.number = number};
	const struct store_question question = {
		.operation = operation, .request = &request, .request_bytes = sizeof request};

	return ask(client, &question);
}

int store_client_savepoint(struct store_client *client, uint32_t number)
{
	return ask_savepoint(client, STORE_SAVEPOINT, number);
}

int store_client_savepoint_rollback(struct store_client *client, uint32_t number)
{
	return ask_savepoint(client, STORE_SAVEPOINT_ROLLBACK, number);
}

int store_client_savepoint_release(struct store_client *client, uint32_t number)
{
	return ask_savepoint(client, STORE_SAVEPOINT_RELEASE, number);
}

static int ask_xid(struct store_client *client, enum store_operation operation, unsigned flags,
	struct store_bytes xid)
{
	struct store_xid request = {.xid_bytes = (uint32_t)xid.bytes};
	const struct store_question question = {.operation = operation,
		.flags = flags,
		.request = &request,
		.request_bytes = sizeof request,
		.parts = {xid},
		.part_count = 1};

	return ask(client, &question);
}

int store_client_prepare(struct store_client *client, struct store_bytes xid)
{
	return ask_xid(client, STORE_PREPARE, 0, xid);
}

int store_client_commit_xid(struct store_client *client, struct store_bytes xid, bool is_durable)
{
	return ask_xid(client, STORE_COMMIT_XID, is_durable ? STORE_SYNC : 0, xid);
}

int store_client_rollback_xid(struct store_client *client, struct store_bytes xid)
{
	return ask_xid(client, STORE_ROLLBACK_XID, 0, xid);
}
