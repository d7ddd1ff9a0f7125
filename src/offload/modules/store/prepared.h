/*
 * Transactions that are prepared: they belong to nobody, and outlive the module, until somebody says what becomes of them.
 *
 * Theory of operation. To prepare is to write what the transaction has written as one record, durably. To commit is to write it where it
 * belongs and to delete the record, in one. When the module starts, each record becomes a transaction again, with its locks.
 */
#ifndef SLUICE_STORE_PREPARED_H
#define SLUICE_STORE_PREPARED_H

#include "transaction.h"

#define PREPARED_MAX 4096u

struct prepared {
	struct transaction_environment environment;
	pthread_mutex_t mutex;
	struct key_map transactions;
};

/* With what is in the database. Returns 0 or a negative errno. */
int prepared_open(struct prepared *prepared, const struct transaction_environment *environment,
	struct error *error);
void prepared_close(struct prepared *prepared);

/*
 * Prepare a transaction, which belongs to it then. May wait. Returns an outcome, STORE_EXISTS among them; unless it is STORE_OK, the
 * transaction is the caller's still.
 */
int prepared_add(struct prepared *prepared, struct bytes xid, struct transaction *transaction,
	struct explanation *explanation);

/* @flags: enum database_write_flag. Returns an outcome, with STORE_NOT_FOUND. */
int prepared_commit(struct prepared *prepared, struct bytes xid, unsigned flags,
	struct explanation *explanation);
int prepared_rollback(struct prepared *prepared, struct bytes xid, unsigned flags,
	struct explanation *explanation);

/* Call `visit` with each xid until it returns something else than 0, and return that. */
int prepared_each(
	struct prepared *prepared, int (*visit)(void *context, struct bytes xid), void *context);

size_t prepared_count(struct prepared *prepared);

#endif
