#include "session.h"

#include "ha_sluice.h"
#include "module.h"
#include "variables.h"

static const uint32_t left_behind_max = 64;

struct session_counters session_counters;

struct session *session_of(THD *thd)
{
	struct session *session =
		static_cast<struct session *>(thd_get_ha_data(thd, sluice_engine));

	if (!session) {
		session = new (std::nothrow) struct session();
		if (!session)
			return nullptr;
		session->thd = thd;
		thd_set_ha_data(thd, sluice_engine, session);
	}
	return session;
}

int session_close(handlerton *, THD *thd)
{
	struct session *session =
		static_cast<struct session *>(thd_get_ha_data(thd, sluice_engine));

	thd_set_ha_data(thd, sluice_engine, nullptr); /* from here on nobody kills it */
	if (session) {
		store_client_close(session->client);
		delete session;
	}
	return 0;
}

void session_disconnect(struct session *session)
{
	session->cancel_key = 0;
	store_client_close(session->client);
	session->client = nullptr;
}

/* By a connection of its own, since the session's waits for its answer. */
void session_kill(handlerton *, THD *thd, enum thd_kill_levels)
{
	struct session *session =
		static_cast<struct session *>(thd_get_ha_data(thd, sluice_engine));
	struct store_client *client;
	uint64_t key = session ? session->cancel_key.load() : 0;

	if (key == 0 || module_connect(&client))
		return;
	store_client_cancel(client, key);
	session->is_cancelled = true;
	store_client_close(client);
}

/* What was killed has ended; what begins now has not been. */
static int forget_kill(struct session *session)
{
	if (!session->is_cancelled || session->thd->killed != NOT_KILLED)
		return 0;
	session->is_cancelled = false;
	return session_error(session, store_client_cancel(session->client, 0));
}

int session_connect(struct session *session)
{
	int failure;

	if (session->client && !session->is_begun && store_client_is_lost(session->client))
		session_disconnect(session);
	if (session->client)
		return 0;
	failure = module_connect(&session->client);
	if (failure == 0) {
		session->is_cancelled = false;
		session->cancel_key = store_client_cancel_key(session->client);
		return 0;
	}
	session->client = nullptr;
	session->failure =
		std::string("There is no connection to the storage module: ") + strerror(-failure);
	return HA_ERR_NO_CONNECTION;
}

int session_enter(struct session *session)
{
	THD *thd = session->thd;
	int error;

	if (session->is_lost)
		return HA_ERR_NO_CONNECTION;
	if ((error = session_connect(session)) || (error = forget_kill(session)))
		return error;
	store_client_set_lock_timeout(session->client, sluice_lock_wait_ms(thd));
	trans_register_ha(thd, false, sluice_engine, 0);
	if (thd_test_options(thd, OPTION_NOT_AUTOCOMMIT | OPTION_BEGIN))
		trans_register_ha(thd, true, sluice_engine, 0);
	return 0;
}

int session_ask(struct session *session, const shared_table *reads)
{
	if (session->is_lost || !session->client)
		return HA_ERR_NO_CONNECTION;
	session->is_begun = true;
	return session->bulk && session->bulk->must_write_for(reads) ? session->bulk->bulk_write()
								     : 0;
}

static int forget_left_behind(struct session *session)
{
	uint32_t first = session->left_behind_first;

	if (session->left_behind == 0)
		return 0;
	session->left_behind = 0;
	return session_error(session, store_client_savepoint_release(session->client, first));
}

/* A statement that is one of several is to be undone alone. */
static bool needs_savepoint(const struct session *session)
{
	return !session->has_statement_savepoint &&
	       thd_test_options(session->thd, OPTION_NOT_AUTOCOMMIT | OPTION_BEGIN);
}

/* The module has set it: with a batch that has failed it has not. */
static void note_savepoint(struct session *session, uint32_t number)
{
	if (!number)
		return;
	session->statement_savepoint = session->savepoint_last = number;
	session->has_statement_savepoint = true;
}

int session_write(
	struct session *session, struct store_batch *batch, bool is_posted, uint32_t *failed_change)
{
	int error;

	session->is_written = true;
	session->is_begun = true;
	if (session->left_behind >= left_behind_max && (error = forget_left_behind(session)))
		return error;
	batch->savepoint = needs_savepoint(session) ? session->savepoint_last + 1 : 0;
	if (is_posted)
		error = session_error(session, store_client_post_write(session->client, batch));
	else
		error = session_error(
			session, store_client_write(session->client, batch, 0, failed_change));
	if (!error)
		note_savepoint(session, batch->savepoint);
	return error;
}

/* ---- Failures. ---- */

static const struct {
	int status;
	int error;
} errors[] = {
	{STORE_NOT_FOUND, HA_ERR_KEY_NOT_FOUND},
	{STORE_EXISTS, HA_ERR_TABLE_EXIST},
	{STORE_DUPLICATE, HA_ERR_FOUND_DUPP_KEY},
	{STORE_LOCK_TIMEOUT, HA_ERR_LOCK_WAIT_TIMEOUT},
	{STORE_DEADLOCK, HA_ERR_LOCK_DEADLOCK},
	{STORE_TOO_BIG, HA_ERR_TO_BIG_ROW},
	{STORE_NO_SPACE, HA_ERR_DISK_FULL},
	{STORE_READ_ONLY, HA_ERR_TABLE_READONLY},
	{STORE_STALE, HA_ERR_TABLE_DEF_CHANGED},
	{STORE_BUSY, HA_ERR_TOO_MANY_CONCURRENT_TRXS},
	{STORE_CANCELLED, HA_ERR_ABORTED_BY_USER},
	{-EMSGSIZE, HA_ERR_TO_BIG_ROW},
	{-ENOMEM, HA_ERR_OUT_OF_MEM},
};

/* The module has forgotten us, or can't be understood: the transaction is gone with the connection. */
static int lose_connection(struct session *session)
{
	session_disconnect(session);
	session->is_lost = true;
	session_counters.lost++;
	session->failure =
		"The connection to the storage module was lost, and the transaction with it";
	session->thd->mark_transaction_to_rollback(true);
	return HA_ERR_NO_CONNECTION;
}

int session_error(struct session *session, int status)
{
	if (status == 0)
		return 0;
	if (session_is_lost_by(status))
		return lose_connection(session);
	session->failure = status > 0 ? store_client_text(session->client) : "";
	if (status == STORE_LOCK_TIMEOUT)
		session_counters.lock_timeouts++;
	if (status == STORE_DEADLOCK)
		session_counters.deadlocks++;
	if (status == STORE_DEADLOCK || store_client_is_failed(session->client)) {
		session->is_lost = true;
		session->thd->mark_transaction_to_rollback(true);
	}
	for (const auto &known : errors)
		if (known.status == status)
			return known.error;
	return HA_ERR_INTERNAL_ERROR;
}
