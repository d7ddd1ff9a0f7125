/* The storage module, through its client library: rows, ranges, counts. */
#include "one_table.h"

#include <stdio.h>

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

static void a_scan_can_be_filled_before_it_is_read(void **state)
{
	struct store_range range = {.handle = table, .rows_first = 8};
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;

	fill(20);
	store_cursor_begin(&cursor, &range);
	assert_int_equal(store_cursor_fill(&cursor, client), STORE_OK);
	assert_int_equal(store_cursor_fill(&cursor, client), STORE_OK);
	assert_int_equal(cursor.left, 8);
	assert_false(cursor.is_end);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(store_cursor_next(&cursor, client, &row), STORE_OK);
	assert_memory_equal(row.key.data, "k00007", 6);
	assert_int_equal(store_cursor_fill(&cursor, client), STORE_OK);
	assert_int_equal(cursor.left, 12);
	assert_true(cursor.is_end);
	store_cursor_end(&cursor);
}

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
	assert_int_equal(store_client_counter(client, &table, 0, 1, 0, 1, &first), STORE_OK);
	assert_int_equal(first, 33); /* a step behind the last of them, 23 */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE_TABLE_TEST(a_transaction_sees_what_it_has_written),
		ONE_TABLE_TEST(an_insert_finds_its_key),
		ONE_TABLE_TEST(a_batch_is_written_whole_or_not_at_all),
		ONE_TABLE_TEST(a_transaction_is_no_bigger_than_configured),
		ONE_TABLE_TEST(a_key_is_no_longer_than_the_protocol_says),
		ONE_TABLE_TEST(rows_that_fill_a_message_come_one_by_one),
		ONE_TABLE_TEST(a_scan_can_be_filled_before_it_is_read),
		ONE_TABLE_TEST(a_scan_gives_all_rows_in_batches),
		ONE_TABLE_TEST(bounds_are_of_bytes_and_the_upper_one_is_not_part),
		ONE_TABLE_TEST(a_scan_of_an_index_brings_the_rows),
		ONE_TABLE_TEST(a_batch_of_rows_keeps_to_its_bytes),
		ONE_TABLE_TEST(a_count_that_looks_far_enough_is_exact),
		ONE_TABLE_TEST(a_range_that_is_only_in_memory_is_not_taken_for_the_whole_table),
		ONE_TABLE_TEST(rows_are_counted_as_they_are_committed),
		ONE_TABLE_TEST(numbers_of_a_counter_are_given_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
