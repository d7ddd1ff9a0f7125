/* Requests whose answers are not waited for. */
#include "two_clients.h"

static int post_put(struct store_client *of, const char *key, const char *value, uint32_t savepoint)
{
	struct store_batch batch = {.data = NULL};
	int result;

	assert_int_equal(store_batch_begin(&batch, of, &table), 0);
	assert_int_equal(store_batch_put(&batch, 0, text_bytes(key), text_bytes(value)), 0);
	batch.savepoint = savepoint;
	result = store_client_post_write(of, &batch);
	store_batch_end(&batch);
	return result;
}

static void a_posted_write_is_of_the_transaction(void **state)
{
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(post_put(client, "a", "posted", 0), 0);
	assert_string_equal(fixture_get(client, &table, "a", 0), "posted");
	assert_null(fixture_get(other, &table, "a", STORE_FRESH));
	commit(client);
	assert_string_equal(fixture_get(other, &table, "a", STORE_FRESH), "posted");
	assert_false(store_client_is_failed(client));
}

static void a_posted_write_that_fails_takes_the_transaction_with_it(void **state)
{
	assert_int_equal(fixture_put(other, &table, "locked", "theirs"), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "before", "ours"), STORE_OK);
	assert_int_equal(post_put(client, "locked", "ours", 0), 0);
	assert_int_equal(post_put(client, "after", "ours", 0), 0);
	assert_int_equal(store_client_commit(client, true), STORE_LOCK_TIMEOUT);
	assert_string_not_equal(store_client_text(client), "");
	assert_null(fixture_get(client, &table, "before", STORE_FRESH));
	assert_null(fixture_get(client, &table, "after", STORE_FRESH));
	/* Its locks are given up, too. */
	assert_int_equal(fixture_put(other, &table, "before", "theirs"), STORE_OK);
	assert_int_equal(fixture_put(other, &table, "after", "theirs"), STORE_OK);
}

static void after_a_posted_write_has_failed_only_a_rollback_helps(void **state)
{
	assert_int_equal(fixture_put(other, &table, "locked", "theirs"), STORE_OK);
	assert_int_equal(post_put(client, "locked", "ours", 0), 0);
	assert_int_equal(fixture_put(client, &table, "after", "ours"), STORE_LOCK_TIMEOUT);
	assert_true(store_client_is_failed(client));
	assert_int_equal(store_client_snapshot(client), STORE_LOCK_TIMEOUT);
	assert_int_equal(store_client_rollback(client), STORE_OK);
	assert_false(store_client_is_failed(client));
	assert_int_equal(fixture_put(client, &table, "after", "ours"), STORE_OK);
}

static void a_write_sets_its_savepoint_unless_it_fails(void **state)
{
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(post_put(client, "a", "2", 7), 0);
	assert_int_equal(store_client_savepoint_rollback(client, 7), STORE_OK);
	assert_string_equal(fixture_get(client, &table, "a", 0), "1");
	assert_int_equal(fixture_put(other, &table, "locked", "theirs"), STORE_OK);
	assert_int_equal(post_put(client, "locked", "ours", 8), 0);
	assert_int_equal(store_client_rollback(client), STORE_OK);
	assert_int_equal(store_client_savepoint_rollback(client, 8), STORE_NOT_FOUND);
}

static void the_end_of_a_transaction_that_has_read_is_posted(void **state)
{
	put_committed("a", "1");
	assert_string_equal(fixture_get(client, &table, "a", 0), "1");
	assert_int_equal(fixture_put(other, &table, "a", "2"), STORE_OK);
	commit(other);
	assert_string_equal(fixture_get(client, &table, "a", 0), "1");
	assert_int_equal(store_client_post_commit(client), 0);
	assert_string_equal(fixture_get(client, &table, "a", 0), "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWO_CLIENTS_TEST(a_posted_write_is_of_the_transaction),
		TWO_CLIENTS_TEST(a_posted_write_that_fails_takes_the_transaction_with_it),
		TWO_CLIENTS_TEST(after_a_posted_write_has_failed_only_a_rollback_helps),
		TWO_CLIENTS_TEST(a_write_sets_its_savepoint_unless_it_fails),
		TWO_CLIENTS_TEST(the_end_of_a_transaction_that_has_read_is_posted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
