/* Requests to the storage module that do not hold together, and what it does where it may not wait. */
#include "../cmocka_all.h"

#include <stdlib.h>

#include "store_fixture.h"

static struct store_client *client;
static struct store_handle table;

static int set_up(void **state)
{
	fixture_directory_create();
	fixture_open();
	client = fixture_connect();
	table = fixture_table(client, "t", 2);
	fixture_begin_session();
	return 0;
}

static int tear_down(void **state)
{
	fixture_end_session();
	store_client_close(client);
	fixture_close();
	fixture_directory_remove();
	return 0;
}

static enum module_result ask(const void *request, size_t bytes)
{
	return fixture_ask(request, bytes, true);
}

static unsigned status(void)
{
	struct store_reply head;

	assert_true(fixture_reply.bytes >= sizeof head);
	memcpy(&head, fixture_reply.data, sizeof head);
	return head.status;
}

static struct store_table of_table(enum store_operation operation)
{
	return (struct store_table){.request = {.operation = (uint16_t)operation},
		.table = table.table,
		.generation = table.generation};
}

static void a_request_that_is_cut_off_ends_the_connection(void **state)
{
	struct {
		struct store_get get;
		char key[4];
	} request = {.get = {.table = of_table(STORE_GET), .key_bytes = 4}, .key = "key"};

	for (size_t bytes = 0; bytes < sizeof request; bytes++)
		assert_int_equal(ask(&request, bytes), MODULE_HANG_UP);
	assert_int_equal(ask(&request, sizeof request), MODULE_DONE);
	assert_int_equal(status(), STORE_NOT_FOUND);
	request.get.key_bytes = 3;
	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
	request.get.key_bytes = UINT32_MAX;
	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
}

static void a_space_that_a_table_does_not_have_ends_the_connection(void **state)
{
	struct store_get get = {.table = of_table(STORE_GET), .space = 2};
	struct store_scan scan = {.table = of_table(STORE_SCAN), .space = 2};

	assert_int_equal(ask(&get, sizeof get), MODULE_HANG_UP);
	assert_int_equal(ask(&scan, sizeof scan), MODULE_HANG_UP);
}

static void an_unknown_operation_is_not_supported(void **state)
{
	struct store_request request = {.operation = STORE_OPERATIONS};

	assert_int_equal(ask(&request, sizeof request), MODULE_DONE);
	assert_int_equal(status(), STORE_UNSUPPORTED);
	request.operation = 0;
	assert_int_equal(ask(&request, sizeof request), MODULE_DONE);
	assert_int_equal(status(), STORE_UNSUPPORTED);
}

static void another_version_is_not_supported(void **state)
{
	const struct store_hello hello = {
		.request = {.operation = STORE_HELLO}, .version = STORE_PROTOCOL_VERSION + 1};

	assert_int_equal(ask(&hello, sizeof hello), MODULE_DONE);
	assert_int_equal(status(), STORE_UNSUPPORTED);
}

static void changes_that_do_not_add_up_change_nothing(void **state)
{
	struct {
		struct store_write write;
		struct store_change change;
		char key[4];
		struct store_change second;
	} request = {.write = {.table = of_table(STORE_WRITE), .change_count = 2},
		.change = {.kind = STORE_PUT, .key_bytes = 4},
		.key = "key",
		.second = {.kind = STORE_DELETE + 1}};

	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
	request.second = (struct store_change){.kind = STORE_PUT, .space = 2};
	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
	request.second = (struct store_change){.kind = STORE_PUT, .value_bytes = 1};
	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
	request.write.change_count = 1;
	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
	request.write.change_count = UINT32_MAX;
	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
	assert_int_equal(fixture_insert(client, &table, "key", "1"), STORE_OK);
}

static void savepoints_whose_numbers_do_not_grow_end_the_connection(void **state)
{
	struct store_savepoint savepoint = {.request = {.operation = STORE_SAVEPOINT}, .number = 5};

	assert_int_equal(ask(&savepoint, sizeof savepoint), MODULE_DONE);
	assert_int_equal(ask(&savepoint, sizeof savepoint), MODULE_HANG_UP);
}

/* ---- where it may not wait ---- */

static void what_would_wait_for_a_lock_has_changed_nothing(void **state)
{
	struct {
		struct store_write write;
		struct store_change first;
		char first_key[4];
		struct store_change second;
		char second_key[4];
	} request = {.write = {.table = of_table(STORE_WRITE), .change_count = 2},
		.first = {.kind = STORE_PUT, .key_bytes = 4},
		.first_key = "abc",
		.second = {.kind = STORE_PUT, .key_bytes = 4},
		.second_key = "xyz"};
	struct store_batch batch = {.data = NULL};

	request.write.table.request.lock_timeout_ms = 1;
	store_batch_begin(&batch, client, &table);
	store_batch_put(
		&batch, 0, (struct store_bytes){.data = "xyz", .bytes = 4}, text_bytes("1"));
	assert_int_equal(store_client_write(client, &batch, 0, NULL), STORE_OK);
	assert_int_equal(fixture_ask(&request, sizeof request, false), MODULE_WOULD_WAIT);
	store_batch_put(
		&batch, 0, (struct store_bytes){.data = "abc", .bytes = 4}, text_bytes("1"));
	assert_int_equal(store_client_write(client, &batch, 0, NULL), STORE_OK);
	store_batch_end(&batch);
}

static void what_must_be_durable_is_not_for_who_may_not_wait(void **state)
{
	const struct store_request commit = {.operation = STORE_COMMIT, .flags = STORE_SYNC};
	struct {
		struct store_write write;
		struct store_change change;
	} request = {.write = {.table = of_table(STORE_WRITE), .change_count = 1}};
	struct store_table truncate = of_table(STORE_TABLE_TRUNCATE);

	assert_int_equal(fixture_ask(&commit, sizeof commit, false), MODULE_DONE);
	assert_int_equal(fixture_ask(&request, sizeof request, false), MODULE_DONE);
	assert_int_equal(fixture_ask(&commit, sizeof commit, false), MODULE_WOULD_WAIT);
	assert_int_equal(fixture_ask(&truncate, sizeof truncate, false), MODULE_WOULD_WAIT);
	assert_int_equal(ask(&commit, sizeof commit), MODULE_DONE);
	assert_int_equal(status(), STORE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_request_that_is_cut_off_ends_the_connection),
		TEST(a_space_that_a_table_does_not_have_ends_the_connection),
		TEST(an_unknown_operation_is_not_supported),
		TEST(another_version_is_not_supported),
		TEST(changes_that_do_not_add_up_change_nothing),
		TEST(savepoints_whose_numbers_do_not_grow_end_the_connection),
		TEST(what_would_wait_for_a_lock_has_changed_nothing),
		TEST(what_must_be_durable_is_not_for_who_may_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
