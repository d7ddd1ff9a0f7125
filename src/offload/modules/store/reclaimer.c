#include "reclaimer.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "dictionary_record.h"

#define ROWS_STORED_EVERY_S 10

/* ---- one dropped generation after the other ---- */

struct space_range {
	uint32_t first, count;
};

/* The first record, which is enough to go on. */
static int take_first(void *context, struct bytes name, struct bytes value, struct error *error)
{
	struct space_range *range = context;

	if (name.bytes != SPACE_BYTES || value.bytes != sizeof range->count)
		return 0;
	range->first = space_read(name.data);
	memcpy(&range->count, value.data, value.bytes);
	return 1;
}

static int forget(struct database *database, const struct space_range *range)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	struct explanation explanation;
	int outcome;

	record_delete(batch, record_key_number(RECORD_RECLAIM, range->first));
	outcome = database_write(database, batch, DATABASE_MAY_WAIT, &explanation);
	rocksdb_writebatch_destroy(batch);
	return outcome;
}

/* Rewrite files that have something else, too; others may be compacted meanwhile. */
static void compact(struct database *database, const char *first, const char *end)
{
	rocksdb_compactoptions_t *options = rocksdb_compactoptions_create();

	rocksdb_compactoptions_set_exclusive_manual_compaction(options, 0);
	rocksdb_compact_range_opt(database->db, options, first, SPACE_BYTES, end, SPACE_BYTES);
	rocksdb_compactoptions_destroy(options);
}

static bool is_ending(struct reclaimer *reclaimer)
{
	bool ending;

	pthread_mutex_lock(&reclaimer->mutex);
	ending = reclaimer->is_ending;
	pthread_mutex_unlock(&reclaimer->mutex);
	return ending;
}

static int reclaim(struct reclaimer *reclaimer, const struct space_range *range)
{
	struct database *database = reclaimer->dictionary->database;
	char first[SPACE_BYTES], end[SPACE_BYTES];
	struct explanation explanation;
	char *message = NULL;

	space_write(first, range->first);
	space_write(end, range->first + range->count);
	rocksdb_delete_file_in_range(database->db, first, sizeof first, end, sizeof end, &message);
	if (database_outcome(message, &explanation)) {
		log_warning("store: space is not reclaimed: %s", explanation.text);
		return STORE_IO_ERROR;
	}
	compact(database, first, end);
	/* It may have been interrupted, to end. */
	return is_ending(reclaimer) ? STORE_OK : forget(database, range);
}

static void reclaim_all(struct reclaimer *reclaimer)
{
	struct database *database = reclaimer->dictionary->database;
	struct space_range range;
	struct error error;

	while (!is_ending(reclaimer) &&
		record_each(database, RECORD_RECLAIM, take_first, &range, &error) > 0) {
		if (reclaim(reclaimer, &range))
			return;
		__atomic_add_fetch(&reclaimer->reclaimed, 1, __ATOMIC_RELAXED);
	}
}

/* ---- the thread ---- */

static void wait_for_work(struct reclaimer *reclaimer)
{
	struct timespec deadline;
	int error = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += ROWS_STORED_EVERY_S;
	pthread_mutex_lock(&reclaimer->mutex);
	while (!reclaimer->is_wanted && !reclaimer->is_ending && !error)
		error = pthread_cond_timedwait(&reclaimer->wake, &reclaimer->mutex, &deadline);
	reclaimer->is_wanted = false;
	pthread_mutex_unlock(&reclaimer->mutex);
}

static void *run(void *context)
{
	struct reclaimer *reclaimer = context;

	while (!is_ending(reclaimer)) {
		reclaim_all(reclaimer);
		dictionary_store_rows(reclaimer->dictionary);
		wait_for_work(reclaimer);
	}
	return NULL;
}

int reclaimer_start(struct reclaimer *reclaimer, struct dictionary *dictionary)
{
	pthread_condattr_t attributes;
	int error;

	*reclaimer = (struct reclaimer){.dictionary = dictionary};
	pthread_mutex_init(&reclaimer->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&reclaimer->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	error = pthread_create(&reclaimer->thread, NULL, run, reclaimer);
	if (error) {
		pthread_cond_destroy(&reclaimer->wake);
		pthread_mutex_destroy(&reclaimer->mutex);
	}
	return -error;
}

void reclaimer_wake(struct reclaimer *reclaimer)
{
	pthread_mutex_lock(&reclaimer->mutex);
	reclaimer->is_wanted = true;
	pthread_cond_signal(&reclaimer->wake);
	pthread_mutex_unlock(&reclaimer->mutex);
}

void reclaimer_stop(struct reclaimer *reclaimer)
{
	pthread_mutex_lock(&reclaimer->mutex);
	reclaimer->is_ending = true;
	pthread_cond_signal(&reclaimer->wake);
	pthread_mutex_unlock(&reclaimer->mutex);
	rocksdb_disable_manual_compaction(reclaimer->dictionary->database->db);
	pthread_join(reclaimer->thread, NULL);
	pthread_cond_destroy(&reclaimer->wake);
	pthread_mutex_destroy(&reclaimer->mutex);
}
