/* Requests to the storage module that hold together, and ask for what is somebody else's, or for more than there is. */
#include "../cmocka_all.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store_fixture.h"

#define GUESSES 1000u

static struct store_client *attacker, *victim;
static struct store_handle table;

static int set_up(void **state)
{
	fixture_directory_create();
	fixture_open();
	attacker = fixture_connect();
	victim = fixture_connect();
	table = fixture_table(victim, "t", 2);
	fixture_begin_session();
	return 0;
}

static int tear_down(void **state)
{
	fixture_end_session();
	store_client_close(attacker);
	store_client_close(victim);
	fixture_close();
	fixture_directory_remove();
	return 0;
}

static enum module_result ask(const void *request, size_t bytes)
{
	return fixture_ask(request, bytes, true);
}

/* ---- what is another's ---- */

static void the_transaction_of_another_connection_cannot_be_ended(void **state)
{
	assert_int_equal(fixture_put(victim, &table, "key", "1"), STORE_OK);
	assert_int_equal(store_client_savepoint(victim, 7), STORE_OK);
	assert_int_equal(store_client_savepoint_rollback(attacker, 7), STORE_NOT_FOUND);
	assert_int_equal(store_client_savepoint_release(attacker, 7), STORE_NOT_FOUND);
	assert_int_equal(store_client_rollback(attacker), STORE_OK);
	assert_int_equal(store_client_commit(attacker, true), STORE_OK);
	assert_null(fixture_get(attacker, &table, "key", 0));
	assert_string_equal(fixture_get(victim, &table, "key", 0), "1");
	assert_int_equal(store_client_commit(victim, true), STORE_OK);
	assert_string_equal(fixture_get(attacker, &table, "key", STORE_FRESH), "1");
}

static void an_unprepared_transaction_has_no_name_to_end_it_by(void **state)
{
	assert_int_equal(fixture_put(victim, &table, "key", "1"), STORE_OK);
	assert_int_equal(store_client_commit_xid(attacker, text_bytes("x"), true), STORE_NOT_FOUND);
	assert_int_equal(store_client_rollback_xid(attacker, text_bytes("x")), STORE_NOT_FOUND);
	assert_string_equal(fixture_get(victim, &table, "key", 0), "1");
}

static void tables_that_are_guessed_are_stale(void **state)
{
	struct store_handle guess = table;

	for (uint32_t i = 1; i < GUESSES; i++) {
		guess.table = table.table + i * 7919;
		assert_int_equal(store_client_get(attacker, &guess, 0, text_bytes("key"), 0, NULL),
			STORE_STALE);
	}
	guess = table;
	guess.generation++;
	assert_int_equal(
		store_client_get(attacker, &guess, 0, text_bytes("key"), 0, NULL), STORE_STALE);
}

/* ---- too long ---- */

static void lengths_that_add_up_to_nothing_end_the_connection(void **state)
{
	struct {
		struct store_scan scan;
		char bounds[8];
	} request = {.scan = {.table = {.request = {.operation = STORE_SCAN},
				      .table = table.table,
				      .generation = table.generation},
			     .lower_bytes = UINT32_MAX - 3,
			     .upper_bytes = 12}};

	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
	request.scan.lower_bytes = 9;
	request.scan.upper_bytes = (uint32_t)-1;
	assert_int_equal(ask(&request, sizeof request), MODULE_HANG_UP);
}

static void a_transactions_name_is_no_longer_than_the_protocol_says(void **state)
{
	struct {
		struct store_xid xid;
		char name[STORE_XID_BYTES_MAX + 1];
	} request = {.xid = {.request = {.operation = STORE_PREPARE}}};
	const enum store_operation operations[] = {
		STORE_PREPARE, STORE_COMMIT_XID, STORE_ROLLBACK_XID};

	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		request.xid.request.operation = (uint16_t)operations[i];
		request.xid.xid_bytes = STORE_XID_BYTES_MAX + 1;
		assert_int_equal(
			ask(&request, sizeof request.xid + request.xid.xid_bytes), MODULE_HANG_UP);
		request.xid.xid_bytes = 0;
		assert_int_equal(ask(&request, sizeof request.xid), MODULE_HANG_UP);
	}
}

static void a_table_has_no_more_spaces_than_the_protocol_says(void **state)
{
	const uint32_t counts[] = {0, STORE_SPACES_MAX + 1, UINT32_MAX};
	struct store_handle made;

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
		assert_int_not_equal(store_client_table_create(attacker, text_bytes("u"),
					     text_bytes(""), counts[i], 1, &made),
			STORE_OK);
	store_client_close(attacker);
	attacker = fixture_connect();
	assert_int_equal(
		store_client_table_open(attacker, text_bytes("u"), &made, NULL), STORE_NOT_FOUND);
}

/* ---- too many ---- */

static void numbers_of_a_counter_do_not_begin_again(void **state)
{
	uint64_t first;

	assert_int_equal(
		store_client_counter(attacker, &table, UINT64_MAX, 1, 0, 2, &first), STORE_TOO_BIG);
	assert_int_equal(
		store_client_counter(attacker, &table, 1, UINT64_MAX, 0, UINT64_MAX, &first),
		STORE_TOO_BIG);
	assert_int_equal(
		store_client_counter(attacker, &table, 1, 0, UINT64_MAX, 1, &first), STORE_OK);
	assert_int_equal(store_client_counter(victim, &table, 1, 1, 0, 1, &first), STORE_OK);
}

static void savepoints_have_an_end(void **state)
{
	uint32_t number = 1;
	int result = STORE_OK;

	while (result == STORE_OK && number <= STORE_SAVEPOINTS_MAX + 1)
		result = store_client_savepoint(attacker, number++);
	assert_int_not_equal(result, STORE_OK);
	assert_int_equal(fixture_put(victim, &table, "key", "1"), STORE_OK);
}

/* ---- files ---- */

static unsigned entries_of(const char *directory)
{
	DIR *entries = opendir(directory);
	unsigned count = 0;

	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

static void a_checkpoint_is_nowhere_else(void **state)
{
	static const char *const names[] = {
		"../elsewhere", "..", ".", "", "/tmp/sluice-checkpoint", "a/b", ".hidden"};
	char long_name[300];
	const unsigned before = entries_of(fixture_directory());

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		assert_int_not_equal(
			store_client_checkpoint(attacker, text_bytes(names[i])), STORE_OK);
		store_client_close(attacker);
		attacker = fixture_connect();
	}
	assert_int_not_equal(
		store_client_checkpoint(attacker, (struct store_bytes){"a\0b", 3}), STORE_OK);
	store_client_close(attacker);
	attacker = fixture_connect();
	memset(long_name, 'a', sizeof long_name);
	assert_int_not_equal(store_client_checkpoint(
				     attacker, (struct store_bytes){long_name, sizeof long_name}),
		STORE_OK);
	assert_in_range(entries_of(fixture_directory()), before, before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(the_transaction_of_another_connection_cannot_be_ended),
		TEST(an_unprepared_transaction_has_no_name_to_end_it_by),
		TEST(tables_that_are_guessed_are_stale),
		TEST(lengths_that_add_up_to_nothing_end_the_connection),
		TEST(a_transactions_name_is_no_longer_than_the_protocol_says),
		TEST(a_table_has_no_more_spaces_than_the_protocol_says),
		TEST(numbers_of_a_counter_do_not_begin_again),
		TEST(savepoints_have_an_end),
		TEST(a_checkpoint_is_nowhere_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
