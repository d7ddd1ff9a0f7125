/* The whole of the module's instance, and its sessions. */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include <sys/queue.h>

#include "database.h"
#include "dictionary.h"
#include "lock_table.h"
#include "offload/module.h"
#include "prepared.h"
#include "reclaimer.h"
#include "transaction.h"

TAILQ_HEAD(session_list, session);

struct store {
	struct database database;
	struct dictionary dictionary;
	struct lock_table locks;
	struct prepared prepared;
	struct reclaimer reclaimer;
	struct budget budget; /* of all transactions */
	size_t transaction_bytes_max;
	size_t message_bytes_max;
	uint64_t instance;
	uint32_t sessions; /* atomic */
	pthread_mutex_t sessions_mutex;
	struct session_list sessions_open; /* with the mutex */
	char *directory;
};

/* A key of the database: of a space, with a bound's one more byte. */
struct key_buffer {
	char data[SPACE_BYTES + STORE_KEY_BYTES_MAX + 1];
	size_t bytes;
};

/* A connection. */
struct session {
	struct store *store;
	struct transaction *transaction; /* NULL until it is needed; kept for the next one */
	int failure; /* the status of a posted request that has failed, until the transaction's end; or STORE_OK */
	struct explanation failure_explanation;
	rocksdb_readoptions_t *read_options[2]; /* that must not wait, that may */
	struct key_buffer key, lower, upper, row, bound;
	struct lock_interrupt interrupt;
	uint64_t cancel_key;
	TAILQ_ENTRY(session) link;
};

int store_open(const struct module_setup *setup, struct store **store, struct error *error);
void store_close(struct store *store);

int session_open(struct store *store, struct session **session);
void session_close(struct session *session);

/* What the session asks for now, and from now on, ends early. Any thread, while the session is open. */
void session_interrupt(struct session *session);

/* The same, by the session's key. Returns false if there is no such session. */
bool store_cancel(struct store *store, uint64_t key);

/* The transaction that the session has, which may be a new one. NULL: no memory. */
struct transaction *session_transaction(struct session *session);

/* Text for people. Returns its length. */
size_t store_status(struct store *store, char *text, size_t size);

#endif
