/* What is written to RocksDB, and to the commit log: each record is a batch, which has the record's number, too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "database.h"
#include "dictionary_record.h"

#define SEGMENT_BYTES_MIN (1u << 20)
#define NUMBER_BYTES 32u /* of a batch, at most, for the number with its key */

/* ---- what the log wants of RocksDB ---- */

static int failure_of(char *message)
{
	struct explanation explanation;
	const int outcome = database_outcome(message, &explanation);

	if (outcome == STORE_OK)
		return 0;
	return outcome == STORE_NO_SPACE ? -ENOSPC : -EIO;
}

static int flush(struct database *database, bool waits)
{
	rocksdb_flushoptions_t *options = rocksdb_flushoptions_create();
	char *message = NULL;

	rocksdb_flushoptions_set_wait(options, waits);
	rocksdb_flush(database->db, options, &message);
	rocksdb_flushoptions_destroy(options);
	return failure_of(message);
}

/* The number that is on the device with all changes up to it. */
static int read_number(struct database *database, uint64_t *number)
{
	const struct record_key key = record_key(RECORD_LOGGED);
	rocksdb_pinnableslice_t *value;
	char *message = NULL;
	const char *data;
	size_t bytes;

	*number = 0;
	value = rocksdb_get_pinned(
		database->db, database->durable_options, key.data, key.bytes, &message);
	if (!value)
		return failure_of(message);
	data = rocksdb_pinnableslice_value(value, &bytes);
	if (bytes == sizeof *number)
		memcpy(number, data, bytes);
	rocksdb_pinnableslice_destroy(value);
	return bytes == sizeof *number ? 0 : -EBADMSG;
}

static int settle(void *context, enum commit_log_settling how, uint64_t *settled)
{
	struct database *database = context;
	const int failure = how == LOG_ASK ? 0 : flush(database, how == LOG_WAIT);

	return failure ? failure : read_number(database, settled);
}

static int apply(void *context, uint64_t number, struct bytes record, struct error *error)
{
	struct database *database = context;
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create_from(record.data, record.bytes);
	char *message = NULL;

	rocksdb_write(database->db, database->write_options[true], batch, &message);
	rocksdb_writebatch_destroy(batch);
	if (!message)
		return 0;
	error_set(error, -EIO, "record %llu of the commit log cannot be written: %s",
		(unsigned long long)number, message);
	rocksdb_free(message);
	return -EIO;
}

static uint64_t segment_bytes(const struct database_config *config)
{
	const uint64_t bytes = database_buffer_bytes(config);

	return bytes > SEGMENT_BYTES_MIN ? bytes / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES
					 : SEGMENT_BYTES_MIN;
}

int database_open_log(
	struct database *database, const struct database_config *config, struct error *error)
{
	struct commit_log_config log = {.segment_bytes = segment_bytes(config),
		.settle = settle,
		.apply = apply,
		.context = database};
	char *directory;
	int failure;

	/* In RocksDB's directory: who puts a checkpoint in its place leaves no log of another past. */
	if (asprintf(&directory, "%s/commits", config->directory) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	log.directory = directory;
	failure = commit_log_open(&database->log, &log, error);
	free(directory);
	return failure;
}

/* ---- writing ---- */

bool database_is_read_only(const struct database *database)
{
	return __atomic_load_n(&database->is_read_only, __ATOMIC_RELAXED);
}

int database_check_writable(const struct database *database, struct explanation *explanation)
{
	if (!database_is_read_only(database))
		return STORE_OK;
	return explain(explanation, STORE_READ_ONLY,
		"nothing is written since a write has failed; see to the device, then "
		"start the module anew");
}

struct refusal {
	int failure;
	int outcome;
	const char *text;
};

/* Of a record that was not begun: RocksDB has not changed. */
static const struct refusal refusals[] = {
	{-EAGAIN, OUTCOME_WOULD_WAIT, "the commit log is busy"},
	{-ENOSPC, STORE_NO_SPACE, "the commit log: no space left on the device"},
	{-EDQUOT, STORE_NO_SPACE, "the commit log: no more space may be used on the device"},
	{-ENOMEM, STORE_BUSY, "out of memory"},
	{-EMSGSIZE, STORE_TOO_BIG, "the transaction is larger than a record of the commit log"},
};

static int io_error(int failure, struct explanation *explanation)
{
	return explain(explanation, STORE_IO_ERROR, "the commit log cannot be written: %s",
		strerror(-failure));
}

static int refuse(int failure, struct explanation *explanation)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		if (refusals[i].failure == failure)
			return explain(explanation, refusals[i].outcome, "%s", refusals[i].text);
	}
	return io_error(failure, explanation);
}

static struct bytes batch_bytes(rocksdb_writebatch_t *batch)
{
	struct bytes bytes;

	bytes.data = rocksdb_writebatch_data(batch, &bytes.bytes);
	return bytes;
}

/* With the record's number; or with what it had, and an outcome. */
static int change(
	struct database *database, rocksdb_writebatch_t *batch, struct explanation *explanation)
{
	const uint64_t number = commit_log_number(&database->log);
	char *message = NULL, *unused = NULL;

	rocksdb_writebatch_set_save_point(batch);
	record_put(batch, record_key(RECORD_LOGGED), &number, sizeof number);
	rocksdb_write(database->db, database->write_options[false], batch, &message);
	if (message)
		rocksdb_writebatch_rollback_to_save_point(batch, &unused);
	return database_outcome(message, explanation);
}

/* With the log held RocksDB is not waited for, whoever asks: a poller whose record is on its way comes back for the log. */
static int write_both(struct database *database, rocksdb_writebatch_t *batch, unsigned flags,
	struct explanation *explanation)
{
	struct commit_log *log = &database->log;
	const size_t bytes = batch_bytes(batch).bytes + NUMBER_BYTES;
	int failure = commit_log_begin(log, bytes, flags & DATABASE_MAY_WAIT);
	int outcome;

	if (failure)
		return refuse(failure, explanation);
	outcome = change(database, batch, explanation);
	if (outcome) {
		commit_log_cancel(log);
		return outcome;
	}
	/* From here on others read the changes, whatever becomes of the record. */
	failure = commit_log_end(log, batch_bytes(batch), flags & DATABASE_SYNC);
	return failure ? io_error(failure, explanation) : STORE_OK;
}

/* Until RocksDB has room again: without changes it waits as with some. */
static int wait_for_room(struct database *database, struct explanation *explanation)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char *message = NULL;

	rocksdb_write(database->db, database->write_options[true], batch, &message);
	rocksdb_writebatch_destroy(batch);
	return database_outcome(message, explanation);
}

static int write_or_wait(struct database *database, rocksdb_writebatch_t *batch, unsigned flags,
	struct explanation *explanation)
{
	int outcome = write_both(database, batch, flags, explanation);

	while (outcome == OUTCOME_WOULD_WAIT && flags & DATABASE_MAY_WAIT) {
		outcome = wait_for_room(database, explanation);
		if (!outcome)
			outcome = write_both(database, batch, flags, explanation);
	}
	return outcome;
}

int database_write(struct database *database, rocksdb_writebatch_t *batch, unsigned flags,
	struct explanation *explanation)
{
	int outcome = database_check_writable(database, explanation);

	if (outcome)
		return outcome;
	outcome = write_or_wait(database, batch, flags, explanation);
	if (outcome == STORE_IO_ERROR)
		__atomic_store_n(&database->is_read_only, true, __ATOMIC_RELAXED);
	return outcome;
}
