/* The storage module and its files: some are cold, some are dropped, some cannot be written. What of that an operator sees. */
#include "failing_device.h"
#include "one_table.h"

#include <dlfcn.h>
#include <errno.h>
#include <rocksdb/c.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "store.h"

static void a_checkpoint_is_made_once_under_a_name(void **state)
{
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	commit();
	assert_int_equal(store_client_checkpoint(client, text_bytes("monday")), STORE_OK);
	assert_int_equal(store_client_checkpoint(client, text_bytes("monday")), STORE_EXISTS);
	assert_int_equal(store_client_checkpoint(client, text_bytes("../x")), -ECONNRESET);
}

static const char *path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof path, "%s/%s", fixture_directory(), name);
	return path;
}

static void move(const char *from, const char *to)
{
	char source[160];

	snprintf(source, sizeof source, "%s", path_of(from));
	assert_int_equal(rename(source, path_of(to)), 0);
}

static void a_checkpoint_in_the_database_s_place_has_what_was_committed_before_it(void **state)
{
	struct store_handle opened;

	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(store_client_commit(client, true), STORE_OK);
	assert_int_equal(store_client_checkpoint(client, text_bytes("monday")), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "a", "2"), STORE_OK);
	assert_int_equal(store_client_commit(client, true), STORE_OK);
	store_client_close(client);
	fixture_close();
	move("data", "earlier");
	move("checkpoints/monday", "data");
	fixture_open();
	client = fixture_connect();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, NULL), STORE_OK);
	assert_string_equal(fixture_get(client, &opened, "a", STORE_FRESH), "1");
	assert_int_equal(fixture_put(client, &opened, "b", "1"), STORE_OK);
	commit();
	reopen();
	assert_string_equal(fixture_get(client, &opened, "b", STORE_FRESH), "1");
}

/* With RocksDB's own log, which has been the commit log. */
static rocksdb_t *open_rocksdb(void)
{
	rocksdb_options_t *options = rocksdb_options_create();
	char *message = NULL;
	rocksdb_t *db = rocksdb_open(options, path_of("data"), &message);

	assert_null(message);
	rocksdb_options_destroy(options);
	return db;
}

static void what_is_in_a_log_of_rocksdb_is_kept(void **state)
{
	rocksdb_writeoptions_t *write_options = rocksdb_writeoptions_create();
	rocksdb_readoptions_t *read_options = rocksdb_readoptions_create();
	char *message = NULL, *value;
	rocksdb_t *db;
	size_t bytes;

	store_client_close(client);
	fixture_close();
	db = open_rocksdb();
	rocksdb_put(db, write_options, "\xff key", 5, "value", 5, &message);
	assert_null(message);
	rocksdb_close(db);
	fixture_open();
	fixture_close();
	db = open_rocksdb();
	value = rocksdb_get(db, read_options, "\xff key", 5, &bytes, &message);
	assert_non_null(value);
	assert_memory_equal(value, "value", 5);
	rocksdb_free(value);
	rocksdb_close(db);
	rocksdb_readoptions_destroy(read_options);
	rocksdb_writeoptions_destroy(write_options);
	fixture_open();
	client = fixture_connect();
}

static void the_status_is_lines_of_text(void **state)
{
	struct store_bytes text;

	assert_int_equal(store_client_status(client, &text), STORE_OK);
	assert_non_null(memmem(text.data, text.bytes, "tables: 1\n", 10));
	assert_non_null(memmem(text.data, text.bytes, "read-only: 0\n", 13));
	assert_non_null(memmem(text.data, text.bytes, "log records: ", 13));
}

/* Rows in ascending order, of which RocksDB makes several files behind each other. */
static void fill_files(unsigned count)
{
	struct store_batch batch = {.data = NULL};
	static char value[1024];
	char key[16];

	memset(value, 'v', sizeof value - 1);
	for (unsigned i = 0; i < count; i++) {
		if (i % 100 == 0)
			store_batch_begin(&batch, client, &table);
		snprintf(key, sizeof key, "%08u", i);
		store_batch_insert(&batch, 0, text_bytes(key), text_bytes(value));
		if (i % 100 != 99)
			continue;
		assert_int_equal(store_client_write(client, &batch, 0, NULL), STORE_OK);
		commit();
	}
	store_batch_end(&batch);
}

static void a_scan_goes_on_in_files_that_are_cold(void **state)
{
	struct store_range range = {.handle = table, .rows_max = 10, .flags = STORE_KEYS_ONLY};
	const unsigned count = 40000;
	unsigned rows;

	fill_files(count);
	for (unsigned backward = 0; backward < 2; backward++) {
		struct store_cursor cursor = {.bounds = NULL};
		struct store_cursor_row row;

		reopen();
		range.flags = STORE_KEYS_ONLY | (backward ? STORE_BACKWARD : 0);
		store_cursor_begin(&cursor, &range);
		for (rows = 0; !store_cursor_next(&cursor, client, &row);)
			rows++;
		store_cursor_end(&cursor);
		assert_int_equal(rows, count);
	}
}

static void what_is_cold_is_read_where_it_may_wait(void **state)
{
	struct store_handle opened;

	fill(5000);
	reopen();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, NULL), STORE_OK);
	fixture_waited = 0;
	assert_string_equal(fixture_get(client, &opened, "k04000", 0), "v4000");
	assert_true(fixture_waited > 0);
	fixture_waited = 0;
	assert_string_equal(fixture_get(client, &opened, "k04000", 0), "v4000");
	assert_int_equal(fixture_waited, 0);
}

static bool status_has(const char *line)
{
	struct store_bytes text;

	assert_int_equal(store_client_status(client, &text), STORE_OK);
	return memmem(text.data, text.bytes, line, strlen(line)) != NULL;
}

static void what_was_dropped_is_given_back_to_the_device(void **state)
{
	fill(1000);
	assert_int_equal(store_client_table_truncate(client, &table), STORE_OK);
	while (!status_has("reclaimed generations: 1\n"))
		sched_yield();
}

/* No file may grow any more. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void after_an_io_error_nothing_is_written_but_all_is_read(void **state)
{
	struct store_handle opened;
	uint64_t first;

	fill(10);
	signal(SIGXFSZ, SIG_IGN);
	limit_files(1);
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(store_client_commit(client, false), STORE_IO_ERROR);
	limit_files(RLIM_INFINITY);
	assert_string_not_equal(store_client_text(client), "");
	assert_string_equal(fixture_get(client, &table, "a", 0), "1");
	assert_int_equal(store_client_commit(client, false), STORE_READ_ONLY);
	assert_int_equal(store_client_rollback(client), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_READ_ONLY);
	assert_int_equal(store_client_counter(client, &table, 1, 1, 0, 1, &first), STORE_READ_ONLY);
	assert_string_equal(fixture_get(client, &table, "k00003", 0), "v3");
	assert_true(status_has("read-only: 1\n"));
	reopen();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, NULL), STORE_OK);
	assert_string_equal(fixture_get(client, &opened, "k00003", 0), "v3");
	assert_int_equal(fixture_put(client, &opened, "b", "1"), STORE_OK);
	commit();
}

/* How many writes RocksDB says it would wait with, and how many have waited since. */
static unsigned stalls, waits;

/* In RocksDB's place. */
void rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *options,
	rocksdb_writebatch_t *batch, char **errptr)
{
	typeof(rocksdb_write) *write = dlsym(RTLD_NEXT, "rocksdb_write");

	if (stalls && rocksdb_writeoptions_get_no_slowdown((rocksdb_writeoptions_t *)options)) {
		stalls--;
		*errptr = strdup("Result incomplete: Write stall");
		return;
	}
	if (stalls) {
		struct commit_log *log = &((struct store *)fixture_instance())->database.log;

		assert_int_equal(pthread_mutex_trylock(&log->mutex), 0);
		pthread_mutex_unlock(&log->mutex);
		waits++;
	}
	write(db, options, batch, errptr);
}

static void nobody_waits_for_rocksdb_with_the_log_held(void **state)
{
	struct store_handle opened;

	stalls = 4;
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(store_client_commit(client, true), STORE_OK);
	assert_int_equal(stalls, 0);
	assert_true(waits > 0);
	reopen();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, NULL), STORE_OK);
	assert_string_equal(fixture_get(client, &opened, "a", STORE_FRESH), "1");
}

/* Others have read it, and RocksDB may have it on the device later. */
static void a_commit_that_is_not_in_the_log_is_not_said_to_be_undone(void **state)
{
	static const int failures[] = {ENOSPC, EDQUOT, ENOMEM, EAGAIN};

	for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
		assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
		failing_write = failures[i];
		assert_int_equal(store_client_commit(client, true), STORE_IO_ERROR);
		failing_write = 0;
		assert_true(status_has("read-only: 1\n"));
		reopen();
		assert_int_equal(store_client_table_open(client, text_bytes("db/t"), &table, NULL),
			STORE_OK);
		fill(1);
		assert_int_equal(fixture_delete(client, &table, "k00000"), STORE_OK);
		commit();
	}
}

static void a_commit_that_the_log_has_no_room_for_is_undone(void **state)
{
	reopen();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &table, NULL), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	failing_write = ENOSPC;
	assert_int_equal(store_client_commit(client, true), STORE_NO_SPACE);
	failing_write = 0;
	assert_true(status_has("read-only: 0\n"));
	commit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE_TABLE_TEST(a_checkpoint_is_made_once_under_a_name),
		ONE_TABLE_TEST(
			a_checkpoint_in_the_database_s_place_has_what_was_committed_before_it),
		ONE_TABLE_TEST(what_is_in_a_log_of_rocksdb_is_kept),
		ONE_TABLE_TEST(the_status_is_lines_of_text),
		ONE_TABLE_TEST(a_scan_goes_on_in_files_that_are_cold),
		ONE_TABLE_TEST(what_is_cold_is_read_where_it_may_wait),
		ONE_TABLE_TEST(what_was_dropped_is_given_back_to_the_device),
		ONE_TABLE_TEST(after_an_io_error_nothing_is_written_but_all_is_read),
		ONE_TABLE_TEST(nobody_waits_for_rocksdb_with_the_log_held),
		ONE_TABLE_TEST(a_commit_that_is_not_in_the_log_is_not_said_to_be_undone),
		ONE_TABLE_TEST(a_commit_that_the_log_has_no_room_for_is_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
