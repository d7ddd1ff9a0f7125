/* Transactions that are prepared: they are nobody's, with their locks, until somebody ends them. */
#include "two_clients.h"

static unsigned prepared_count(void)
{
	struct store_list list;
	struct store_bytes xid;
	unsigned count = 0;

	assert_int_equal(store_client_recover(client, &list), STORE_OK);
	while (store_list_next(&list, &xid))
		count++;
	return count;
}

static void a_prepared_transaction_belongs_to_nobody_until_it_is_committed(void **state)
{
	assert_int_equal(fixture_put(other, &table, "a", "1"), STORE_OK);
	assert_int_equal(store_client_prepare(other, text_bytes("xid")), STORE_OK);
	assert_null(fixture_get(other, &table, "a", 0));
	assert_int_equal(fixture_put(other, &table, "a", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_put(other, &table, "b", "2"), STORE_OK);
	assert_int_equal(store_client_prepare(other, text_bytes("xid")), STORE_EXISTS);
	assert_int_equal(
		store_client_commit_xid(client, text_bytes("other"), true), STORE_NOT_FOUND);
	assert_int_equal(store_client_commit_xid(client, text_bytes("xid"), true), STORE_OK);
	assert_int_equal(prepared_count(), 0);
	assert_string_equal(fixture_get(client, &table, "a", 0), "1");
}

static void a_prepared_transaction_outlives_the_module_with_its_locks(void **state)
{
	put_committed("b", "0");
	assert_int_equal(fixture_put(other, &table, "a", "1"), STORE_OK);
	assert_int_equal(fixture_delete(other, &table, "b"), STORE_OK);
	assert_int_equal(store_client_prepare(other, text_bytes("first")), STORE_OK);
	assert_int_equal(fixture_put(other, &table, "c", "1"), STORE_OK);
	assert_int_equal(store_client_prepare(other, text_bytes("second")), STORE_OK);
	reopen();
	assert_int_equal(prepared_count(), 2);
	assert_int_equal(fixture_put(client, &table, "a", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(store_client_commit_xid(client, text_bytes("first"), true), STORE_OK);
	assert_int_equal(store_client_rollback_xid(client, text_bytes("second")), STORE_OK);
	reopen();
	assert_int_equal(prepared_count(), 0);
	assert_string_equal(fixture_scan(client, &(struct store_range){.handle = table}), "a=1");
	assert_int_equal(fixture_put(client, &table, "c", "2"), STORE_OK);
}

/* By which one tells that a table is empty only for who looks now. */
static void what_is_prepared_is_in_the_way_of_who_locks_the_whole_table(void **state)
{
	struct store_range range = {
		.handle = table, .flags = STORE_SHARED | STORE_RANGE | STORE_NO_WAIT};

	assert_int_equal(fixture_put(other, &table, "a", "1"), STORE_OK);
	assert_int_equal(store_client_prepare(other, text_bytes("xid")), STORE_OK);
	for (unsigned start = 0; start < 2; start++) {
		assert_string_equal(
			fixture_scan(client, &range), store_status_text(STORE_LOCK_TIMEOUT));
		reopen();
	}
	assert_int_equal(store_client_rollback_xid(client, text_bytes("xid")), STORE_OK);
	assert_string_equal(fixture_scan(client, &range), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWO_CLIENTS_TEST(a_prepared_transaction_belongs_to_nobody_until_it_is_committed),
		TWO_CLIENTS_TEST(a_prepared_transaction_outlives_the_module_with_its_locks),
		TWO_CLIENTS_TEST(what_is_prepared_is_in_the_way_of_who_locks_the_whole_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
