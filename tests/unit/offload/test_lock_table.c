/* Locks of keys and of intervals: what is in whose way, who waits for whom, and what is given back. */
#include "../cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "lock_table.h"

#define OWNERS 4u
#define KEYS 16u
#define STEPS 40000u
#define WAIT_MS 20000u /* for what comes: far longer than it takes */

static struct lock_table table;
static struct budget budget;
static struct lock_owner owners[OWNERS];
static struct lock_interrupt interrupt;

static int set_up(void **state)
{
	budget = (struct budget){.bytes_max = 1u << 20};
	interrupt = (struct lock_interrupt){.is_set = false};
	assert_int_equal(lock_table_init(&table, &budget), 0);
	for (unsigned i = 0; i < OWNERS; i++)
		lock_owner_init(&owners[i]);
	owners[1].interrupt = &interrupt;
	return 0;
}

/* Nothing is left of what anybody had. */
static int tear_down(void **state)
{
	for (unsigned i = 0; i < OWNERS; i++) {
		lock_release(&table, &owners[i]);
		assert_int_equal(owners[i].bytes, 0);
		for (unsigned mode = 0; mode < LOCK_MODES; mode++) {
			assert_null(owners[i].has[mode].keys.root);
			assert_null(owners[i].has[mode].ranges.root);
		}
	}
	assert_int_equal(budget.used_bytes, 0);
	assert_true(TAILQ_EMPTY(&table.owners));
	assert_null(table.ranges.root);
	assert_int_equal(key_map_count(&table.locks), 0);
	lock_table_destroy(&table);
	return 0;
}

static struct bytes text(const char *of)
{
	return (struct bytes){.data = of, .bytes = strlen(of)};
}

static int lock_key_for(unsigned owner, const char *key, enum lock_mode mode, uint32_t timeout_ms)
{
	struct lock_hold *hold;

	return lock_acquire(&table, &owners[owner], text(key), mode, timeout_ms, &hold);
}

static int lock_key(unsigned owner, const char *key, enum lock_mode mode)
{
	return lock_key_for(owner, key, mode, 0);
}

static int lock_range_for(unsigned owner, const char *lower, const char *upper, enum lock_mode mode,
	uint32_t timeout_ms)
{
	const struct interval interval = {.lower = text(lower), .upper = text(upper)};

	return lock_acquire_range(&table, &owners[owner], &interval, mode, timeout_ms);
}

static int lock_range(unsigned owner, const char *lower, const char *upper, enum lock_mode mode)
{
	return lock_range_for(owner, lower, upper, mode, 0);
}

static void keep(unsigned owner)
{
	lock_keep_ranges(&table, &owners[owner]);
}

/* ---- what is in whose way ---- */

static void an_interval_keeps_others_from_its_keys(void **state)
{
	assert_int_equal(lock_range(0, "b", "d", LOCK_SHARED), 0);
	assert_int_equal(lock_key(1, "b", LOCK_EXCLUSIVE), -ETIMEDOUT);
	assert_int_equal(lock_key(1, "c", LOCK_EXCLUSIVE), -ETIMEDOUT);
	assert_int_equal(lock_key(1, "cz", LOCK_EXCLUSIVE), -ETIMEDOUT);
	assert_int_equal(lock_key(1, "az", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(1, "d", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(1, "c", LOCK_SHARED), 0);
	assert_int_equal(lock_key(0, "c", LOCK_EXCLUSIVE), -ETIMEDOUT);
	assert_int_equal(lock_key(0, "cc", LOCK_EXCLUSIVE), 0);
}

static void an_exclusive_interval_keeps_readers_out_too(void **state)
{
	assert_int_equal(lock_range(0, "b", "d", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(1, "c", LOCK_SHARED), -ETIMEDOUT);
	assert_int_equal(lock_range(1, "c", "z", LOCK_SHARED), -ETIMEDOUT);
	assert_int_equal(lock_range(1, "d", "z", LOCK_SHARED), 0);
	lock_release(&table, &owners[0]);
	assert_int_equal(lock_key(1, "c", LOCK_SHARED), 0);
}

static void keys_that_others_write_keep_an_interval_away(void **state)
{
	assert_int_equal(lock_key(0, "c", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(2, "x", LOCK_SHARED), 0);
	assert_int_equal(lock_range(1, "a", "cc", LOCK_SHARED), -ETIMEDOUT);
	assert_int_equal(lock_range(1, "a", "c", LOCK_SHARED), 0);
	assert_int_equal(lock_range(1, "w", "y", LOCK_SHARED), 0);
	assert_int_equal(lock_range(1, "w", "y", LOCK_EXCLUSIVE), -ETIMEDOUT);
	/* Keys that came after the first interval, too. */
	assert_int_equal(lock_key(0, "e", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_range(1, "d", "f", LOCK_SHARED), -ETIMEDOUT);
}

static void an_empty_interval_is_no_lock(void **state)
{
	assert_int_equal(lock_range(0, "b", "b", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_range(0, "c", "b", LOCK_EXCLUSIVE), 0);
	assert_int_equal(owners[0].bytes, 0);
	assert_int_equal(lock_key(1, "b", LOCK_EXCLUSIVE), 0);
}

/* ---- what it takes ---- */

static void intervals_that_touch_are_one(void **state)
{
	uint64_t bytes;

	assert_int_equal(lock_range(0, "b", "c", LOCK_SHARED), 0);
	keep(0);
	bytes = owners[0].bytes;
	for (const char *at = "cdefghijklmnopqrstuvwx"; *at; at++) {
		const char lower[] = {at[0], '\0'}, upper[] = {(char)(at[0] + 1), '\0'};

		assert_int_equal(lock_range(0, lower, upper, LOCK_SHARED), 0);
		keep(0);
	}
	assert_int_equal(lock_range(0, "a", "bb", LOCK_SHARED), 0);
	keep(0);
	assert_int_equal(table.range_count, 1);
	assert_int_equal(owners[0].bytes, bytes);
	assert_int_equal(lock_key(1, "a", LOCK_EXCLUSIVE), -ETIMEDOUT);
	assert_int_equal(lock_key(1, "xz", LOCK_EXCLUSIVE), -ETIMEDOUT);
	assert_int_equal(lock_key(1, "y", LOCK_EXCLUSIVE), 0);
}

static void what_is_had_already_takes_nothing(void **state)
{
	assert_int_equal(lock_range(0, "a", "m", LOCK_EXCLUSIVE), 0);
	keep(0);
	assert_int_equal(lock_range(0, "b", "c", LOCK_SHARED), 0);
	assert_int_equal(lock_range(0, "a", "m", LOCK_EXCLUSIVE), 0);
	assert_int_equal(table.range_count, 1);
}

static void a_shared_interval_in_an_exclusive_one_is_given_back(void **state)
{
	assert_int_equal(lock_range(0, "b", "c", LOCK_SHARED), 0);
	keep(0);
	assert_int_equal(lock_range(0, "a", "m", LOCK_EXCLUSIVE), 0);
	keep(0);
	assert_int_equal(table.range_count, 1);
	assert_int_equal(lock_range(0, "l", "z", LOCK_SHARED), 0);
	keep(0);
	assert_int_equal(table.range_count, 2);
}

static void intervals_are_limited_by_the_budget(void **state)
{
	int error = 0;

	for (unsigned i = 0; i < 1u << 20 && !error; i++) {
		char lower[16], upper[16];

		snprintf(lower, sizeof lower, "%08u", i);
		snprintf(upper, sizeof upper, "%08u5", i);
		error = lock_range(0, lower, upper, LOCK_SHARED);
		keep(0);
	}
	assert_int_equal(error, -EDQUOT);
	assert_true(budget.used_bytes <= budget.bytes_max);
	assert_int_equal(owners[0].bytes, budget.used_bytes);
	lock_release(&table, &owners[0]);
	assert_int_equal(lock_range(1, "0", "9", LOCK_EXCLUSIVE), 0);
}

static void what_was_not_kept_is_undone(void **state)
{
	struct lock_hold *oldest;

	assert_int_equal(lock_range(0, "b", "c", LOCK_SHARED), 0);
	keep(0);
	assert_int_equal(lock_key(0, "x", LOCK_EXCLUSIVE), 0);
	oldest = owners[0].newest;
	assert_int_equal(lock_range(0, "c", "d", LOCK_SHARED), 0);
	assert_int_equal(lock_range(0, "m", "n", LOCK_SHARED), 0);
	assert_int_equal(lock_key(0, "z", LOCK_EXCLUSIVE), 0);
	lock_undo(&table, &owners[0], oldest);
	assert_int_equal(lock_range(1, "c", "w", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(1, "z", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(1, "b", LOCK_EXCLUSIVE), -ETIMEDOUT);
	assert_int_equal(lock_key(1, "x", LOCK_EXCLUSIVE), -ETIMEDOUT);
}

/* ---- who waits ---- */

struct request {
	pthread_t thread;
	unsigned owner;
	const char *lower, *upper; /* no `upper`: a key */
	enum lock_mode mode;
	int error;
	bool is_done; /* atomic */
};

static void *ask(void *context)
{
	struct request *request = context;

	request->error = request->upper ? lock_range_for(request->owner, request->lower,
						  request->upper, request->mode, WAIT_MS)
					: lock_key_for(request->owner, request->lower,
						  request->mode, WAIT_MS);
	__atomic_store_n(&request->is_done, true, __ATOMIC_RELEASE);
	return NULL;
}

static uint64_t waits(void)
{
	struct lock_counts counts;

	lock_table_count(&table, &counts);
	return counts.waits;
}

/* On a thread of its own; returns when it waits. */
static void begin(struct request *request)
{
	const uint64_t before = waits();

	request->is_done = false;
	assert_int_equal(pthread_create(&request->thread, NULL, ask, request), 0);
	while (waits() == before)
		sched_yield();
}

static bool is_waiting(const struct request *request)
{
	return !__atomic_load_n(&request->is_done, __ATOMIC_ACQUIRE);
}

static int end(struct request *request)
{
	pthread_join(request->thread, NULL);
	return request->error;
}

static void who_inserts_waits_until_the_interval_is_given_up(void **state)
{
	struct request insert = {.owner = 1, .lower = "c", .mode = LOCK_EXCLUSIVE};

	assert_int_equal(lock_range(0, "b", "d", LOCK_SHARED), 0);
	assert_int_equal(lock_range(2, "a", "x", LOCK_SHARED), 0);
	begin(&insert);
	lock_release(&table, &owners[0]);
	assert_true(is_waiting(&insert));
	lock_release(&table, &owners[2]);
	assert_int_equal(end(&insert), 0);
}

static void who_wants_an_interval_waits_for_who_writes_in_it(void **state)
{
	struct request scan = {.owner = 1, .lower = "a", .upper = "z", .mode = LOCK_SHARED};

	assert_int_equal(lock_key(0, "c", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(0, "x", LOCK_EXCLUSIVE), 0);
	begin(&scan);
	lock_release(&table, &owners[0]);
	assert_int_equal(end(&scan), 0);
	assert_int_equal(lock_key(0, "m", LOCK_EXCLUSIVE), -ETIMEDOUT);
}

static void two_that_read_an_interval_and_write_in_it_are_a_deadlock(void **state)
{
	struct request insert = {.owner = 1, .lower = "c", .mode = LOCK_EXCLUSIVE};

	assert_int_equal(lock_range(0, "a", "z", LOCK_SHARED), 0);
	assert_int_equal(lock_range(1, "a", "z", LOCK_SHARED), 0);
	begin(&insert);
	assert_int_equal(lock_key_for(0, "d", LOCK_EXCLUSIVE, WAIT_MS), -EDEADLK);
	lock_release(&table, &owners[0]);
	assert_int_equal(end(&insert), 0);
}

static void a_cycle_over_a_key_and_an_interval_is_a_deadlock(void **state)
{
	struct request scan = {.owner = 1, .lower = "a", .upper = "d", .mode = LOCK_SHARED};

	assert_int_equal(lock_key(0, "c", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(1, "x", LOCK_EXCLUSIVE), 0);
	begin(&scan);
	assert_int_equal(lock_range_for(0, "w", "y", LOCK_EXCLUSIVE, WAIT_MS), -EDEADLK);
	lock_release(&table, &owners[0]);
	assert_int_equal(end(&scan), 0);
}

/* Readers that come later do not keep one out for ever that wants to insert. */
static void who_came_first_is_served_first(void **state)
{
	struct request insert = {.owner = 1, .lower = "c", .mode = LOCK_EXCLUSIVE},
		       scan = {.owner = 2, .lower = "b", .upper = "d", .mode = LOCK_SHARED},
		       read = {.owner = 3, .lower = "c", .mode = LOCK_SHARED};

	assert_int_equal(lock_range(0, "b", "d", LOCK_SHARED), 0);
	begin(&insert);
	begin(&scan);
	begin(&read);
	lock_release(&table, &owners[0]);
	assert_int_equal(end(&insert), 0);
	assert_true(is_waiting(&scan));
	assert_true(is_waiting(&read));
	lock_release(&table, &owners[1]);
	assert_int_equal(end(&scan), 0);
	assert_int_equal(end(&read), 0);
}

static void who_stands_behind_one_that_gives_up_goes_on(void **state)
{
	struct request insert = {.owner = 1, .lower = "c", .mode = LOCK_EXCLUSIVE},
		       scan = {.owner = 2, .lower = "b", .upper = "d", .mode = LOCK_SHARED};

	assert_int_equal(lock_range(0, "b", "d", LOCK_SHARED), 0);
	begin(&insert);
	begin(&scan);
	lock_interrupt(&table, &interrupt);
	assert_int_equal(end(&insert), -ECANCELED);
	assert_int_equal(end(&scan), 0);
}

/* One who waits for what we have is no reason to wait: a scan goes on, and its rows are changed. */
static void nobody_stands_behind_one_that_waits_for_it(void **state)
{
	struct request all = {.owner = 1, .lower = "a", .upper = "z", .mode = LOCK_EXCLUSIVE};

	assert_int_equal(lock_range(0, "b", "d", LOCK_SHARED), 0);
	begin(&all);
	assert_int_equal(lock_range(0, "d", "f", LOCK_SHARED), 0);
	assert_int_equal(lock_key(0, "c", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(0, "m", LOCK_EXCLUSIVE), 0);
	assert_int_equal(lock_key(2, "x", LOCK_SHARED), -ETIMEDOUT);
	lock_release(&table, &owners[0]);
	assert_int_equal(end(&all), 0);
}

/* ---- a model: without waiting, an interval is a set of keys ---- */

struct model {
	bool has[KEYS][2]; /* by mode */
};

static struct model models[OWNERS];
static unsigned seed = 1;

static unsigned below(unsigned limit)
{
	return (unsigned)rand_r(&seed) % limit;
}

static bool model_allows(unsigned owner, unsigned key, enum lock_mode mode)
{
	for (unsigned other = 0; other < OWNERS; other++) {
		const bool *has = models[other].has[key];

		if (other != owner &&
			(has[LOCK_EXCLUSIVE] || (has[LOCK_SHARED] && mode == LOCK_EXCLUSIVE)))
			return false;
	}
	return true;
}

static int model_lock(unsigned owner, unsigned from, unsigned to, enum lock_mode mode)
{
	for (unsigned key = from; key < to; key++) {
		if (!model_allows(owner, key, mode))
			return -ETIMEDOUT;
	}
	for (unsigned key = from; key < to; key++)
		models[owner].has[key][mode] = true;
	return 0;
}

static void step(unsigned owner)
{
	const enum lock_mode mode = below(3) ? LOCK_SHARED : LOCK_EXCLUSIVE;
	const unsigned from = below(KEYS), to = from + below(KEYS + 1 - from);
	char lower[8], upper[8];

	snprintf(lower, sizeof lower, "%02u", from);
	snprintf(upper, sizeof upper, "%02u", to);
	if (!below(8)) {
		lock_release(&table, &owners[owner]);
		memset(&models[owner], 0, sizeof models[owner]);
	} else if (below(2)) {
		assert_int_equal(
			lock_key(owner, lower, mode), model_lock(owner, from, from + 1, mode));
	} else {
		assert_int_equal(
			lock_range(owner, lower, upper, mode), model_lock(owner, from, to, mode));
		keep(owner);
	}
}

static void random_requests_do_what_the_model_does(void **state)
{
	memset(models, 0, sizeof models);
	for (unsigned i = 0; i < STEPS; i++)
		step(below(OWNERS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_interval_keeps_others_from_its_keys),
		TEST(an_exclusive_interval_keeps_readers_out_too),
		TEST(keys_that_others_write_keep_an_interval_away),
		TEST(an_empty_interval_is_no_lock),
		TEST(intervals_that_touch_are_one),
		TEST(what_is_had_already_takes_nothing),
		TEST(a_shared_interval_in_an_exclusive_one_is_given_back),
		TEST(intervals_are_limited_by_the_budget),
		TEST(what_was_not_kept_is_undone),
		TEST(who_inserts_waits_until_the_interval_is_given_up),
		TEST(who_wants_an_interval_waits_for_who_writes_in_it),
		TEST(two_that_read_an_interval_and_write_in_it_are_a_deadlock),
		TEST(a_cycle_over_a_key_and_an_interval_is_a_deadlock),
		TEST(who_came_first_is_served_first),
		TEST(who_stands_behind_one_that_gives_up_goes_on),
		TEST(nobody_stands_behind_one_that_waits_for_it),
		TEST(random_requests_do_what_the_model_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
