/* What a locking scan with STORE_RANGE has read stays as it was: nobody inserts between its rows. */
#include "../cmocka_all.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "store_fixture.h"

#define WAIT_MS 20000u /* for what comes: far longer than it takes */
#define MANY_ROWS 500u

static struct store_client *client, *other;
static struct store_handle table;

static void connect_both(void)
{
	client = fixture_connect();
	other = fixture_connect();
}

static void disconnect_both(void)
{
	store_client_close(client);
	store_client_close(other);
}

static void put_committed(const char *key)
{
	assert_int_equal(fixture_put(client, &table, key, "1"), STORE_OK);
	assert_int_equal(store_client_commit(client, true), STORE_OK);
}

static int set_up(void **state)
{
	fixture_directory_create();
	fixture_open();
	connect_both();
	table = fixture_table(client, "t", 2);
	put_committed("c");
	put_committed("f");
	return 0;
}

static int tear_down(void **state)
{
	disconnect_both();
	fixture_close();
	fixture_directory_remove();
	return 0;
}

static struct store_range range_of(const char *lower, const char *upper, unsigned flags)
{
	return (struct store_range){.handle = table,
		.lower = text_bytes(lower),
		.upper = text_bytes(upper),
		.flags = flags | STORE_RANGE};
}

static const char *scan(
	struct store_client *with, const char *lower, const char *upper, unsigned flags)
{
	const struct store_range range = range_of(lower, upper, flags);

	return fixture_scan(with, &range);
}

/* Read some rows, and no more. */
static void read_some(const struct store_range *range, unsigned count)
{
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;

	assert_int_equal(store_cursor_begin(&cursor, range), 0);
	while (count--)
		assert_int_equal(store_cursor_next(&cursor, client, &row), STORE_OK);
	store_cursor_end(&cursor);
}

static unsigned long status_number(const char *name)
{
	struct store_client *asking = fixture_connect();
	struct store_bytes text;
	unsigned long number = 0;
	char copy[4096], format[64];

	assert_int_equal(store_client_status(asking, &text), STORE_OK);
	snprintf(copy, sizeof copy, "%.*s", (int)text.bytes, (const char *)text.data);
	snprintf(format, sizeof format, "%s: %%lu", name);
	assert_int_equal(sscanf(strstr(copy, name), format, &number), 1);
	store_client_close(asking);
	return number;
}

/* In space 1. */
static void put_entry_of_c(void)
{
	const char entry[] = {1, 0, 0, 0, 'c'};
	struct store_batch batch = {.data = NULL};

	assert_int_equal(store_batch_begin(&batch, client, &table), 0);
	store_batch_put(&batch, 1, text_bytes("i"),
		(struct store_bytes){.data = entry, .bytes = sizeof entry});
	assert_int_equal(store_client_write(client, &batch, 0, NULL), STORE_OK);
	store_batch_end(&batch);
	assert_int_equal(store_client_commit(client, true), STORE_OK);
}

/* ---- what is protected ---- */

static void nobody_inserts_into_a_range_that_was_read(void **state)
{
	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_insert(other, &table, "b", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_put(other, &table, "g", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_delete(other, &table, "c"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_insert(other, &table, "a", "2"), STORE_OK);
	assert_int_equal(fixture_insert(other, &table, "h", "2"), STORE_OK);
	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	assert_int_equal(store_client_commit(client, true), STORE_OK);
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_OK);
}

static void a_range_where_nothing_is_stays_so(void **state)
{
	assert_string_equal(scan(client, "d", "e", STORE_SHARED), "");
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_insert(other, &table, "e", "2"), STORE_OK);
}

static void a_key_that_is_not_there_stays_so_if_it_was_looked_up_with_a_lock(void **state)
{
	assert_null(fixture_get(client, &table, "d", STORE_SHARED));
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_insert(other, &table, "dd", "2"), STORE_OK);
}

static void two_read_the_same_range_with_a_shared_lock(void **state)
{
	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	assert_string_equal(scan(other, "a", "d", STORE_SHARED), "c=1");
	assert_string_equal(
		scan(other, "a", "d", STORE_EXCLUSIVE), store_status_text(STORE_LOCK_TIMEOUT));
}

static void a_scan_locks_as_far_as_it_has_read(void **state)
{
	struct store_range range = range_of("", "", STORE_SHARED);

	range.rows_first = range.rows_max = 1;
	read_some(&range, 1);
	assert_int_equal(fixture_insert(other, &table, "a", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_insert(other, &table, "c0", "2"), STORE_OK);
}

static void a_scan_backward_locks_as_far_as_it_has_read(void **state)
{
	struct store_range range = range_of("", "", STORE_SHARED | STORE_BACKWARD);

	range.rows_first = range.rows_max = 1;
	read_some(&range, 1);
	assert_int_equal(fixture_insert(other, &table, "x", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_insert(other, &table, "e", "2"), STORE_OK);
}

static void a_scan_that_skips_rows_locks_no_range(void **state)
{
	assert_int_equal(fixture_put(other, &table, "c", "2"), STORE_OK);
	assert_string_equal(scan(client, "b", "h", STORE_EXCLUSIVE | STORE_SKIP_LOCKED), "f=1");
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_OK);
}

static void a_row_that_is_not_committed_keeps_readers_of_its_range_out(void **state)
{
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_OK);
	assert_string_equal(
		scan(client, "b", "h", STORE_SHARED), store_status_text(STORE_LOCK_TIMEOUT));
	assert_string_equal(scan(client, "d0", "h", STORE_SHARED), "f=1");
	assert_int_equal(store_client_commit(other, true), STORE_OK);
	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 d=2 f=1");
}

static void rows_of_an_index_are_locked_with_their_range(void **state)
{
	struct store_range range = {
		.handle = table, .space = 1, .flags = STORE_SHARED | STORE_RANGE | STORE_WITH_ROWS};

	put_entry_of_c();
	assert_string_equal(fixture_scan(client, &range), "i=1");
	assert_int_equal(fixture_put(other, &table, "c", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(fixture_put(other, &table, "d", "2"), STORE_OK);
}

/* ---- what it takes ---- */

static void a_scan_of_many_batches_is_one_interval_and_no_lock_of_a_row(void **state)
{
	struct store_batch batch = {.data = NULL};

	assert_int_equal(store_batch_begin(&batch, client, &table), 0);
	for (unsigned i = 0; i < MANY_ROWS; i++) {
		char key[16];

		snprintf(key, sizeof key, "m%05u", i);
		store_batch_put(&batch, 0, text_bytes(key), text_bytes("1"));
	}
	assert_int_equal(store_client_write(client, &batch, 0, NULL), STORE_OK);
	store_batch_end(&batch);
	assert_int_equal(store_client_commit(client, true), STORE_OK);
	for (unsigned backward = 0; backward < 2; backward++) {
		struct store_range range =
			range_of("m", "n", STORE_SHARED | (backward ? STORE_BACKWARD : 0));

		range.rows_first = 1;
		range.rows_max = 200;
		read_some(&range, MANY_ROWS);
		assert_int_equal(status_number("locks"), 0);
		assert_int_equal(status_number("locked intervals"), 1);
		assert_int_equal(store_client_commit(client, true), STORE_OK);
	}
}

static void a_transaction_has_no_more_intervals_than_it_may(void **state)
{
	char lower[16], upper[16], text[64] = "";

	disconnect_both();
	fixture_close();
	fixture_open_with("transaction_bytes_max", "64KiB");
	connect_both();
	for (unsigned i = 0; i < 10000 && !text[0]; i++) {
		snprintf(lower, sizeof lower, "x%08u", i);
		snprintf(upper, sizeof upper, "x%08u0", i);
		snprintf(text, sizeof text, "%s", scan(client, lower, upper, STORE_SHARED));
	}
	assert_string_equal(text, store_status_text(STORE_TOO_BIG));
	assert_int_equal(store_client_rollback(client), STORE_OK);
	assert_int_equal(status_number("locked intervals"), 0);
}

static void a_scan_that_fails_gives_its_interval_back(void **state)
{
	struct store_range range = {
		.handle = table, .space = 1, .flags = STORE_SHARED | STORE_RANGE | STORE_WITH_ROWS};

	put_entry_of_c();
	assert_int_equal(fixture_put(other, &table, "c", "2"), STORE_OK);
	assert_string_equal(fixture_scan(client, &range), store_status_text(STORE_LOCK_TIMEOUT));
	assert_int_equal(status_number("locked intervals"), 0);
}

/* ---- how long ---- */

static void a_range_stays_locked_when_a_savepoint_is_gone_back_to(void **state)
{
	assert_int_equal(store_client_savepoint(client, 1), STORE_OK);
	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	assert_int_equal(store_client_savepoint_rollback(client, 1), STORE_OK);
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(store_client_rollback(client), STORE_OK);
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_OK);
}

/* After that it reads and writes nothing more: who inserts then comes after it in any order. */
static void a_prepared_transaction_keeps_its_range_while_the_module_runs(void **state)
{
	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	assert_int_equal(fixture_insert(client, &table, "e", "2"), STORE_OK);
	assert_int_equal(store_client_prepare(client, text_bytes("xid")), STORE_OK);
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_LOCK_TIMEOUT);
	disconnect_both();
	fixture_close();
	fixture_open();
	connect_both();
	assert_int_equal(store_client_table_open(client, text_bytes("t"), &table, NULL), STORE_OK);
	assert_int_equal(fixture_insert(other, &table, "d", "2"), STORE_OK);
	assert_int_equal(fixture_insert(other, &table, "e", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(store_client_commit_xid(client, text_bytes("xid"), true), STORE_OK);
	assert_string_equal(fixture_get(client, &table, "e", 0), "2");
}

/* ---- waiting ---- */

struct insert {
	pthread_t thread;
	int status;
};

static void *insert_and_wait(void *context)
{
	struct insert *insert = context;

	store_client_set_lock_timeout(other, WAIT_MS);
	insert->status = fixture_insert(other, &table, "d", "2");
	return NULL;
}

static void begin_insert(struct insert *insert)
{
	const unsigned long before = status_number("lock waits");

	assert_int_equal(pthread_create(&insert->thread, NULL, insert_and_wait, insert), 0);
	while (status_number("lock waits") == before)
		sched_yield();
}

static int end_insert(struct insert *insert)
{
	pthread_join(insert->thread, NULL);
	return insert->status;
}

static void an_insert_waits_for_the_end_of_who_has_read(void **state)
{
	struct insert insert;

	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	begin_insert(&insert);
	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	assert_int_equal(store_client_commit(client, true), STORE_OK);
	assert_int_equal(end_insert(&insert), STORE_OK);
}

static void an_insert_that_waits_is_cancelled(void **state)
{
	struct insert insert;

	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	begin_insert(&insert);
	assert_int_equal(store_client_cancel(client, store_client_cancel_key(other)), STORE_OK);
	assert_int_equal(end_insert(&insert), STORE_CANCELLED);
}

static void two_that_read_a_range_and_insert_into_it_are_a_deadlock(void **state)
{
	struct insert insert;

	assert_string_equal(scan(client, "b", "h", STORE_SHARED), "c=1 f=1");
	assert_string_equal(scan(other, "b", "h", STORE_SHARED), "c=1 f=1");
	begin_insert(&insert);
	store_client_set_lock_timeout(client, WAIT_MS);
	assert_int_equal(fixture_insert(client, &table, "e", "1"), STORE_DEADLOCK);
	assert_int_equal(end_insert(&insert), STORE_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_inserts_into_a_range_that_was_read),
		TEST(a_range_where_nothing_is_stays_so),
		TEST(a_key_that_is_not_there_stays_so_if_it_was_looked_up_with_a_lock),
		TEST(two_read_the_same_range_with_a_shared_lock),
		TEST(a_scan_locks_as_far_as_it_has_read),
		TEST(a_scan_backward_locks_as_far_as_it_has_read),
		TEST(a_scan_that_skips_rows_locks_no_range),
		TEST(a_row_that_is_not_committed_keeps_readers_of_its_range_out),
		TEST(rows_of_an_index_are_locked_with_their_range),
		TEST(a_scan_of_many_batches_is_one_interval_and_no_lock_of_a_row),
		TEST(a_transaction_has_no_more_intervals_than_it_may),
		TEST(a_scan_that_fails_gives_its_interval_back),
		TEST(a_range_stays_locked_when_a_savepoint_is_gone_back_to),
		TEST(a_prepared_transaction_keeps_its_range_while_the_module_runs),
		TEST(an_insert_waits_for_the_end_of_who_has_read),
		TEST(an_insert_that_waits_is_cancelled),
		TEST(two_that_read_a_range_and_insert_into_it_are_a_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
