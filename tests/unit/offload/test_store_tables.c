/* The storage module, through its client library: tables, which have names, metadata and generations, and outlive it. */
#include "one_table.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE_TABLE_TEST(a_table_is_found_under_its_name_with_its_metadata),
		ONE_TABLE_TEST(a_name_is_of_one_table),
		ONE_TABLE_TEST(a_table_that_is_renamed_keeps_its_rows),
		ONE_TABLE_TEST(a_table_that_is_dropped_is_gone_and_its_name_is_free),
		ONE_TABLE_TEST(a_truncated_table_is_empty_under_another_generation),
		ONE_TABLE_TEST(metadata_is_replaced_and_tables_are_listed_by_prefix),
		ONE_TABLE_TEST(what_is_committed_is_there_after_the_module_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
