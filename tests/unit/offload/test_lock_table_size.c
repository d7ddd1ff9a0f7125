/* Locks in great numbers: who asks about an owner does not pay for all that the owner has. */
#include "../cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "lock_table.h"

#define KEYS 100000u
#define WAITERS 60u
#define WAIT_MS 20000u /* for what comes: far longer than it takes */

enum {
	WRITER = WAITERS, /* has the keys */
	READER,
	OWNERS,
};

static struct lock_table table;
static struct budget budget;
static struct lock_owner owners[OWNERS];
static const struct interval everything = {
	.lower = {.data = "", .bytes = 0}, .upper = {.data = "~", .bytes = 1}};

static int set_up(void **state)
{
	budget = (struct budget){.bytes_max = 1u << 30};
	assert_int_equal(lock_table_init(&table, &budget), 0);
	for (unsigned i = 0; i < OWNERS; i++)
		lock_owner_init(&owners[i]);
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned i = 0; i < OWNERS; i++)
		lock_release(&table, &owners[i]);
	assert_int_equal(budget.used_bytes, 0);
	lock_table_destroy(&table);
	return 0;
}

static int lock_number(unsigned owner, unsigned number, enum lock_mode mode)
{
	struct lock_hold *hold;
	char key[16];
	const int bytes = snprintf(key, sizeof key, "%08u", number);

	return lock_acquire(&table, &owners[owner],
		(struct bytes){.data = key, .bytes = (size_t)bytes}, mode, 0, &hold);
}

static void lock_numbers(unsigned owner, enum lock_mode mode)
{
	for (unsigned i = 0; i < KEYS; i++)
		assert_int_equal(lock_number(owner, i, mode), 0);
}

/* Intervals of a key each, which do not touch. */
static void lock_intervals(unsigned owner, enum lock_mode mode)
{
	for (unsigned i = 0; i < KEYS; i++) {
		char lower[16], upper[16];
		const int lower_bytes = snprintf(lower, sizeof lower, "%08u", i);
		const int upper_bytes = snprintf(upper, sizeof upper, "%08u5", i);
		const struct interval interval = {
			.lower = {.data = lower, .bytes = (size_t)lower_bytes},
			.upper = {.data = upper, .bytes = (size_t)upper_bytes}};

		assert_int_equal(lock_acquire_range(&table, &owners[owner], &interval, mode, 0), 0);
		lock_keep_ranges(&table, &owners[owner]);
	}
}

static int lock_all(unsigned owner, enum lock_mode mode, uint32_t timeout_ms)
{
	return lock_acquire_range(&table, &owners[owner], &everything, mode, timeout_ms);
}

/* ---- those who wait, each on a thread of its own ---- */

static int results[WAITERS];

static void *wait_for_all(void *context)
{
	int *result = context;

	*result = lock_all((unsigned)(result - results), LOCK_EXCLUSIVE, WAIT_MS);
	return NULL;
}

static uint64_t waits(void)
{
	struct lock_counts counts;

	lock_table_count(&table, &counts);
	return counts.waits;
}

static void begin(pthread_t *thread, unsigned waiter)
{
	const uint64_t before = waits();

	assert_int_equal(pthread_create(thread, NULL, wait_for_all, &results[waiter]), 0);
	while (waits() == before)
		sched_yield();
}

/* A queue of jobs that somebody fills: everybody wants its first row. They are served as they came, and before their time is up. */
static void many_who_wait_for_one_who_has_much_are_served(void)
{
	pthread_t threads[WAITERS];

	for (unsigned i = 0; i < WAITERS; i++)
		begin(&threads[i], i);
	lock_release(&table, &owners[WRITER]);
	for (unsigned i = 0; i < WAITERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(results[i], 0);
		lock_release(&table, &owners[i]);
	}
}

static void many_wait_for_who_has_many_keys(void **state)
{
	lock_numbers(WRITER, LOCK_EXCLUSIVE);
	many_who_wait_for_one_who_has_much_are_served();
}

static void many_wait_for_who_has_many_intervals(void **state)
{
	lock_intervals(WRITER, LOCK_EXCLUSIVE);
	many_who_wait_for_one_who_has_much_are_served();
}

/* ---- what is in nobody's way is not walked ---- */

static void who_has_many_keys_goes_on(void **state)
{
	lock_numbers(WRITER, LOCK_EXCLUSIVE);
	for (unsigned i = 0; i < KEYS; i++) {
		assert_int_equal(lock_all(WRITER, LOCK_SHARED, 0), 0);
		lock_undo(&table, &owners[WRITER], owners[WRITER].newest);
	}
}

static void who_reads_what_others_read_goes_on(void **state)
{
	lock_numbers(WRITER, LOCK_SHARED);
	lock_intervals(WRITER, LOCK_SHARED);
	for (unsigned i = 0; i < KEYS; i++) {
		assert_int_equal(lock_all(READER, LOCK_SHARED, 0), 0);
		lock_keep_ranges(&table, &owners[READER]);
		lock_release(&table, &owners[READER]);
	}
}

/* What became exclusive is in the way of readers, and all else is not. */
static void one_of_many_that_becomes_exclusive_is_found(void **state)
{
	lock_numbers(WRITER, LOCK_SHARED);
	assert_int_equal(lock_all(READER, LOCK_SHARED, 0), 0);
	lock_release(&table, &owners[READER]);
	assert_int_equal(lock_number(WRITER, KEYS / 2, LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_all(READER, LOCK_SHARED, 0), -ETIMEDOUT);
	lock_undo(&table, &owners[WRITER], NULL);
	assert_int_equal(lock_all(READER, LOCK_EXCLUSIVE, 0), 0);
}

/* ---- others are let in ---- */

#define ROUNDS 50u

static void *give_up(void *context)
{
	lock_release(&table, context);
	return NULL;
}

/* Returns whether others were let in when some of it was given up, and not all. */
static bool lets_others_in(void)
{
	struct lock_counts counts;
	bool is_let_in = false;
	pthread_t thread;

	lock_numbers(WRITER, LOCK_EXCLUSIVE);
	assert_int_equal(pthread_create(&thread, NULL, give_up, &owners[WRITER]), 0);
	do {
		lock_table_count(&table, &counts);
		is_let_in |= counts.locks && counts.locks < KEYS;
	} while (counts.locks);
	pthread_join(thread, NULL);
	return is_let_in;
}

/* Nobody knows when threads run, but once they will at the same time. */
static void who_gives_up_much_lets_others_in(void **state)
{
	unsigned round = 0;

	while (round < ROUNDS && !lets_others_in())
		round++;
	assert_true(round < ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_wait_for_who_has_many_keys),
		TEST(many_wait_for_who_has_many_intervals),
		TEST(who_has_many_keys_goes_on),
		TEST(who_reads_what_others_read_goes_on),
		TEST(one_of_many_that_becomes_exclusive_is_found),
		TEST(who_gives_up_much_lets_others_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
