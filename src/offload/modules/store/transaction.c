#include "transaction.h"

#include <errno.h>
#include <stdlib.h>

/* ---- beginning and end ---- */

struct transaction *transaction_create(const struct transaction_environment *environment)
{
	struct transaction *transaction = calloc(1, sizeof *transaction);

	if (!transaction)
		return NULL;
	transaction->database = environment->database;
	transaction->dictionary = environment->dictionary;
	transaction->locks = environment->locks;
	transaction->bytes_max = environment->bytes_max;
	lock_owner_init(&transaction->owner);
	write_set_init(&transaction->writes, environment->budget);
	return transaction;
}

void transaction_reset(struct transaction *transaction)
{
	write_set_clear(&transaction->writes);
	lock_release(transaction->locks, &transaction->owner);
	if (transaction->snapshot)
		rocksdb_release_snapshot(transaction->database->db, transaction->snapshot);
	transaction->snapshot = NULL;
	transaction->savepoint_count = 0;
	while (transaction->generation_count)
		generation_release(transaction->generations[--transaction->generation_count]);
}

void transaction_destroy(struct transaction *transaction)
{
	if (!transaction)
		return;
	transaction_reset(transaction);
	write_set_free(&transaction->writes);
	free(transaction->savepoints);
	free(transaction->generations);
	free(transaction);
}

const rocksdb_snapshot_t *transaction_snapshot(struct transaction *transaction)
{
	if (!transaction->snapshot)
		transaction->snapshot = rocksdb_create_snapshot(transaction->database->db);
	return transaction->snapshot;
}

/* Returns false if there is no memory; else one more fits. */
static bool make_room(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
	const size_t grown = *capacity ? *capacity * 2 : 4;
	void **array = items;
	void *moved;

	if (count < *capacity)
		return true;
	moved = realloc(*array, grown * item_bytes);
	if (!moved)
		return false;
	*array = moved;
	*capacity = grown;
	return true;
}

int transaction_keep(struct transaction *transaction, struct generation *generation)
{
	for (size_t i = transaction->generation_count; i; i--) {
		if (transaction->generations[i - 1] == generation)
			return 0;
	}
	if (!make_room(&transaction->generations, transaction->generation_count,
		    &transaction->generation_capacity, sizeof(struct generation *)))
		return -ENOMEM;
	generation_acquire(generation);
	transaction->generations[transaction->generation_count++] = generation;
	return 0;
}

/* ---- locks and memory ---- */

struct lock_outcome {
	int error;
	int outcome;
	const char *text;
};

static const struct lock_outcome lock_outcomes[] = {
	{-ETIMEDOUT, STORE_LOCK_TIMEOUT, "another transaction has the lock"},
	{-EDEADLK, STORE_DEADLOCK, "transactions wait for each other: this one is rolled back"},
	{-ECANCELED, STORE_CANCELLED, "it was cancelled"},
	{-EDQUOT, STORE_BUSY, "all transactions together have as much memory as they may"},
	{-ENOMEM, STORE_BUSY, "out of memory"},
};

static int outcome_of(int error, struct explanation *explanation)
{
	const struct lock_outcome *found = lock_outcomes;

	while (found->error != error)
		found++;
	return explain(explanation, found->outcome, "%s", found->text);
}

/* With so many bytes more. */
static bool is_full(const struct transaction *transaction, size_t bytes)
{
	return transaction->owner.bytes + transaction->writes.arena.allocated_bytes + bytes >
	       transaction->bytes_max;
}

static int too_big(const struct transaction *transaction, struct explanation *explanation)
{
	return explain(explanation, STORE_TOO_BIG,
		"a transaction may have %zu bytes of changes and locks: commit more often, or "
		"raise transaction_bytes_max",
		transaction->bytes_max);
}

int transaction_lock(struct transaction *transaction, struct bytes key, enum lock_mode mode,
	uint32_t timeout_ms, struct lock_hold **hold, struct explanation *explanation)
{
	int error;

	if (is_full(transaction, 0))
		return too_big(transaction, explanation);
	error = lock_acquire(transaction->locks, &transaction->owner, key, mode, timeout_ms, hold);
	return error ? outcome_of(error, explanation) : STORE_OK;
}

int transaction_lock_range(struct transaction *transaction, const struct interval *interval,
	enum lock_mode mode, uint32_t timeout_ms, struct explanation *explanation)
{
	int error;

	if (is_full(transaction, 0))
		return too_big(transaction, explanation);
	error = lock_acquire_range(
		transaction->locks, &transaction->owner, interval, mode, timeout_ms);
	return error ? outcome_of(error, explanation) : STORE_OK;
}

int transaction_reserve(
	struct transaction *transaction, size_t bytes, struct explanation *explanation)
{
	int error;

	if (is_full(transaction, bytes))
		return too_big(transaction, explanation);
	error = write_set_reserve(&transaction->writes, bytes);
	return error ? outcome_of(error, explanation) : STORE_OK;
}

/* ---- committing ---- */

static bool is_wanted(const struct write_node *node)
{
	return !generation_is_dead(node->generation);
}

void transaction_collect(const struct transaction *transaction, rocksdb_writebatch_t *batch)
{
	for (const struct write_node *node = transaction->writes.heads[0]; node;
		node = node->next[0]) {
		const struct write_version *version = node->newest;
		const struct bytes key = write_node_key(node);

		if (!is_wanted(node))
			continue;
		if (version->is_put)
			rocksdb_writebatch_put(
				batch, key.data, key.bytes, version->value, version->value_bytes);
		else
			rocksdb_writebatch_delete(batch, key.data, key.bytes);
	}
}

static void count_rows(const struct transaction *transaction)
{
	for (const struct write_node *node = transaction->writes.heads[0]; node;
		node = node->next[0]) {
		const int change = node->newest->is_put - node->was_there;

		if (node->is_row && change)
			__atomic_add_fetch(&node->generation->rows, change, __ATOMIC_RELAXED);
	}
}

int transaction_commit(struct transaction *transaction, rocksdb_writebatch_t *batch, unsigned flags,
	struct explanation *explanation)
{
	int outcome = STORE_OK;

	if (!dictionary_share(transaction->dictionary, flags & DATABASE_MAY_WAIT))
		return OUTCOME_WOULD_WAIT;
	transaction_collect(transaction, batch);
	if (rocksdb_writebatch_count(batch))
		outcome = database_write(transaction->database, batch, flags, explanation);
	dictionary_unshare(transaction->dictionary);
	if (outcome)
		return outcome;
	count_rows(transaction);
	transaction_reset(transaction);
	return STORE_OK;
}

/* ---- savepoints ---- */

int savepoint_set(struct transaction *transaction, uint32_t number, struct explanation *explanation)
{
	const size_t count = transaction->savepoint_count;

	if (count && transaction->savepoints[count - 1].number >= number)
		return OUTCOME_MALFORMED;
	if (count == STORE_SAVEPOINTS_MAX)
		return explain(explanation, STORE_BUSY,
			"there are %u savepoints, which is the most", STORE_SAVEPOINTS_MAX);
	if (!make_room(&transaction->savepoints, count, &transaction->savepoint_capacity,
		    sizeof(struct savepoint)))
		return outcome_of(-ENOMEM, explanation);
	transaction->savepoints[transaction->savepoint_count++] =
		(struct savepoint){.number = number, .mark = write_set_mark(&transaction->writes)};
	return STORE_OK;
}

/* Its place, from 1; 0: there is none. Numbers grow. */
static size_t find_savepoint(const struct transaction *transaction, uint32_t number)
{
	size_t at = transaction->savepoint_count;

	while (at && transaction->savepoints[at - 1].number > number)
		at--;
	return at && transaction->savepoints[at - 1].number == number ? at : 0;
}

int savepoint_rollback(struct transaction *transaction, uint32_t number)
{
	const size_t at = find_savepoint(transaction, number);

	if (!at)
		return STORE_NOT_FOUND;
	write_set_undo(&transaction->writes, transaction->savepoints[at - 1].mark);
	transaction->savepoint_count = at;
	return STORE_OK;
}

int savepoint_release(struct transaction *transaction, uint32_t number)
{
	const size_t at = find_savepoint(transaction, number);

	if (!at)
		return STORE_NOT_FOUND;
	transaction->savepoint_count = at - 1;
	return STORE_OK;
}
