#include "call.h"

#include <stdlib.h>

/* More than that is nothing for a hypervisor core, on which others wait. */
#define POLLED_ROWS_MAX 4096u
#define POLLED_REPLY_BYTES_MAX (512u << 10)

/* ---- the frame ---- */

static bool append(struct module_reply *reply, const void *data, size_t bytes)
{
	if (reply->capacity_bytes - reply->bytes < bytes &&
		!reply->grow(reply, reply->bytes + bytes))
		return false;
	if (bytes)
		memcpy((char *)reply->data + reply->bytes, data, bytes);
	reply->bytes += bytes;
	return true;
}

static int find_table(struct call *call)
{
	const struct store_table *table = &call->request.table;
	const int outcome = dictionary_find(&call->store->dictionary, table->table,
		table->generation, call->may_wait, &call->generation);

	if (outcome == STORE_STALE)
		return explain(&call->explanation, STORE_STALE,
			"the table was dropped or truncated since it was opened: open it again");
	return outcome;
}

static int perform(struct call *call, const struct operation *operation)
{
	int outcome = STORE_OK;

	if (!append(call->reply, &call->answer, operation->reply_bytes))
		return explain(&call->explanation, STORE_TOO_BIG, "there is no room for an answer");
	if (operation->has_table)
		outcome = find_table(call);
	if (!outcome)
		outcome = operation->handle(call);
	generation_release(call->generation);
	return outcome;
}

/* What a request that fails has locked is given up again, unless it looked for what is not there. */
static void keep_or_undo(struct call *call, int outcome, struct lock_hold *newest)
{
	struct transaction *transaction = call->session->transaction;

	if (!transaction)
		return;
	if (outcome == STORE_OK || outcome == STORE_NOT_FOUND)
		lock_keep_ranges(transaction->locks, &transaction->owner);
	else if (outcome == STORE_DEADLOCK)
		transaction_reset(transaction);
	else
		lock_undo(transaction->locks, &transaction->owner, newest);
}

static enum module_result complete(
	struct call *call, const struct operation *operation, int outcome)
{
	struct module_reply *reply = call->reply;
	size_t answer_bytes = operation ? operation->reply_bytes : 0;
	const size_t text_bytes = outcome ? strlen(call->explanation.text) : 0;

	if (outcome && !(operation && operation->is_told_always))
		answer_bytes = sizeof(struct store_reply);
	if (outcome)
		reply->bytes = 0;
	call->answer.reply = (struct store_reply){.status = (uint16_t)outcome,
		.operation = call->request.request.operation,
		.text_bytes = (uint32_t)text_bytes};
	if (!outcome) {
		memcpy(reply->data, &call->answer, answer_bytes);
		return MODULE_DONE;
	}
	if (!append(reply, &call->answer, answer_bytes) ||
		!append(reply, call->explanation.text, text_bytes))
		return MODULE_HANG_UP;
	return MODULE_DONE;
}

/* The client did not wait for this one's answer: whatever it has sent since must not be done. */
static void fail_transaction(struct call *call, int outcome)
{
	struct session *session = call->session;

	if (session->transaction)
		transaction_reset(session->transaction);
	session->failure = outcome;
	session->failure_explanation = call->explanation;
}

static enum module_result run(struct call *call, const struct operation *operation)
{
	struct transaction *transaction = call->session->transaction;
	struct lock_hold *newest = transaction ? transaction->owner.newest : NULL;
	int outcome = perform(call, operation);

	keep_or_undo(call, outcome, newest);
	if (outcome == OUTCOME_MALFORMED)
		return MODULE_HANG_UP;
	if (outcome == OUTCOME_WOULD_WAIT && !call->may_wait)
		return MODULE_WOULD_WAIT;
	/* RocksDB did not finish a thing that it was free to wait for. */
	if (outcome == OUTCOME_WOULD_WAIT)
		outcome = STORE_IO_ERROR;
	if (outcome && call_has(call, STORE_POSTED))
		fail_transaction(call, outcome);
	return complete(call, operation, outcome);
}

static enum module_result refuse(struct call *call, const struct operation *operation)
{
	struct session *session = call->session;
	const unsigned number = call->request.request.operation;
	const int failure = session->failure;

	if (number == STORE_COMMIT || number == STORE_ROLLBACK)
		session->failure = STORE_OK;
	if (number == STORE_ROLLBACK)
		return run(call, operation);
	call->explanation = session->failure_explanation;
	return complete(call, operation, failure);
}

enum module_result call_handle(
	struct session *session, const struct module_request *request, struct module_reply *reply)
{
	struct call call = {.session = session,
		.store = session->store,
		.may_wait = request->may_wait,
		.rest = {.at = request->data, .left = request->bytes},
		.reply = reply};
	struct store_request *header = &call.request.request;
	const struct operation *operation;

	reply->bytes = 0;
	if (!message_take(&call.rest, header, sizeof *header))
		return MODULE_HANG_UP;
	operation = operation_find(header->operation);
	if (!operation) {
		explain(&call.explanation, STORE_UNSUPPORTED, "operation %u is not known",
			header->operation);
		return complete(&call, NULL, STORE_UNSUPPORTED);
	}
	if (!message_take(&call.rest, header + 1, operation->request_bytes - sizeof *header))
		return MODULE_HANG_UP;
	return session->failure ? refuse(&call, operation) : run(&call, operation);
}

/* ---- for handlers: messages ---- */

bool call_take_last(struct call *call, size_t bytes, struct bytes *taken)
{
	return message_take_bytes(&call->rest, bytes, taken) && !call->rest.left;
}

bool call_can_append(struct call *call, size_t bytes)
{
	struct module_reply *reply = call->reply;

	return reply->capacity_bytes - reply->bytes >= bytes ||
	       reply->grow(reply, reply->bytes + bytes);
}

int call_append(struct call *call, const void *data, size_t bytes)
{
	if (append(call->reply, data, bytes))
		return STORE_OK;
	return explain(&call->explanation, STORE_TOO_BIG,
		"the answer is more than a message may have: %zu bytes",
		call->store->message_bytes_max);
}

int call_append_item(struct call *call, struct bytes item)
{
	const uint32_t bytes = (uint32_t)item.bytes;
	const int outcome = call_append(call, &bytes, sizeof bytes);

	return outcome ? outcome : call_append(call, item.data, item.bytes);
}

/* ---- for handlers: reading and locking ---- */

void call_make_key(
	const struct call *call, struct key_buffer *buffer, uint32_t space, struct bytes key)
{
	space_write(buffer->data, call->generation->space_first + space);
	if (key.bytes)
		memcpy(buffer->data + SPACE_BYTES, key.data, key.bytes);
	buffer->bytes = SPACE_BYTES + key.bytes;
}

int call_go_on(struct call *call, uint32_t rows_seen)
{
	if (!call->may_wait)
		return rows_seen > POLLED_ROWS_MAX || call->reply->bytes > POLLED_REPLY_BYTES_MAX
			       ? OUTCOME_WOULD_WAIT
			       : STORE_OK;
	if (lock_interrupt_is_set(&call->session->interrupt))
		return explain(&call->explanation, STORE_CANCELLED, "it was cancelled");
	return STORE_OK;
}

rocksdb_readoptions_t *call_read_options(struct call *call, const rocksdb_snapshot_t *snapshot)
{
	rocksdb_readoptions_t *options = call->session->read_options[call->may_wait];

	rocksdb_readoptions_set_snapshot(options, snapshot);
	return options;
}

bool call_lock_mode(const struct call *call, enum lock_mode *mode)
{
	*mode = call_has(call, STORE_EXCLUSIVE) ? LOCK_EXCLUSIVE : LOCK_SHARED;
	return call_has(call, STORE_SHARED | STORE_EXCLUSIVE);
}

/* For how long the request may wait for a lock, where it may wait. */
static uint32_t lock_timeout_ms(const struct call *call)
{
	return call_has(call, STORE_NO_WAIT | STORE_SKIP_LOCKED)
		       ? 0
		       : call->request.request.lock_timeout_ms;
}

/* A lock that was not waited for here, but would be elsewhere. */
static int lock_outcome(const struct call *call, int outcome)
{
	return outcome == STORE_LOCK_TIMEOUT && lock_timeout_ms(call) && !call->may_wait
		       ? OUTCOME_WOULD_WAIT
		       : outcome;
}

int call_lock(struct call *call, struct bytes key, enum lock_mode mode, struct lock_hold **hold)
{
	return lock_outcome(call,
		transaction_lock(call->session->transaction, key, mode,
			call->may_wait ? lock_timeout_ms(call) : 0, hold, &call->explanation));
}

int call_lock_range(struct call *call, const struct interval *interval, enum lock_mode mode)
{
	return lock_outcome(
		call, transaction_lock_range(call->session->transaction, interval, mode,
			      call->may_wait ? lock_timeout_ms(call) : 0, &call->explanation));
}

/* Returns false if the transaction has written nothing there. */
static bool read_written(
	const struct call *call, struct bytes key, struct bytes *value, int *outcome)
{
	const struct transaction *transaction = call->session->transaction;
	const struct write_node *node =
		transaction ? write_set_find(&transaction->writes, key) : NULL;

	if (!node)
		return false;
	*value = (struct bytes){.data = node->newest->value, .bytes = node->newest->value_bytes};
	*outcome = node->newest->is_put ? STORE_OK : STORE_NOT_FOUND;
	return true;
}

int call_read(struct call *call, struct bytes key, const rocksdb_snapshot_t *snapshot,
	rocksdb_pinnableslice_t **pinned, struct bytes *value)
{
	int outcome;

	*pinned = NULL;
	if (read_written(call, key, value, &outcome))
		return outcome;
	outcome = database_get(&call->store->database, call_read_options(call, snapshot), key,
		pinned, &call->explanation);
	if (!outcome)
		value->data = rocksdb_pinnableslice_value(*pinned, &value->bytes);
	return outcome;
}
