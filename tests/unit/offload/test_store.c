/* The storage module, through its client library: tables, rows, ranges, transactions. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_table_is_found_under_its_name_with_its_metadata),
		TEST(what_is_committed_is_there_after_the_module_starts_anew),
		TEST(a_transaction_sees_what_it_has_written),
		TEST(an_insert_finds_its_key),
		TEST(a_scan_gives_all_rows_in_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
