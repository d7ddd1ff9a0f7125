/* The instance: made, and ended. */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "store_options.h"

static struct transaction_environment environment_of(struct store *store)
{
	return (struct transaction_environment){.database = &store->database,
		.dictionary = &store->dictionary,
		.locks = &store->locks,
		.budget = &store->budget,
		.bytes_max = store->transaction_bytes_max};
}

static struct database_config database_config_of(
	const struct store_options *options, const char *directory)
{
	/*
	 * A quarter is left for what transactions have, and one for everything else: of the largest one its batch, and its record, while it
	 * is committed; of the commit log a segment, and a record of it, while it is read again. RocksDB's buffers are empty when a record
	 * comes that is larger than a segment.
	 */
	return (struct database_config){.directory = directory,
		.block_cache_bytes = options->memory_bytes / 8 * 3,
		.write_buffer_bytes = options->memory_bytes / 8,
		.background_threads = options->background_threads};
}

static int open_database(
	struct store *store, const struct store_options *options, struct error *error)
{
	struct database_config config;
	char *path;
	int failure;

	if (asprintf(&path, "%s/data", store->directory) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	config = database_config_of(options, path);
	failure = database_open(&store->database, &config, error);
	free(path);
	return failure;
}

static int open_contents(struct store *store, struct error *error)
{
	const struct transaction_environment environment = environment_of(store);
	int failure = dictionary_open(&store->dictionary, &store->database, error);

	if (failure)
		return failure;
	failure = prepared_open(&store->prepared, &environment, error);
	if (failure)
		goto fail_prepared;
	failure = reclaimer_start(&store->reclaimer, &store->dictionary);
	if (failure)
		goto fail_reclaimer;
	return 0;

fail_reclaimer:
	error_set(error, failure, "cannot start a thread");
	prepared_close(&store->prepared);
fail_prepared:
	dictionary_close(&store->dictionary);
	return failure;
}

static int open_all(struct store *store, const struct store_options *options, struct error *error)
{
	int failure = lock_table_init(&store->locks, &store->budget);

	if (failure)
		return error_set(error, failure, "out of memory");
	failure = open_database(store, options, error);
	if (failure)
		goto fail_database;
	failure = open_contents(store, error);
	if (failure)
		goto fail_contents;
	return 0;

fail_contents:
	database_close(&store->database);
fail_database:
	lock_table_destroy(&store->locks);
	return failure;
}

int store_open(const struct module_setup *setup, struct store **store, struct error *error)
{
	struct store_options options;
	struct store *new;
	int failure = store_options_read(setup, &options, error);

	if (failure)
		return failure;
	new = calloc(1, sizeof *new);
	if (!new)
		return error_set(error, -ENOMEM, "out of memory");
	new->directory = strdup(setup->directory);
	new->message_bytes_max = setup->message_bytes_max;
	new->transaction_bytes_max = options.transaction_bytes_max;
	new->budget.bytes_max = options.memory_bytes / 4;
	pthread_mutex_init(&new->sessions_mutex, NULL);
	TAILQ_INIT(&new->sessions_open);
	failure = -ENOMEM;
	if (new->directory && getrandom(&new->instance, sizeof new->instance, 0) > 0)
		failure = open_all(new, &options, error);
	if (failure) {
		pthread_mutex_destroy(&new->sessions_mutex);
		free(new->directory);
		free(new);
		return failure;
	}
	*store = new;
	return 0;
}

void store_close(struct store *store)
{
	reclaimer_stop(&store->reclaimer);
	prepared_close(&store->prepared);
	dictionary_close(&store->dictionary);
	database_close(&store->database);
	lock_table_destroy(&store->locks);
	pthread_mutex_destroy(&store->sessions_mutex);
	free(store->directory);
	free(store);
}

/* ---- sessions ---- */

int session_open(struct store *store, struct session **session)
{
	struct session *new = calloc(1, sizeof *new);

	if (!new)
		return -ENOMEM;
	new->store = store;
	while (!new->cancel_key) {
		if (getrandom(&new->cancel_key, sizeof new->cancel_key, 0) < 0) {
			free(new);
			return -EAGAIN;
		}
	}
	for (int may_wait = 0; may_wait < 2; may_wait++)
		new->read_options[may_wait] = database_read_options(may_wait);
	__atomic_add_fetch(&store->sessions, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&store->sessions_mutex);
	TAILQ_INSERT_TAIL(&store->sessions_open, new, link);
	pthread_mutex_unlock(&store->sessions_mutex);
	*session = new;
	return 0;
}

void session_close(struct session *session)
{
	pthread_mutex_lock(&session->store->sessions_mutex);
	TAILQ_REMOVE(&session->store->sessions_open, session, link);
	pthread_mutex_unlock(&session->store->sessions_mutex);
	transaction_destroy(session->transaction);
	for (int may_wait = 0; may_wait < 2; may_wait++)
		rocksdb_readoptions_destroy(session->read_options[may_wait]);
	__atomic_sub_fetch(&session->store->sessions, 1, __ATOMIC_RELAXED);
	free(session);
}

void session_interrupt(struct session *session)
{
	lock_interrupt(&session->store->locks, &session->interrupt);
}

bool store_cancel(struct store *store, uint64_t key)
{
	struct session *session;

	pthread_mutex_lock(&store->sessions_mutex);
	TAILQ_FOREACH (session, &store->sessions_open, link) {
		if (session->cancel_key == key)
			break;
	}
	if (session)
		session_interrupt(session);
	pthread_mutex_unlock(&store->sessions_mutex);
	return session;
}

struct transaction *session_transaction(struct session *session)
{
	const struct transaction_environment environment = environment_of(session->store);

	if (session->transaction)
		return session->transaction;
	session->transaction = transaction_create(&environment);
	if (session->transaction)
		session->transaction->owner.interrupt = &session->interrupt;
	return session->transaction;
}
