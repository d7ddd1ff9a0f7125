/*
 * What the engine keeps for a connection of the server's: its client of the storage module, and where its transaction stands.
 *
 * Theory of operation. A statement begins with session_enter, which tells the server that the engine takes part. The
 * module begins the transaction with the first request. With the first write of a statement that is one of several in its
 * transaction, a savepoint is set, so that the statement can be undone alone. It is not given up with the statement, because that would
 * take one more request per statement: those left behind go together, when there are many or the user sets one.
 *
 * Who waits for an answer waits for two processes to be woken. So writes of rows that are locked already, which fail only with the transaction
 * as a whole, are not waited for, and neither is the end of a transaction that has only read.
 *
 * Failures that take the transaction with them (a deadlock, a module that was lost) mark it to be rolled back, and nothing
 * is asked for it any more. The connection to the module is made anew for the next one.
 */
#ifndef SLUICE_GUEST_MARIADB_SESSION_H
#define SLUICE_GUEST_MARIADB_SESSION_H

#include "server.h"

#include <atomic>
#include <unordered_map>

#include "store/store_client.h"

class ha_sluice;
struct shared_table;

struct session {
	THD *thd;
	struct store_client *client;
	bool is_begun;	  /* the module may have a transaction for us */
	bool is_prepared; /* it has, under an xid, and for nobody */
	bool is_lost;	  /* it has none any more; the server has yet to notice */
	bool is_written;  /* the transaction has changed something */
	bool is_locking;  /* it may have locked what it read */
	bool has_statement_savepoint;
	uint32_t statement_savepoint;
	uint32_t savepoint_last; /* the number of the latest one */
	uint32_t left_behind_first,
		left_behind; /* savepoints of former statements: the first one's number, and how many */
	std::string xid;     /* of the prepared one */
	ha_sluice *bulk;     /* has rows that are yet to be written */
	std::unordered_map<const shared_table *, uint64_t>
		writes;			  /* how often this connection has written a table */
	std::string failure;		  /* the module's words about the last one */
	std::atomic<uint64_t> cancel_key; /* the client's, for who kills; 0: there is none */
	std::atomic<bool> is_cancelled;	  /* the module has been told so */
};

/* The connection's; made when there is none. Returns NULL only without memory. */
struct session *session_of(THD *thd);

/* The connection ends. */
int session_close(handlerton *engine, THD *thd);

/* The connection, or its statement, is killed: by another thread, which keeps the connection from ending. */
void session_kill(handlerton *engine, THD *thd, enum thd_kill_levels level);

/* A statement is about to use a table. Returns an error of the server's. */
int session_enter(struct session *session);

/*
 * Before each request of the transaction: rows that wait are written, and it is still there.
 *
 * @reads: the table, if it only reads one: rows of others may wait on
 *
 * Returns an error of the server's.
 */
int session_ask(struct session *session, const shared_table *reads = nullptr);

/*
 * Write a batch.
 *
 * @is_posted: it cannot fail but with the transaction, and is not waited for
 * @failed_change: of one that inserts and has found its key; the error is HA_ERR_FOUND_DUPP_KEY then
 *
 * Returns an error of the server's.
 */
int session_write(struct session *session, struct store_batch *batch, bool is_posted,
	uint32_t *failed_change);

/* Whether a call of store_client.h that returned this has lost the connection: the module may have done what it was asked, or not. */
static inline bool session_is_lost_by(int status)
{
	return status < 0 && status != -EMSGSIZE && status != -ENOMEM;
}

/*
 * The server's error (HA_ERR_...) for what a call of store_client.h returned, and what follows from it for the transaction. 0 for 0.
 */
int session_error(struct session *session, int status);

/*
 * The client, for what is no part of the transaction. One that the module has forgotten is replaced, if no transaction is lost with it.
 *
 * Returns an error of the server's.
 */
int session_connect(struct session *session);

/* Let go of the client, which is of no use any more. */
void session_disconnect(struct session *session);

/* What has come of transactions, since the engine was loaded. */
struct session_counters {
	std::atomic<uint64_t> commits{0}, rollbacks{0}, deadlocks{0}, lock_timeouts{0}, lost{0};
};

extern struct session_counters session_counters;

/* In transaction.cc: the engine's functions for transactions. */
void transaction_init(handlerton *engine);

#endif
