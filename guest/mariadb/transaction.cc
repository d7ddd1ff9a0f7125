/*
 * The engine's part in the server's transactions.
 *
 * Theory of operation. The server calls commit and rollback at the end of each statement, too; only with `all`, or
 * outside of a transaction of several statements, is it the transaction's end. A prepared transaction belongs to nobody at the module, so the
 * same connection ends it by its xid, too.
 */
#include "session.h"

#include "module.h"
#include "variables.h"

static const unsigned ends_tried = 100, end_pause_us = 100000;

static bool is_whole(THD *thd, bool all)
{
	return all || !thd_test_options(thd, OPTION_NOT_AUTOCOMMIT | OPTION_BEGIN);
}

static struct store_bytes bytes_of(const std::string &text)
{
	return {text.data(), text.size()};
}

static std::string encode_xid(const XID *xid)
{
	return {reinterpret_cast<const char *>(xid),
		offsetof(XID, data) + xid->gtrid_length + xid->bqual_length};
}

static bool decode_xid(struct store_bytes bytes, XID *xid)
{
	if (bytes.bytes < offsetof(XID, data) || bytes.bytes > sizeof *xid)
		return false;
	memset(xid, 0, sizeof *xid);
	memcpy(xid, bytes.data, bytes.bytes);
	return encode_xid(xid).size() == bytes.bytes;
}

static void forget_transaction(struct session *session)
{
	session->is_begun = session->is_prepared = session->is_lost = false;
	session->is_written = session->is_locking = false;
	session->has_statement_savepoint = false;
	session->savepoint_last = session->left_behind = 0;
	session->bulk = nullptr;
	session->xid.clear();
}

static void end_statement(struct session *session)
{
	if (!session->has_statement_savepoint)
		return;
	session->has_statement_savepoint = false;
	if (session->left_behind++ == 0)
		session->left_behind_first = session->statement_savepoint;
}

typedef int end_by_xid(struct store_client *client, struct store_bytes xid);

static int commit_by_name(struct store_client *client, struct store_bytes xid)
{
	return store_client_commit_xid(client, xid, true);
}

/*
 * What is prepared has its end decided by the server, which can't take that back: while the module is away, it is asked again. After that it
 * is told by whoever connects to it next. One that it does not know when it is asked again, has ended: only the answer was lost.
 */
static int end_prepared(struct session *session, bool is_commit)
{
	end_by_xid *end = is_commit ? commit_by_name : store_client_rollback_xid;
	int status = session->client ? end(session->client, bytes_of(session->xid)) : -ECONNRESET;

	for (unsigned tries = 0; status < 0 && tries < ends_tried; tries++) {
		session_disconnect(session);
		my_sleep(end_pause_us);
		if (session_connect(session))
			continue;
		status = end(session->client, bytes_of(session->xid));
		if (status == STORE_NOT_FOUND)
			status = STORE_OK;
	}
	if (status >= 0)
		return session_error(session, status);
	module_end_later(session->xid, is_commit);
	return HA_ERR_NO_CONNECTION;
}

static int commit_whole(struct session *session)
{
	bool is_durable = session->is_written && sluice_is_commit_durable(session->thd);
	int error = 0;

	if (session->is_prepared)
		error = end_prepared(session, true);
	else if (session->is_lost)
		error = HA_ERR_NO_CONNECTION;
	else if (session->is_begun && !session->is_written && !session->is_locking)
		error = session_error(session, store_client_post_commit(session->client));
	else if (session->is_begun)
		error = session_error(session, store_client_commit(session->client, is_durable));
	if (session->is_begun && !error)
		session_counters.commits++;
	forget_transaction(session);
	return error;
}

static int commit(handlerton *, THD *thd, bool all)
{
	struct session *session = session_of(thd);

	if (is_whole(thd, all))
		return commit_whole(session);
	end_statement(session);
	return 0;
}

static int rollback_whole(struct session *session)
{
	int error = 0;

	session->bulk = nullptr;
	if (session->is_prepared)
		error = end_prepared(session, false);
	else if (session->client && session->is_begun &&
		 (!session->is_lost || store_client_is_failed(session->client)))
		error = session_error(session, store_client_rollback(session->client));
	if (session->is_begun)
		session_counters.rollbacks++;
	forget_transaction(session);
	return error == HA_ERR_NO_CONNECTION ? 0 : error; /* which is a rollback, too */
}

static int rollback(handlerton *, THD *thd, bool all)
{
	struct session *session = session_of(thd);
	int error = 0;

	if (is_whole(thd, all))
		return rollback_whole(session);
	session->bulk = nullptr;
	if (session->has_statement_savepoint && !session->is_lost)
		error = session_error(session, store_client_savepoint_rollback(session->client,
						       session->statement_savepoint));
	end_statement(session);
	return error;
}

/* ---- Savepoints: `place` is the server's room for the number of one. ---- */

static int savepoint_set(handlerton *, THD *thd, void *place)
{
	struct session *session = session_of(thd);
	uint32_t first = session->left_behind_first, number;
	int error = session_ask(session);

	if (!error && session->left_behind) {
		session->left_behind = 0;
		error = session_error(
			session, store_client_savepoint_release(session->client, first));
	}
	if (error)
		return error;
	number = ++session->savepoint_last;
	memcpy(place, &number, sizeof number);
	return session_error(session, store_client_savepoint(session->client, number));
}

static uint32_t savepoint_number(const void *place)
{
	uint32_t number;

	memcpy(&number, place, sizeof number);
	return number;
}

/* Those of statements that came after it go with it. */
static void forget_behind(struct session *session, uint32_t number)
{
	if (session->left_behind && session->left_behind_first > number)
		session->left_behind = 0;
}

static int savepoint_rollback(handlerton *, THD *thd, void *place)
{
	struct session *session = session_of(thd);
	uint32_t number = savepoint_number(place);

	session->bulk = nullptr;
	session->has_statement_savepoint = false;
	forget_behind(session, number);
	if (session->is_lost || !session->client)
		return HA_ERR_NO_CONNECTION;
	return session_error(session, store_client_savepoint_rollback(session->client, number));
}

static int savepoint_release(handlerton *, THD *thd, void *place)
{
	struct session *session = session_of(thd);
	uint32_t number = savepoint_number(place);
	int error = session_ask(session);

	if (error)
		return error;
	forget_behind(session, number);
	return session_error(session, store_client_savepoint_release(session->client, number));
}

static bool savepoint_rollback_can_release_mdl(handlerton *, THD *)
{
	return false; /* locks of rows that were taken after the savepoint may stay */
}

/* ---- Two-phase commit. ---- */

static int prepare(handlerton *, THD *thd, bool all)
{
	struct session *session = session_of(thd);
	XID xid;
	int status, error;

	if (!is_whole(thd, all)) {
		end_statement(session);
		return 0;
	}
	if ((error = session_ask(session)))
		return error;
	thd_get_xid(thd, reinterpret_cast<MYSQL_XID *>(&xid));
	session->xid = encode_xid(&xid);
	status = store_client_prepare(session->client, bytes_of(session->xid));
	session->is_prepared = status <= 0; /* if the answer did not come, it may be */
	return session_error(session, status);
}

/* The server asks again while it gets as many as it has room for. */
static int recover(handlerton *, XID *xids, uint room)
{
	static uint skip;
	struct store_client *client = nullptr;
	struct store_list list = {};
	struct store_bytes item;
	uint seen = 0, count = 0;

	if (module_connect(&client))
		return 0;
	if (store_client_recover(client, &list) == 0)
		while (count < room && store_list_next(&list, &item))
			if (seen++ >= skip && decode_xid(item, &xids[count]))
				count++;
	skip = count == room ? seen : 0;
	store_client_close(client);
	return static_cast<int>(count);
}

/* What the server expects for an xid, as the X/Open specification numbers it. */
enum { XA_MANAGER_ERROR = -3, XA_UNKNOWN = -4, XA_MANAGER_FAILED = -7 };

static int by_xid(const XID *xid, end_by_xid *end)
{
	struct store_client *client = nullptr;
	int status;

	if (module_connect(&client))
		return XA_MANAGER_FAILED;
	status = end(client, bytes_of(encode_xid(xid)));
	store_client_close(client);
	if (status == STORE_NOT_FOUND)
		return XA_UNKNOWN;
	return status ? XA_MANAGER_ERROR : 0;
}

static int commit_by_xid(handlerton *, XID *xid)
{
	return by_xid(xid, commit_by_name);
}

static int rollback_by_xid(handlerton *, XID *xid)
{
	return by_xid(xid, store_client_rollback_xid);
}

/* ---- */

static int start_consistent_snapshot(handlerton *, THD *thd)
{
	struct session *session = session_of(thd);
	int error = session_enter(session);

	if (!error)
		error = session_ask(session);
	return error ? error : session_error(session, store_client_snapshot(session->client));
}

void transaction_init(handlerton *engine)
{
	engine->savepoint_offset = sizeof(uint32_t);
	engine->close_connection = session_close;
	engine->kill_query = session_kill;
	engine->commit = commit;
	engine->rollback = rollback;
	engine->savepoint_set = savepoint_set;
	engine->savepoint_rollback = savepoint_rollback;
	engine->savepoint_release = savepoint_release;
	engine->savepoint_rollback_can_release_mdl = savepoint_rollback_can_release_mdl;
	engine->prepare = prepare;
	engine->recover = recover;
	engine->commit_by_xid = commit_by_xid;
	engine->rollback_by_xid = rollback_by_xid;
	engine->start_consistent_snapshot = start_consistent_snapshot;
}
