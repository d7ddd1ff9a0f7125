#include "prepared.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "dictionary_record.h"

struct prepared_transaction {
	struct key_map_node node;
	struct transaction *transaction;
	size_t xid_bytes;
	char xid[STORE_XID_BYTES_MAX];
};

/* ---- the map ---- */

static struct prepared_transaction *new_entry(struct bytes xid, struct transaction *transaction)
{
	struct prepared_transaction *entry = calloc(1, sizeof *entry);

	if (!entry)
		return NULL;
	entry->transaction = transaction;
	entry->xid_bytes = xid.bytes;
	memcpy(entry->xid, xid.data, xid.bytes);
	return entry;
}

static int add(struct prepared *prepared, struct prepared_transaction *entry)
{
	int outcome = STORE_OK;

	pthread_mutex_lock(&prepared->mutex);
	if (key_map_find(&prepared->transactions, entry->xid, entry->xid_bytes))
		outcome = STORE_EXISTS;
	else if (key_map_count(&prepared->transactions) >= PREPARED_MAX ||
		 key_map_add(&prepared->transactions, &entry->node, entry->xid, entry->xid_bytes))
		outcome = STORE_BUSY;
	pthread_mutex_unlock(&prepared->mutex);
	return outcome;
}

/*
 * Take its transaction, so that nobody else ends it. The entry stays until that is done, so that nobody prepares another of this
 * xid, whose record would be deleted with this one's. NULL if it is not there, or not ready.
 */
static struct prepared_transaction *take(
	struct prepared *prepared, struct bytes xid, struct transaction **transaction)
{
	struct prepared_transaction *entry = NULL;
	struct key_map_node *node;

	pthread_mutex_lock(&prepared->mutex);
	node = key_map_find(&prepared->transactions, xid.data, xid.bytes);
	if (node && container_of(node, struct prepared_transaction, node)->transaction) {
		entry = container_of(node, struct prepared_transaction, node);
		*transaction = entry->transaction;
		entry->transaction = NULL;
	}
	pthread_mutex_unlock(&prepared->mutex);
	return entry;
}

static void remove_entry(struct prepared *prepared, struct prepared_transaction *entry)
{
	pthread_mutex_lock(&prepared->mutex);
	key_map_remove(&prepared->transactions, &entry->node);
	pthread_mutex_unlock(&prepared->mutex);
	free(entry);
}

/* ---- preparing ---- */

static int write_record(
	struct transaction *transaction, struct bytes xid, struct explanation *explanation)
{
	rocksdb_writebatch_t *changes = rocksdb_writebatch_create();
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	const char *data;
	size_t bytes;
	int outcome;

	dictionary_share(transaction->dictionary, true);
	transaction_collect(transaction, changes);
	data = rocksdb_writebatch_data(changes, &bytes);
	record_put(batch, record_key_bytes(RECORD_PREPARED, xid), data, bytes);
	outcome = database_write(
		transaction->database, batch, DATABASE_SYNC | DATABASE_MAY_WAIT, explanation);
	dictionary_unshare(transaction->dictionary);
	rocksdb_writebatch_destroy(batch);
	rocksdb_writebatch_destroy(changes);
	return outcome;
}

/* It reads nothing any more. */
static void release_snapshot(struct transaction *transaction)
{
	if (transaction->snapshot)
		rocksdb_release_snapshot(transaction->database->db, transaction->snapshot);
	transaction->snapshot = NULL;
}

static void make_ready(struct prepared *prepared, struct prepared_transaction *entry,
	struct transaction *transaction)
{
	pthread_mutex_lock(&prepared->mutex);
	entry->transaction = transaction;
	pthread_mutex_unlock(&prepared->mutex);
}

int prepared_add(struct prepared *prepared, struct bytes xid, struct transaction *transaction,
	struct explanation *explanation)
{
	struct prepared_transaction *entry = new_entry(xid, NULL);
	int outcome;

	if (!entry)
		return explain(explanation, STORE_BUSY, "out of memory");
	outcome = add(prepared, entry);
	if (outcome) {
		free(entry);
		return explain(explanation, outcome,
			outcome == STORE_EXISTS ? "a transaction of that xid is prepared"
						: "too many transactions are prepared");
	}
	outcome = write_record(transaction, xid, explanation);
	if (outcome) {
		remove_entry(prepared, entry);
		return outcome;
	}
	release_snapshot(transaction);
	make_ready(prepared, entry, transaction);
	return STORE_OK; // NOLINT(clang-analyzer-unix.Malloc): the map has the entry // NOLINT(clang-analyzer-unix.Malloc): the map has the entry
}

/* ---- ending ---- */

static int end(struct prepared *prepared, struct bytes xid, bool is_commit, unsigned flags,
	struct explanation *explanation)
{
	struct transaction *transaction;
	struct prepared_transaction *entry = take(prepared, xid, &transaction);
	rocksdb_writebatch_t *batch;
	int outcome;

	if (!entry)
		return STORE_NOT_FOUND;
	batch = rocksdb_writebatch_create();
	record_delete(batch, record_key_bytes(RECORD_PREPARED, xid));
	if (is_commit)
		outcome = transaction_commit(transaction, batch, flags, explanation);
	else
		outcome = database_write(prepared->environment.database, batch, flags, explanation);
	rocksdb_writebatch_destroy(batch);
	if (outcome) {
		make_ready(prepared, entry, transaction);
		return outcome;
	}
	transaction_destroy(transaction);
	remove_entry(prepared, entry);
	return STORE_OK;
}

int prepared_commit(struct prepared *prepared, struct bytes xid, unsigned flags,
	struct explanation *explanation)
{
	return end(prepared, xid, true, flags, explanation);
}

int prepared_rollback(struct prepared *prepared, struct bytes xid, unsigned flags,
	struct explanation *explanation)
{
	return end(prepared, xid, false, flags, explanation);
}

int prepared_each(
	struct prepared *prepared, int (*visit)(void *context, struct bytes xid), void *context)
{
	struct key_map_node *node = NULL;
	int result = 0;

	pthread_mutex_lock(&prepared->mutex);
	while (!result && (node = key_map_next(&prepared->transactions, node))) {
		const struct prepared_transaction *entry =
			container_of(node, struct prepared_transaction, node);

		if (entry->transaction)
			result = visit(context,
				(struct bytes){.data = entry->xid, .bytes = entry->xid_bytes});
	}
	pthread_mutex_unlock(&prepared->mutex);
	return result;
}

size_t prepared_count(struct prepared *prepared)
{
	size_t count;

	pthread_mutex_lock(&prepared->mutex);
	count = key_map_count(&prepared->transactions);
	pthread_mutex_unlock(&prepared->mutex);
	return count;
}

/* ---- what was prepared before this start ---- */

struct recovery {
	struct transaction *transaction;
	struct dictionary *dictionary;
	struct generation *generation; /* of the space seen last */
	int error;
};

static bool belongs(const struct generation *generation, uint32_t space)
{
	return generation && space - generation->space_first < generation->space_count;
}

static int recover_change(struct recovery *recovery, const struct write_change *change)
{
	struct transaction *transaction = recovery->transaction;
	struct lock_hold *hold;
	int error = transaction_keep(transaction, change->generation);

	if (!error)
		error = write_set_reserve(&transaction->writes,
			write_set_bytes(change->key.bytes, change->value.bytes));
	if (!error)
		error = lock_acquire(transaction->locks, &transaction->owner, change->key,
			LOCK_EXCLUSIVE, 0, &hold);
	if (!error)
		write_set_change(&transaction->writes, change);
	return error;
}

static void recover(struct recovery *recovery, struct bytes key, struct bytes value, bool is_put)
{
	const uint32_t space = key.bytes > SPACE_BYTES ? space_read(key.data) : 0;
	struct write_change change = {.key = key, .value = value, .is_put = is_put};

	if (!belongs(recovery->generation, space))
		recovery->generation = dictionary_find_space(recovery->dictionary, space);
	/* A table that is gone since: nothing is written to it. */
	if (!recovery->generation || recovery->error)
		return;
	change.generation = recovery->generation;
	change.is_row = space == recovery->generation->space_first;
	/* Whether it was there is not known any more: the count stays as it is. */
	change.was_there = is_put;
	recovery->error = recover_change(recovery, &change);
}

static void recover_put(
	void *context, const char *key, size_t key_bytes, const char *value, size_t value_bytes)
{
	recover(context, (struct bytes){.data = key, .bytes = key_bytes},
		(struct bytes){.data = value, .bytes = value_bytes}, true);
}

static void recover_delete(void *context, const char *key, size_t key_bytes)
{
	recover(context, (struct bytes){.data = key, .bytes = key_bytes}, (struct bytes){0}, false);
}

static int recover_transaction(
	void *context, struct bytes xid, struct bytes value, struct error *error)
{
	struct prepared *prepared = context;
	struct recovery recovery = {.dictionary = prepared->environment.dictionary,
		.transaction = transaction_create(&prepared->environment)};
	rocksdb_writebatch_t *batch;
	struct prepared_transaction *entry;

	if (!recovery.transaction)
		return error_set(error, -ENOMEM, "out of memory");
	batch = rocksdb_writebatch_create_from(value.data, value.bytes);
	rocksdb_writebatch_iterate(batch, &recovery, recover_put, recover_delete);
	rocksdb_writebatch_destroy(batch);
	entry = recovery.error ? NULL : new_entry(xid, recovery.transaction);
	if (!entry || add(prepared, entry)) {
		free(entry);
		transaction_destroy(recovery.transaction);
		return error_set(error, -ENOMEM,
			"not enough memory for the transactions that are prepared: give the module "
			"more");
	}
	return 0; // NOLINT(clang-analyzer-unix.Malloc): the map has the entry
}

int prepared_open(struct prepared *prepared, const struct transaction_environment *environment,
	struct error *error)
{
	int failure;

	*prepared = (struct prepared){.environment = *environment};
	pthread_mutex_init(&prepared->mutex, NULL);
	failure = record_each(
		environment->database, RECORD_PREPARED, recover_transaction, prepared, error);
	if (failure)
		prepared_close(prepared);
	return failure;
}

void prepared_close(struct prepared *prepared)
{
	struct key_map_node *node;

	while ((node = key_map_next(&prepared->transactions, NULL))) {
		struct prepared_transaction *entry =
			container_of(node, struct prepared_transaction, node);

		key_map_remove(&prepared->transactions, node);
		transaction_destroy(entry->transaction);
		free(entry);
	}
	pthread_mutex_destroy(&prepared->mutex);
}
