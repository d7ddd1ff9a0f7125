/*
 * What the engine keeps for a connection of the server's: its client of the storage module, and where its transaction stands.
 *
 * Theory of operation. A statement begins with session_enter, which tells the server that the engine takes part. The
 * module begins the transaction with the first request. Before the first write of a statement that is one of several in its
 * transaction, a savepoint is set, so that the statement can be undone alone. It is not given up with the statement, because that would
 * take one more request per statement: those left behind go together, when there are many or the user sets one.
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
	bool has_statement_savepoint;
	uint32_t statement_savepoint;
	uint32_t savepoint_last; /* the number of the latest one */
	uint32_t left_behind_first, left_behind; /* savepoints of former statements: the first one's number, and how many */
	std::string xid;		       /* of the prepared one */
	ha_sluice *bulk;		       /* has rows that are yet to be written */
	std::unordered_map<const shared_table *, uint64_t> writes; /* how often this connection has written a table */
	std::string failure;		       /* the module's words about the last one */
};

/* The connection's; made when there is none. Returns NULL only without memory. */
struct session *session_of(THD *thd);

/* The connection ends. */
int session_close(handlerton *engine, THD *thd);

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

/* Before each write. Returns an error of the server's. */
int session_write(struct session *session);

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

/* What has come of transactions, since the engine was loaded. */
struct session_counters {
	std::atomic<uint64_t> commits{0}, rollbacks{0}, deadlocks{0}, lock_timeouts{0}, lost{0};
};

extern struct session_counters session_counters;

/* In transaction.cc: the engine's functions for transactions. */
void transaction_init(handlerton *engine);

#endif
