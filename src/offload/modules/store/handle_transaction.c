/* Transactions: how they end, and savepoints. */
#include "call.h"

static int no_memory(struct call *call)
{
	return explain(&call->explanation, STORE_BUSY, "out of memory");
}

/* How to write the end of a transaction. Returns false if that would wait, and it may not. */
static bool choose_write(const struct call *call, unsigned *flags)
{
	*flags = (call_has(call, STORE_SYNC) ? DATABASE_SYNC : 0u) |
		 (call->may_wait ? DATABASE_MAY_WAIT : 0u);
	return call->may_wait || !call_has(call, STORE_SYNC);
}

int handle_commit(struct call *call)
{
	struct transaction *transaction = call->session->transaction;
	rocksdb_writebatch_t *batch;
	unsigned flags;
	int outcome;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!transaction)
		return STORE_OK;
	if (write_set_is_empty(&transaction->writes)) {
		transaction_reset(transaction);
		return STORE_OK;
	}
	if (!choose_write(call, &flags))
		return OUTCOME_WOULD_WAIT;
	batch = rocksdb_writebatch_create();
	outcome = transaction_commit(transaction, batch, flags, &call->explanation);
	rocksdb_writebatch_destroy(batch);
	return outcome;
}

int handle_rollback(struct call *call)
{
	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (call->session->transaction)
		transaction_reset(call->session->transaction);
	return STORE_OK;
}

int handle_snapshot(struct call *call)
{
	struct transaction *transaction = session_transaction(call->session);

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!transaction)
		return no_memory(call);
	(void)transaction_snapshot(transaction);
	return STORE_OK;
}

/* ---- savepoints ---- */

int handle_savepoint(struct call *call)
{
	struct transaction *transaction = session_transaction(call->session);

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!transaction)
		return no_memory(call);
	return savepoint_set(transaction, call->request.savepoint.number, &call->explanation);
}

int handle_savepoint_rollback(struct call *call)
{
	struct transaction *transaction = call->session->transaction;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!transaction)
		return STORE_NOT_FOUND;
	return savepoint_rollback(transaction, call->request.savepoint.number);
}

int handle_savepoint_release(struct call *call)
{
	struct transaction *transaction = call->session->transaction;

	if (call->rest.left)
		return OUTCOME_MALFORMED;
	if (!transaction)
		return STORE_NOT_FOUND;
	return savepoint_release(transaction, call->request.savepoint.number);
}

/* ---- two phases ---- */

static bool take_xid(struct call *call, struct bytes *xid)
{
	return call_take_last(call, call->request.xid.xid_bytes, xid) && xid->bytes &&
	       xid->bytes <= STORE_XID_BYTES_MAX;
}

int handle_prepare(struct call *call)
{
	struct session *session = call->session;
	struct bytes xid;
	int outcome;

	if (!take_xid(call, &xid))
		return OUTCOME_MALFORMED;
	if (!call->may_wait)
		return OUTCOME_WOULD_WAIT;
	if (!session_transaction(session))
		return no_memory(call);
	/* It is nobody's as soon as it is prepared, and may even have ended then. */
	session->transaction->owner.interrupt = NULL;
	outcome =
		prepared_add(&call->store->prepared, xid, session->transaction, &call->explanation);
	if (!outcome)
		session->transaction = NULL;
	else
		session->transaction->owner.interrupt = &session->interrupt;
	return outcome;
}

int handle_commit_xid(struct call *call)
{
	struct bytes xid;
	unsigned flags;

	if (!take_xid(call, &xid))
		return OUTCOME_MALFORMED;
	if (!choose_write(call, &flags))
		return OUTCOME_WOULD_WAIT;
	return prepared_commit(&call->store->prepared, xid, flags, &call->explanation);
}

int handle_rollback_xid(struct call *call)
{
	struct bytes xid;
	unsigned flags;

	if (!take_xid(call, &xid))
		return OUTCOME_MALFORMED;
	if (!choose_write(call, &flags))
		return OUTCOME_WOULD_WAIT;
	return prepared_rollback(&call->store->prepared, xid, flags, &call->explanation);
}

static int append_xid(void *context, struct bytes xid)
{
	struct call *call = context;

	call->answer.list.count++;
	return call_append_item(call, xid);
}

int handle_recover(struct call *call)
{
	if (call->rest.left)
		return OUTCOME_MALFORMED;
	return prepared_each(&call->store->prepared, append_xid, call);
}
