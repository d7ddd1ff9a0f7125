/* Transactions of several clients of the storage module at once. */
#include "two_clients.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 20000u /* for what comes: far longer than it takes */

/* ---- a client on a thread of its own, which waits for a lock ---- */

struct waiting {
	pthread_t thread;
	struct store_client *client;
	const char *key;
	int status;
};

static void *put_and_wait(void *context)
{
	struct waiting *waiting = context;

	waiting->status = fixture_put(waiting->client, &table, waiting->key, "theirs");
	return NULL;
}

static unsigned long lock_waits(void)
{
	struct store_client *asking = fixture_connect();
	struct store_bytes text;
	unsigned long waits = 0;
	char copy[4096];

	assert_int_equal(store_client_status(asking, &text), STORE_OK);
	snprintf(copy, sizeof copy, "%.*s", (int)text.bytes, (const char *)text.data);
	assert_int_equal(sscanf(strstr(copy, "lock waits: "), "lock waits: %lu", &waits), 1);
	store_client_close(asking);
	return waits;
}

static void begin_waiting(struct waiting *waiting, struct store_client *with, const char *key)
{
	const unsigned long before = lock_waits();

	*waiting = (struct waiting){.client = with, .key = key};
	store_client_set_lock_timeout(with, WAIT_MS);
	assert_int_equal(pthread_create(&waiting->thread, NULL, put_and_wait, waiting), 0);
	while (lock_waits() == before)
		sched_yield();
}

/* Returns what became of it. */
static int end_waiting(struct waiting *waiting)
{
	pthread_join(waiting->thread, NULL);
	return waiting->status;
}

/* ---- locks ---- */

static void a_lock_that_is_taken_is_refused_after_its_time(void **state)
{
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(fixture_put(other, &table, "a", "2"), STORE_LOCK_TIMEOUT);
	store_client_set_lock_timeout(other, 1);
	assert_int_equal(fixture_put(other, &table, "a", "2"), STORE_LOCK_TIMEOUT);
	assert_int_equal(store_client_get(other, &table, 0, text_bytes("a"),
				 STORE_EXCLUSIVE | STORE_NO_WAIT, NULL),
		STORE_LOCK_TIMEOUT);
	assert_null(fixture_get(other, &table, "a", 0));
}

static void who_waits_for_a_lock_gets_it_when_its_owner_ends(void **state)
{
	struct waiting waiting;

	assert_int_equal(fixture_put(client, &table, "a", "ours"), STORE_OK);
	begin_waiting(&waiting, other, "a");
	commit(client);
	pthread_join(waiting.thread, NULL);
	assert_int_equal(waiting.status, STORE_OK);
	commit(other);
	assert_string_equal(fixture_get(client, &table, "a", STORE_FRESH), "theirs");
}

static void who_waits_for_a_lock_is_cancelled_by_its_key_and_keeps_what_it_had(void **state)
{
	struct waiting waiting;

	assert_int_equal(fixture_put(client, &table, "a", "mine"), STORE_OK);
	assert_int_equal(fixture_put(other, &table, "b", "theirs"), STORE_OK);
	begin_waiting(&waiting, other, "a");
	assert_int_equal(store_client_cancel(client, store_client_cancel_key(other)), STORE_OK);
	assert_int_equal(end_waiting(&waiting), STORE_CANCELLED);
	assert_int_equal(store_client_cancel(other, 0), STORE_OK);
	assert_int_equal(store_client_commit(other, true), STORE_OK);
	assert_string_equal(fixture_get(client, &table, "b", STORE_FRESH), "theirs");
	begin_waiting(&waiting, other, "a");
	assert_int_equal(store_client_commit(client, true), STORE_OK);
	assert_int_equal(end_waiting(&waiting), STORE_OK);
}

static void a_key_that_nobody_has_cancels_nothing(void **state)
{
	const uint64_t guess = store_client_cancel_key(other) ^ 1;

	assert_int_equal(store_client_cancel(client, guess), STORE_NOT_FOUND);
	assert_int_equal(fixture_put(other, &table, "a", "1"), STORE_OK);
}

static void of_two_that_wait_for_each_other_one_is_rolled_back(void **state)
{
	struct waiting waiting;

	assert_int_equal(fixture_put(client, &table, "a", "ours"), STORE_OK);
	assert_int_equal(fixture_put(other, &table, "b", "theirs"), STORE_OK);
	begin_waiting(&waiting, other, "a");
	store_client_set_lock_timeout(client, WAIT_MS);
	assert_int_equal(fixture_put(client, &table, "b", "ours"), STORE_DEADLOCK);
	pthread_join(waiting.thread, NULL);
	assert_int_equal(waiting.status, STORE_OK);
	commit(other);
	commit(client);
	assert_string_equal(fixture_get(client, &table, "a", STORE_FRESH), "theirs");
	assert_string_equal(fixture_get(client, &table, "b", STORE_FRESH), "theirs");
}

static void two_that_share_a_lock_and_both_want_it_alone_are_a_deadlock(void **state)
{
	struct waiting waiting;

	put_committed("a", "1");
	assert_string_equal(fixture_get(client, &table, "a", STORE_SHARED), "1");
	assert_string_equal(fixture_get(other, &table, "a", STORE_SHARED), "1");
	begin_waiting(&waiting, other, "a");
	store_client_set_lock_timeout(client, WAIT_MS);
	assert_int_equal(fixture_put(client, &table, "a", "ours"), STORE_DEADLOCK);
	pthread_join(waiting.thread, NULL);
	assert_int_equal(waiting.status, STORE_OK);
}

static void a_locked_read_sees_what_is_committed_last(void **state)
{
	put_committed("a", "1");
	assert_string_equal(fixture_get(other, &table, "a", 0), "1");
	put_committed("a", "2");
	assert_string_equal(fixture_get(other, &table, "a", 0), "1");
	assert_string_equal(fixture_get(other, &table, "a", STORE_EXCLUSIVE), "2");
	assert_int_equal(fixture_put(client, &table, "a", "3"), STORE_LOCK_TIMEOUT);
}

static void a_lock_is_had_of_a_key_that_is_not_there(void **state)
{
	assert_null(fixture_get(other, &table, "a", STORE_EXCLUSIVE));
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_LOCK_TIMEOUT);
	assert_int_equal(store_client_rollback(other), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
}

static void a_lock_for_what_is_there_is_not_had_of_what_is_not(void **state)
{
	const unsigned flags = STORE_EXCLUSIVE | STORE_IF_THERE;

	assert_null(fixture_get(other, &table, "a", flags));
	put_committed("a", "1");
	assert_string_equal(fixture_get(other, &table, "a", flags), "1");
	assert_int_equal(fixture_put(client, &table, "a", "2"), STORE_LOCK_TIMEOUT);
	/* What it had before, it keeps. */
	assert_int_equal(fixture_delete(other, &table, "a"), STORE_OK);
	assert_null(fixture_get(other, &table, "a", flags));
	assert_int_equal(fixture_put(client, &table, "a", "2"), STORE_LOCK_TIMEOUT);
}

static void a_request_that_fails_keeps_no_locks_of_its_own(void **state)
{
	struct store_batch batch = {.data = NULL};

	assert_int_equal(fixture_put(client, &table, "b", "1"), STORE_OK);
	store_batch_begin(&batch, other, &table);
	store_batch_put(&batch, 0, text_bytes("a"), text_bytes("2"));
	store_batch_put(&batch, 0, text_bytes("b"), text_bytes("2"));
	assert_int_equal(store_client_write(other, &batch, 0, NULL), STORE_LOCK_TIMEOUT);
	store_batch_end(&batch);
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
}

static void a_scan_locks_its_rows_or_leaves_out_those_that_are(void **state)
{
	struct store_range range = {.handle = table, .flags = STORE_EXCLUSIVE};

	put_committed("a", "1");
	put_committed("b", "2");
	put_committed("c", "3");
	assert_int_equal(fixture_put(client, &table, "b", "4"), STORE_OK);
	assert_string_equal(fixture_scan(other, &range), store_status_text(STORE_LOCK_TIMEOUT));
	range.flags = STORE_EXCLUSIVE | STORE_SKIP_LOCKED;
	assert_string_equal(fixture_scan(other, &range), "a=1 c=3");
	assert_int_equal(fixture_put(client, &table, "c", "4"), STORE_LOCK_TIMEOUT);
}

/* ---- snapshots ---- */

static void a_transaction_reads_the_snapshot_of_its_first_read(void **state)
{
	struct store_range range = {.handle = table};

	put_committed("a", "1");
	assert_string_equal(fixture_get(other, &table, "a", 0), "1");
	put_committed("a", "2");
	put_committed("b", "2");
	assert_string_equal(fixture_get(other, &table, "a", 0), "1");
	assert_string_equal(fixture_scan(other, &range), "a=1");
	assert_string_equal(fixture_get(other, &table, "a", STORE_FRESH), "2");
	range.flags = STORE_FRESH;
	assert_string_equal(fixture_scan(other, &range), "a=2 b=2");
	commit(other);
	assert_string_equal(fixture_get(other, &table, "a", 0), "2");
}

static void a_snapshot_can_be_taken_before_the_first_read(void **state)
{
	put_committed("a", "1");
	assert_int_equal(store_client_snapshot(other), STORE_OK);
	put_committed("a", "2");
	assert_string_equal(fixture_get(other, &table, "a", 0), "1");
	assert_int_equal(fixture_put(other, &table, "c", "3"), STORE_OK);
	assert_string_equal(fixture_scan(other, &(struct store_range){.handle = table}), "a=1 c=3");
}

/* ---- savepoints ---- */

static void a_savepoint_undoes_what_came_after_it_and_stays(void **state)
{
	put_committed("z", "0");
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(store_client_savepoint(client, 1), STORE_OK);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(fixture_put(client, &table, "a", "2"), STORE_OK);
		assert_int_equal(fixture_put(client, &table, "b", "2"), STORE_OK);
		assert_int_equal(store_client_savepoint(client, 2), STORE_OK);
		assert_int_equal(fixture_delete(client, &table, "a"), STORE_OK);
		assert_int_equal(fixture_delete(client, &table, "z"), STORE_OK);
		assert_string_equal(
			fixture_scan(client, &(struct store_range){.handle = table}), "b=2");
		assert_int_equal(store_client_savepoint_rollback(client, 2), STORE_OK);
		assert_string_equal(fixture_scan(client, &(struct store_range){.handle = table}),
			"a=2 b=2 z=0");
		assert_int_equal(store_client_savepoint_rollback(client, 1), STORE_OK);
		assert_int_equal(store_client_savepoint_rollback(client, 2), STORE_NOT_FOUND);
		assert_string_equal(
			fixture_scan(client, &(struct store_range){.handle = table}), "a=1 z=0");
	}
	commit(client);
	assert_int_equal(store_client_savepoint_rollback(client, 1), STORE_NOT_FOUND);
	assert_string_equal(
		fixture_scan(client, &(struct store_range){.handle = table}), "a=1 z=0");
}

static void a_savepoint_that_is_released_keeps_what_was_done(void **state)
{
	assert_int_equal(store_client_savepoint(client, 5), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "a", "1"), STORE_OK);
	assert_int_equal(store_client_savepoint(client, 9), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "a", "2"), STORE_OK);
	assert_int_equal(store_client_savepoint_release(client, 9), STORE_OK);
	assert_string_equal(fixture_get(client, &table, "a", 0), "2");
	assert_int_equal(store_client_savepoint_rollback(client, 5), STORE_OK);
	assert_null(fixture_get(client, &table, "a", 0));
}

/* ---- tables that change meanwhile ---- */

static void what_was_written_to_a_truncated_table_is_not_committed(void **state)
{
	struct store_handle anew;

	assert_int_equal(fixture_put(other, &table, "a", "1"), STORE_OK);
	assert_int_equal(fixture_put(client, &table, "b", "1"), STORE_OK);
	assert_int_equal(store_client_prepare(client, text_bytes("xid")), STORE_OK);
	assert_int_equal(store_client_table_truncate(client, &table), STORE_OK);
	assert_int_equal(fixture_put(other, &table, "c", "1"), STORE_STALE);
	assert_int_equal(store_client_get(other, &table, 0, text_bytes("a"), 0, NULL), STORE_STALE);
	commit(other);
	assert_int_equal(store_client_commit_xid(client, text_bytes("xid"), false), STORE_OK);
	assert_int_equal(store_client_table_open(client, text_bytes("t"), &anew, NULL), STORE_OK);
	assert_string_equal(fixture_scan(client, &(struct store_range){.handle = anew}), "");
}

static void a_scan_of_a_table_that_is_truncated_ends_as_stale(void **state)
{
	struct store_range range = {.handle = table, .rows_first = 1, .rows_max = 1};
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;

	put_committed("a", "1");
	put_committed("b", "2");
	store_cursor_begin(&cursor, &range);
	assert_int_equal(store_cursor_next(&cursor, other, &row), STORE_OK);
	assert_int_equal(store_client_table_truncate(client, &table), STORE_OK);
	assert_int_equal(store_cursor_next(&cursor, other, &row), STORE_STALE);
	assert_int_equal(store_cursor_next(&cursor, other, &row), STORE_NOT_FOUND);
	store_cursor_end(&cursor);
}

static void who_goes_gives_up_its_locks_and_writes(void **state)
{
	assert_int_equal(fixture_put(other, &table, "a", "1"), STORE_OK);
	store_client_close(other);
	other = fixture_connect();
	assert_int_equal(fixture_put(client, &table, "a", "2"), STORE_OK);
}

/* ---- many at once ---- */

#define ACCOUNTS 16u
#define TRANSFERS 300u
#define THREADS 4u
#define BALANCE 1000

static int balance_of(struct store_client *of, unsigned account, unsigned flags)
{
	struct store_bytes value;
	char key[16];
	int balance;
	int status;

	snprintf(key, sizeof key, "%u", account);
	status = store_client_get(of, &table, 0, text_bytes(key), flags, &value);
	if (status)
		return -status;
	memcpy(&balance, value.data, sizeof balance);
	return balance;
}

static int set_balance(struct store_client *of, unsigned account, int balance)
{
	struct store_batch batch = {.data = NULL};
	char key[16];
	int status;

	snprintf(key, sizeof key, "%u", account);
	store_batch_begin(&batch, of, &table);
	store_batch_put(&batch, 0, text_bytes(key),
		(struct store_bytes){.data = &balance, .bytes = sizeof balance});
	status = store_client_write(of, &batch, 0, NULL);
	store_batch_end(&batch);
	return status;
}

/* Returns a status. */
static int transfer(struct store_client *of, unsigned from, unsigned to)
{
	int source = balance_of(of, from, STORE_EXCLUSIVE);
	int target;

	if (source < 0)
		return -source;
	target = balance_of(of, to, STORE_EXCLUSIVE);
	if (target < 0)
		return -target;
	if (!source)
		return STORE_OK;
	if (set_balance(of, from, source - 1) || set_balance(of, to, target + 1))
		return STORE_IO_ERROR;
	return STORE_OK;
}

static void *transfer_often(void *context)
{
	struct store_client *of = fixture_connect();
	unsigned seed = (unsigned)(uintptr_t)context;
	unsigned long wrong = 0;

	store_client_set_lock_timeout(of, WAIT_MS);
	for (unsigned i = 0; i < TRANSFERS; i++) {
		const unsigned from = (unsigned)rand_r(&seed) % ACCOUNTS;
		const int status = transfer(
			of, from, (from + 1 + (unsigned)rand_r(&seed) % (ACCOUNTS - 1)) % ACCOUNTS);

		wrong += status && status != STORE_DEADLOCK;
		wrong += store_client_commit(of, false) != STORE_OK;
	}
	store_client_close(of);
	return (void *)wrong;
}

static int sum(struct store_client *of)
{
	int total = 0;

	for (unsigned i = 0; i < ACCOUNTS; i++)
		total += balance_of(of, i, 0);
	assert_int_equal(store_client_commit(of, false), STORE_OK);
	return total;
}

static void nothing_is_lost_between_accounts(void **state)
{
	pthread_t threads[THREADS];
	void *wrong;

	for (unsigned i = 0; i < ACCOUNTS; i++)
		assert_int_equal(set_balance(client, i, BALANCE), STORE_OK);
	commit(client);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, transfer_often, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(sum(client), ACCOUNTS * BALANCE);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(sum(client), ACCOUNTS * BALANCE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TWO_CLIENTS_TEST(a_lock_that_is_taken_is_refused_after_its_time),
		TWO_CLIENTS_TEST(who_waits_for_a_lock_gets_it_when_its_owner_ends),
		TWO_CLIENTS_TEST(
			who_waits_for_a_lock_is_cancelled_by_its_key_and_keeps_what_it_had),
		TWO_CLIENTS_TEST(a_key_that_nobody_has_cancels_nothing),
		TWO_CLIENTS_TEST(of_two_that_wait_for_each_other_one_is_rolled_back),
		TWO_CLIENTS_TEST(two_that_share_a_lock_and_both_want_it_alone_are_a_deadlock),
		TWO_CLIENTS_TEST(a_locked_read_sees_what_is_committed_last),
		TWO_CLIENTS_TEST(a_lock_is_had_of_a_key_that_is_not_there),
		TWO_CLIENTS_TEST(a_lock_for_what_is_there_is_not_had_of_what_is_not),
		TWO_CLIENTS_TEST(a_request_that_fails_keeps_no_locks_of_its_own),
		TWO_CLIENTS_TEST(a_scan_locks_its_rows_or_leaves_out_those_that_are),
		TWO_CLIENTS_TEST(a_transaction_reads_the_snapshot_of_its_first_read),
		TWO_CLIENTS_TEST(a_snapshot_can_be_taken_before_the_first_read),
		TWO_CLIENTS_TEST(a_savepoint_undoes_what_came_after_it_and_stays),
		TWO_CLIENTS_TEST(a_savepoint_that_is_released_keeps_what_was_done),
		TWO_CLIENTS_TEST(what_was_written_to_a_truncated_table_is_not_committed),
		TWO_CLIENTS_TEST(a_scan_of_a_table_that_is_truncated_ends_as_stale),
		TWO_CLIENTS_TEST(who_goes_gives_up_its_locks_and_writes),
		TWO_CLIENTS_TEST(nothing_is_lost_between_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
