/* The storage module, through its client library: tables, rows, ranges, transactions. */
#include "../cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "store_fixture.h"

static struct store_client *client;
static struct store_handle table;

static int set_up(void **state)
{
	fixture_directory_create();
	fixture_open();
	client = fixture_connect();
	table = fixture_table(client, "db/t", 2);
	return 0;
}

static int tear_down(void **state)
{
	store_client_close(client);
	fixture_close();
	fixture_directory_remove();
	return 0;
}

static void reopen(void)
{
	store_client_close(client);
	fixture_close();
	fixture_open();
	client = fixture_connect();
}

static void commit(void)
{
	assert_int_equal(store_client_commit(client, false), STORE_OK);
}

static void fill(unsigned count)
{
	char key[16], value[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(key, sizeof key, "k%05u", i);
		snprintf(value, sizeof value, "v%u", i);
		assert_int_equal(fixture_insert(client, &table, key, value), STORE_OK);
	}
	commit();
}

/* ---- tables ---- */

static void a_table_is_found_under_its_name_with_its_metadata(void **state)
{
	struct store_handle opened;
	struct store_bytes metadata;

	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, &metadata), STORE_OK);
	assert_memory_equal(&opened, &table, sizeof table);
	assert_int_equal(metadata.bytes, 8);
	assert_memory_equal(metadata.data, "metadata", 8);
}

static void a_name_is_of_one_table(void **state)
{
	struct store_handle found;

	assert_int_equal(
		store_client_table_create(client, text_bytes("db/t"), text_bytes(""), 1, 1, &found),
		STORE_EXISTS);
	assert_string_not_equal(store_client_text(client), "");
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/u"), &found, NULL), STORE_NOT_FOUND);
}

static void a_table_that_is_renamed_keeps_its_rows(void **state)
{
	struct store_handle renamed;

	fixture_table(client, "db/other", 1);
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	commit();
	assert_int_equal(
		store_client_table_rename(client, text_bytes("db/t"), text_bytes("db/other")),
		STORE_EXISTS);
	assert_int_equal(
		store_client_table_rename(client, text_bytes("db/t"), text_bytes("db/new")),
		STORE_OK);
	reopen();
	assert_int_equal(store_client_table_open(client, text_bytes("db/t"), &renamed, NULL),
		STORE_NOT_FOUND);
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/new"), &renamed, NULL), STORE_OK);
	assert_string_equal(fixture_get(client, &renamed, "a", 0), "1");
}

static void a_table_that_is_dropped_is_gone_and_its_name_is_free(void **state)
{
	struct store_handle again;

	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	commit();
	assert_int_equal(store_client_table_drop(client, text_bytes("db/t")), STORE_OK);
	assert_int_equal(store_client_table_drop(client, text_bytes("db/t")), STORE_NOT_FOUND);
	assert_int_equal(fixture_put(client, &table, "b", "1"), STORE_STALE);
	again = fixture_table(client, "db/t", 1);
	assert_null(fixture_get(client, &again, "a", 0));
	reopen();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &again, NULL), STORE_OK);
	assert_null(fixture_get(client, &again, "a", 0));
}

static void a_truncated_table_is_empty_under_another_generation(void **state)
{
	struct store_handle anew;
	uint64_t first;

	fill(100);
	assert_int_equal(store_client_counter(client, &table, 1, 1, 0, 50, &first), STORE_OK);
	assert_int_equal(store_client_table_truncate(client, &table), STORE_OK);
	assert_int_equal(store_client_table_truncate(client, &table), STORE_STALE);
	for (unsigned opened = 0; opened < 2; opened++) {
		reopen();
		assert_int_equal(
			store_client_table_open(client, text_bytes("db/t"), &anew, NULL), STORE_OK);
		assert_int_equal(anew.table, table.table);
		assert_int_not_equal(anew.generation, table.generation);
		assert_null(fixture_get(client, &anew, "k00001", 0));
	}
	assert_int_equal(store_client_counter(client, &anew, 1, 1, 0, 1, &first), STORE_OK);
	assert_int_equal(first, 1);
}

static void metadata_is_replaced_and_tables_are_listed_by_prefix(void **state)
{
	struct store_bytes metadata, name;
	struct store_handle opened;
	struct store_list list;

	fixture_table(client, "other/t", 1);
	assert_int_equal(
		store_client_table_set_metadata(client, &table, text_bytes("new")), STORE_OK);
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, &metadata), STORE_OK);
	assert_int_equal(metadata.bytes, 3);
	assert_int_equal(store_client_table_list(client, text_bytes("db/"), &list), STORE_OK);
	assert_true(store_list_next(&list, &name));
	assert_int_equal(name.bytes, 4);
	assert_memory_equal(name.data, "db/t", 4);
	assert_false(store_list_next(&list, &name));
}

static void what_is_committed_is_there_after_the_module_starts_anew(void **state)
{
	struct store_handle opened;

	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	commit();
	assert_int_equal(fixture_put(client, &table, "b", "2"), STORE_OK);
	reopen();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, NULL), STORE_OK);
	assert_string_equal(fixture_get(client, &opened, "a", 0), "1");
	assert_null(fixture_get(client, &opened, "b", 0));
}

/* ---- rows ---- */

static void a_transaction_sees_what_it_has_written(void **state)
{
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_string_equal(fixture_get(client, &table, "a", 0), "1");
	assert_int_equal(store_client_rollback(client), STORE_OK);
	assert_null(fixture_get(client, &table, "a", 0));
}

static void an_insert_finds_its_key(void **state)
{
	assert_int_equal(fixture_insert(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(fixture_insert(client, &table, "a", "2"), STORE_DUPLICATE);
	commit();
	assert_int_equal(fixture_insert(client, &table, "a", "3"), STORE_DUPLICATE);
	assert_int_equal(fixture_delete(client, &table, "a"), STORE_OK);
	assert_int_equal(fixture_insert(client, &table, "a", "4"), STORE_OK);
	commit();
	assert_string_equal(fixture_get(client, &table, "a", 0), "4");
}

static void a_batch_is_written_whole_or_not_at_all(void **state)
{
	struct store_batch batch = {.data = NULL};
	uint32_t failed;

	assert_int_equal(fixture_put(client, &table, "b", "old"), STORE_OK);
	commit();
	store_batch_begin(&batch, client, &table);
	store_batch_put(&batch, 0, text_bytes("a"), text_bytes("1"));
	store_batch_insert(&batch, 1, text_bytes("b"), text_bytes("2"));
	store_batch_insert(&batch, 0, text_bytes("b"), text_bytes("3"));
	assert_int_equal(store_client_write(client, &batch, 0, &failed), STORE_DUPLICATE);
	assert_int_equal(failed, 2);
	assert_null(fixture_get(client, &table, "a", 0));
	store_batch_begin(&batch, client, &table);
	store_batch_delete(&batch, 0, text_bytes("b"));
	store_batch_insert(&batch, 0, text_bytes("b"), text_bytes("4"));
	assert_int_equal(store_client_write(client, &batch, 0, &failed), STORE_OK);
	store_batch_insert(&batch, 0, text_bytes("b"), text_bytes("5"));
	assert_int_equal(store_client_write(client, &batch, 0, &failed), STORE_DUPLICATE);
	assert_int_equal(failed, 2);
	store_batch_end(&batch);
	assert_string_equal(fixture_get(client, &table, "b", 0), "4");
}

static void a_transaction_is_no_bigger_than_configured(void **state)
{
	char value[4096];
	char key[16];
	int status = STORE_OK;
	unsigned i;

	store_client_close(client);
	fixture_close();
	fixture_open_with("transaction_bytes_max", "256KiB");
	client = fixture_connect();
	memset(value, 'v', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	for (i = 0; i < 1000 && !status; i++) {
		snprintf(key, sizeof key, "%u", i);
		status = fixture_put(client, &table, key, value);
	}
	assert_int_equal(status, STORE_TOO_BIG);
	assert_true(i > 16);
	assert_non_null(fixture_get(client, &table, "0", 0));
	commit();
	assert_int_equal(fixture_put(client, &table, key, value), STORE_OK);
}

static void a_key_is_no_longer_than_the_protocol_says(void **state)
{
	static char key[STORE_KEY_BYTES_MAX + 2];

	memset(key, 'k', STORE_KEY_BYTES_MAX + 1);
	assert_int_equal(fixture_put(client, &table, key, "1"), STORE_TOO_BIG);
	assert_int_equal(
		store_client_get(client, &table, 0, text_bytes(key), 0, NULL), STORE_TOO_BIG);
	key[STORE_KEY_BYTES_MAX] = '\0';
	assert_int_equal(fixture_put(client, &table, key, "1"), STORE_OK);
	assert_string_equal(fixture_get(client, &table, key, 0), "1");
}

static void rows_that_fill_a_message_come_one_by_one(void **state)
{
	static char value[FIXTURE_MESSAGE_BYTES_MAX - 200];
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;

	memset(value, 'v', sizeof value - 1);
	for (const char *key = "abc"; *key; key++)
		assert_int_equal(fixture_put(client, &table, key, value), STORE_OK);
	store_cursor_begin(&cursor, &(struct store_range){.handle = table});
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(store_cursor_next(&cursor, client, &row), STORE_OK);
		assert_int_equal(row.value.bytes, sizeof value - 1);
	}
	assert_int_equal(store_cursor_next(&cursor, client, &row), STORE_NOT_FOUND);
	store_cursor_end(&cursor);
}

/* ---- ranges ---- */

static void a_scan_gives_all_rows_in_batches(void **state)
{
	struct store_range range = {.handle = table, .rows_first = 1, .rows_max = 64};
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;
	unsigned rows = 0;
	char key[16];

	fill(1000);
	for (unsigned backward = 0; backward < 2; backward++) {
		range.flags = backward ? STORE_BACKWARD : 0;
		store_cursor_begin(&cursor, &range);
		for (rows = 0; !store_cursor_next(&cursor, client, &row); rows++) {
			snprintf(key, sizeof key, "k%05u", backward ? 999 - rows : rows);
			assert_memory_equal(row.key.data, key, 6);
		}
		assert_int_equal(rows, 1000);
	}
	store_cursor_end(&cursor);
}

static void bounds_are_of_bytes_and_the_upper_one_is_not_part(void **state)
{
	struct store_range range = {.handle = table};

	fixture_put(client, &table, "a", "1");
	fixture_put(client, &table, "b", "2");
	fixture_put(client, &table, "bb", "3");
	commit();
	fixture_put(client, &table, "ba", "4");
	fixture_delete(client, &table, "bb");
	assert_string_equal(fixture_scan(client, &range), "a=1 b=2 ba=4");
	range.upper = text_bytes("ba");
	range.rows_max = 1;
	range.flags = STORE_BACKWARD;
	assert_string_equal(fixture_scan(client, &range), "b=2 a=1");
	range.lower = text_bytes("b");
	range.flags = 0;
	assert_string_equal(fixture_scan(client, &range), "b=2");
	range.lower = text_bytes("c");
	assert_string_equal(fixture_scan(client, &range), "");
}

/* An entry of an index: of `key`, to the row `row`. */
static void put_entry(const char *key, const char *row)
{
	struct store_batch batch = {.data = NULL};
	const uint32_t bytes = (uint32_t)strlen(row);
	char value[64];

	memcpy(value, &bytes, sizeof bytes);
	// NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes, not text
	memcpy(value + sizeof bytes, row, bytes);
	store_batch_begin(&batch, client, &table);
	store_batch_put(&batch, 1, text_bytes(key),
		(struct store_bytes){.data = value, .bytes = sizeof bytes + bytes});
	assert_int_equal(store_client_write(client, &batch, 0, NULL), STORE_OK);
	store_batch_end(&batch);
}

static void a_scan_of_an_index_brings_the_rows(void **state)
{
	struct store_range range = {.handle = table, .space = 1};

	fixture_put(client, &table, "row1", "one");
	fixture_put(client, &table, "row2", "two");
	put_entry("x", "row2");
	put_entry("y", "row1");
	put_entry("z", "row3");
	for (unsigned is_committed = 0; is_committed < 2; is_committed++) {
		range.flags = STORE_WITH_ROWS;
		assert_string_equal(fixture_scan(client, &range), "x=two y=one");
		range.flags = STORE_WITH_ROWS | STORE_FRESH | STORE_BACKWARD;
		assert_string_equal(fixture_scan(client, &range), "y=one x=two");
		range.flags = STORE_WITH_ROWS | STORE_EXCLUSIVE | STORE_KEYS_ONLY;
		assert_string_equal(fixture_scan(client, &range), "x=two y=one");
		commit();
	}
}

static void a_batch_of_rows_keeps_to_its_bytes(void **state)
{
	struct store_range range = {.handle = table, .bytes_max = 200};
	const size_t text = 10 * strlen("k00000=v0 ") + 90 * strlen("k00000=v00 ") - 1;

	fill(100);
	assert_int_equal(strlen(fixture_scan(client, &range)), text);
	range.bytes_max = 1;
	assert_int_equal(strlen(fixture_scan(client, &range)), text);
}

/* ---- counts ---- */

static void a_count_that_looks_far_enough_is_exact(void **state)
{
	bool is_exact;
	uint64_t rows;

	fill(500);
	assert_int_equal(store_client_count(client, &table, 0, text_bytes("k00100"),
				 text_bytes("k00200"), 1000, 0, &rows, &is_exact),
		STORE_OK);
	assert_true(is_exact);
	assert_int_equal(rows, 100);
	assert_int_equal(store_client_count(client, &table, 0, text_bytes(""), text_bytes(""), 10,
				 0, &rows, &is_exact),
		STORE_OK);
	assert_false(is_exact);
	assert_in_range(rows, 10, 500);
}

static void a_range_that_is_only_in_memory_is_not_taken_for_the_whole_table(void **state)
{
	uint64_t rows;
	bool is_exact;

	(void)state;
	fill(10000);
	assert_int_equal(store_client_count(client, &table, 0, text_bytes("k02000"),
				 text_bytes("k04000"), 16, 0, &rows, &is_exact),
		STORE_OK);
	assert_false(is_exact);
	assert_in_range(rows, 1000, 4000);
}

static void rows_are_counted_as_they_are_committed(void **state)
{
	struct store_table_numbers numbers;
	struct store_handle opened;

	fill(500);
	fixture_delete(client, &table, "k00000");
	fixture_put(client, &table, "k00001", "other");
	fixture_insert(client, &table, "new", "1");
	fixture_delete(client, &table, "new");
	commit();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(store_client_table_open(client, text_bytes("db/t"), &opened, NULL),
			STORE_OK);
		assert_int_equal(store_client_table_status(client, &opened, &numbers), STORE_OK);
		assert_int_equal(numbers.rows, 499);
		reopen();
	}
}

static void numbers_of_a_counter_are_given_once(void **state)
{
	struct store_handle opened;
	uint64_t first;

	assert_int_equal(store_client_counter(client, &table, 1, 1, 0, 10, &first), STORE_OK);
	assert_int_equal(first, 1);
	assert_int_equal(store_client_counter(client, &table, 0, 10, 3, 2, &first), STORE_OK);
	assert_int_equal(first, 13);
	assert_int_equal(store_client_counter(client, &table, 5000, 1, 0, 0, NULL), STORE_OK);
	reopen();
	assert_int_equal(
		store_client_table_open(client, text_bytes("db/t"), &opened, NULL), STORE_OK);
	assert_int_equal(store_client_counter(client, &opened, 1, 1, 0, 1, &first), STORE_OK);
	assert_int_equal(first, 5000);
	assert_int_equal(
		store_client_counter(client, &opened, UINT64_MAX, 7, 0, 2, &first), STORE_TOO_BIG);
	assert_int_equal(
		store_client_counter(client, &opened, 0, 1, 0, UINT64_MAX, &first), STORE_TOO_BIG);
	assert_int_equal(store_client_counter(client, &opened, 0, 1, 0, 1, &first), STORE_OK);
	assert_int_equal(first, 5001);
}

/* ---- for the operator ---- */

static void a_checkpoint_is_made_once_under_a_name(void **state)
{
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	commit();
	assert_int_equal(store_client_checkpoint(client, text_bytes("monday")), STORE_OK);
	assert_int_equal(store_client_checkpoint(client, text_bytes("monday")), STORE_EXISTS);
	assert_int_equal(store_client_checkpoint(client, text_bytes("../x")), -ECONNRESET);
}

static void the_status_is_lines_of_text(void **state)
{
	struct store_bytes text;

	assert_int_equal(store_client_status(client, &text), STORE_OK);
	assert_non_null(memmem(text.data, text.bytes, "tables: 1\n", 10));
	assert_non_null(memmem(text.data, text.bytes, "read-only: 0\n", 13));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_table_is_found_under_its_name_with_its_metadata),
		TEST(a_name_is_of_one_table),
		TEST(a_table_that_is_renamed_keeps_its_rows),
		TEST(a_table_that_is_dropped_is_gone_and_its_name_is_free),
		TEST(a_truncated_table_is_empty_under_another_generation),
		TEST(metadata_is_replaced_and_tables_are_listed_by_prefix),
		TEST(what_is_committed_is_there_after_the_module_starts_anew),
		TEST(a_transaction_sees_what_it_has_written),
		TEST(an_insert_finds_its_key),
		TEST(a_batch_is_written_whole_or_not_at_all),
		TEST(a_transaction_is_no_bigger_than_configured),
		TEST(a_key_is_no_longer_than_the_protocol_says),
		TEST(rows_that_fill_a_message_come_one_by_one),
		TEST(a_scan_gives_all_rows_in_batches),
		TEST(bounds_are_of_bytes_and_the_upper_one_is_not_part),
		TEST(a_scan_of_an_index_brings_the_rows),
		TEST(a_batch_of_rows_keeps_to_its_bytes),
		TEST(a_count_that_looks_far_enough_is_exact),
		TEST(a_range_that_is_only_in_memory_is_not_taken_for_the_whole_table),
		TEST(rows_are_counted_as_they_are_committed),
		TEST(numbers_of_a_counter_are_given_once),
		TEST(a_checkpoint_is_made_once_under_a_name),
		TEST(the_status_is_lines_of_text),
		TEST(a_scan_goes_on_in_files_that_are_cold),
		TEST(what_is_cold_is_read_where_it_may_wait),
		TEST(what_was_dropped_is_given_back_to_the_device),
		TEST(after_an_io_error_nothing_is_written_but_all_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
