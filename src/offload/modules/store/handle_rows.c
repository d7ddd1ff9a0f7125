/* Single rows: read, and written. */
#include "call.h"

static int no_memory(struct call *call)
{
	return explain(&call->explanation, STORE_BUSY, "out of memory");
}

static int key_too_big(struct call *call)
{
	return explain(&call->explanation, STORE_TOO_BIG, "a key has at most %u bytes",
		STORE_KEY_BYTES_MAX);
}

/* ---- reading ---- */

static int lock_as_asked(struct call *call, struct bytes key)
{
	struct lock_hold *hold;
	enum lock_mode mode;

	return call_lock_mode(call, &mode) ? call_lock(call, key, mode, &hold) : STORE_OK;
}

static const rocksdb_snapshot_t *snapshot_to_read(struct call *call)
{
	enum lock_mode mode;

	if (call_lock_mode(call, &mode) || call_has(call, STORE_FRESH | STORE_DIRTY))
		return NULL;
	return transaction_snapshot(call->session->transaction);
}

static int get(struct call *call, struct bytes key)
{
	struct transaction *transaction = call->session->transaction;
	struct lock_hold *newest = transaction->owner.newest;
	rocksdb_pinnableslice_t *pinned = NULL;
	struct bytes value;
	int outcome = lock_as_asked(call, key);

	if (outcome)
		return outcome;
	outcome = call_read(call, key, snapshot_to_read(call), &pinned, &value);
	if (outcome == STORE_NOT_FOUND && call_has(call, STORE_IF_THERE))
		lock_undo(transaction->locks, &transaction->owner, newest);
	if (!outcome) {
		call->answer.value.value_bytes = (uint32_t)value.bytes;
		outcome = call_append(call, value.data, value.bytes);
	}
	if (pinned)
		rocksdb_pinnableslice_destroy(pinned);
	return outcome;
}

int handle_get(struct call *call)
{
	const struct store_get *request = &call->request.get;
	struct bytes key;

	if (request->space >= call->generation->space_count ||
		!call_take_last(call, request->key_bytes, &key))
		return OUTCOME_MALFORMED;
	if (key.bytes > STORE_KEY_BYTES_MAX)
		return key_too_big(call);
	if (!session_transaction(call->session))
		return no_memory(call);
	call_make_key(call, &call->session->key, request->space, key);
	return get(call, key_bytes_of(&call->session->key));
}

/* ---- writing ---- */

struct change {
	struct store_change head;
	struct bytes key, value;
};

static int take_change(struct call *call, struct message_reader *reader, struct change *change)
{
	if (!message_take(reader, &change->head, sizeof change->head) ||
		change->head.kind > STORE_DELETE ||
		change->head.space >= call->generation->space_count ||
		!message_take_bytes(reader, change->head.key_bytes, &change->key) ||
		!message_take_bytes(reader, change->head.value_bytes, &change->value))
		return OUTCOME_MALFORMED;
	if (change->key.bytes > STORE_KEY_BYTES_MAX)
		return key_too_big(call);
	return STORE_OK;
}

/* Is there something, as the transaction sees it? It has the lock. */
static int look(struct call *call, struct bytes key, const struct lock_hold *hold)
{
	rocksdb_pinnableslice_t *pinned;
	struct bytes value;
	int outcome;

	/* An earlier change of this request, which is not written yet. */
	if (hold->request == call->session->transaction->request)
		return hold->is_put ? STORE_OK : STORE_NOT_FOUND;
	outcome = call_read(call, key, NULL, &pinned, &value);
	if (pinned)
		rocksdb_pinnableslice_destroy(pinned);
	return outcome;
}

/* See that an inserted key is not there. */
static int check_insert(struct call *call, struct bytes key, const struct lock_hold *hold)
{
	const int outcome = look(call, key, hold);

	if (outcome == STORE_OK)
		return explain(&call->explanation, STORE_DUPLICATE, "the key is there");
	return outcome == STORE_NOT_FOUND ? STORE_OK : outcome;
}

/* All that can go wrong with a change. */
static int check_change(struct call *call, const struct change *change)
{
	struct session *session = call->session;
	struct lock_hold *hold;
	int outcome;

	call_make_key(call, &session->key, change->head.space, change->key);
	outcome = call_lock(call, key_bytes_of(&session->key), LOCK_EXCLUSIVE, &hold);
	if (!outcome && change->head.kind == STORE_INSERT)
		outcome = check_insert(call, key_bytes_of(&session->key), hold);
	if (outcome)
		return outcome;
	hold->request = session->transaction->request;
	hold->is_put = change->head.kind != STORE_DELETE;
	return STORE_OK;
}

static int check_changes(struct call *call, size_t *bytes)
{
	struct message_reader reader = call->rest;
	struct change change;

	*bytes = 0;
	for (uint32_t i = 0; i < call->request.write.change_count; i++) {
		int outcome = take_change(call, &reader, &change);

		if (!outcome)
			outcome = check_change(call, &change);
		if (outcome) {
			call->answer.write.failed_change = i;
			return outcome;
		}
		*bytes += write_set_bytes(SPACE_BYTES + change.key.bytes, change.value.bytes);
	}
	return reader.left ? OUTCOME_MALFORMED : STORE_OK;
}

/* There is room, and they have been checked. */
static void make_changes(struct call *call)
{
	struct session *session = call->session;
	struct change change = {.key = {0}};

	for (uint32_t i = 0; i < call->request.write.change_count; i++) {
		(void)take_change(call, &call->rest, &change);
		call_make_key(call, &session->key, change.head.space, change.key);
		write_set_change(&session->transaction->writes,
			&(struct write_change){.generation = call->generation,
				.key = key_bytes_of(&session->key),
				.value = change.head.kind == STORE_DELETE ? (struct bytes){0}
									  : change.value,
				.is_put = change.head.kind != STORE_DELETE,
				.was_there = change.head.kind != STORE_INSERT,
				.is_row = !change.head.space});
	}
}

/* Last of what can go wrong, as nothing undoes it. */
static int set_savepoint(struct call *call)
{
	const uint32_t number = call->request.write.savepoint;

	return number ? savepoint_set(call->session->transaction, number, &call->explanation)
		      : STORE_OK;
}

int handle_write(struct call *call)
{
	struct transaction *transaction = session_transaction(call->session);
	size_t bytes;
	int outcome = database_check_writable(&call->store->database, &call->explanation);

	if (outcome)
		return outcome;
	if (!transaction)
		return no_memory(call);
	transaction->request++;
	outcome = check_changes(call, &bytes);
	if (!outcome && transaction_keep(transaction, call->generation))
		outcome = no_memory(call);
	if (!outcome)
		outcome = transaction_reserve(transaction, bytes, &call->explanation);
	if (!outcome)
		outcome = set_savepoint(call);
	if (outcome)
		return outcome;
	make_changes(call);
	return STORE_OK;
}
