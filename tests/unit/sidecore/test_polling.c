/* Which pollers are looked at: rounds with a clock of the test's own. */
#include "../cmocka_all.h"

#include <string.h>

#include "base/container.h"
#include "sidecore/sidecore_private.h"

#define LONGEST_NS 20000u
#define STEP_NS 1000u
#define LONG_NS 1000000000u
#define SOURCES 3u

struct source {
	struct poller poller;
	unsigned work;
	unsigned looks;
	unsigned disarmings;
	bool is_armed;
	bool has_hidden_work; /* which only arming shows */
};

static struct sidecore sidecore;
static struct source sources[SOURCES];
static struct source *const busy = &sources[0], *const quiet = &sources[1];

static unsigned look(struct poller *poller, uint64_t now_ns)
{
	struct source *source = container_of(poller, struct source, poller);
	unsigned work = source->work;

	assert_false(source->is_armed);
	source->looks++;
	source->work = 0;
	return work;
}

static bool arm(struct poller *poller)
{
	struct source *source = container_of(poller, struct source, poller);

	source->is_armed = true;
	return source->has_hidden_work;
}

static void disarm(struct poller *poller)
{
	struct source *source = container_of(poller, struct source, poller);

	source->is_armed = false;
	source->disarmings++;
}

static int set_up_with(uint64_t poll_ns_max)
{
	const struct sidecore_config config = {.name = "test", .poll_ns_max = poll_ns_max};

	memset(&sidecore, 0, sizeof sidecore);
	memset(sources, 0, sizeof sources);
	sidecore_set_up_loop(&sidecore, &config);
	sidecore.round_ns = LONG_NS;
	for (unsigned i = 0; i < SOURCES; i++) {
		sources[i].poller = (struct poller){.poll = look, .arm = arm, .disarm = disarm};
		sidecore_add_poller(&sidecore, &sources[i].poller);
	}
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(LONGEST_NS);
}

static int set_up_without_polling(void **state)
{
	return set_up_with(0);
}

static void run_round(void)
{
	if (!sidecore_run_pollers(&sidecore))
		sidecore_rest(&sidecore);
}

static void pass(uint64_t ns)
{
	for (const uint64_t until_ns = sidecore.round_ns + ns; sidecore.round_ns < until_ns;) {
		sidecore.round_ns += STEP_NS;
		run_round();
	}
}

/* As after a sleep, in which there are no rounds. */
static void ring_after(uint64_t ns, struct source *source)
{
	sidecore.round_ns += ns;
	sidecore_adapt_window(&sidecore);
	sidecore_stay_awake(&sidecore);
	sidecore_wake_poller(&sidecore, &source->poller);
	run_round();
}

static void without_work_all_rest_when_the_window_is_over(void **state)
{
	pass(LONGEST_NS - STEP_NS);
	assert_false(busy->is_armed || quiet->is_armed);
	pass(STEP_NS);
	assert_true(busy->is_armed && quiet->is_armed);
	assert_false(sidecore_has_pollers(&sidecore));
}

static void without_polling_they_are_looked_at_once(void **state)
{
	run_round();
	assert_false(sidecore_has_pollers(&sidecore));
	assert_int_equal(quiet->looks, 1);
	ring_after(STEP_NS, busy);
	assert_true(busy->is_armed && quiet->is_armed);
	assert_int_equal(quiet->looks, 1);
}

static void what_arming_finds_is_worked_on(void **state)
{
	quiet->has_hidden_work = true;
	pass(2 * LONGEST_NS);
	assert_true(sidecore_has_pollers(&sidecore));
	assert_true(busy->is_armed);
	assert_false(quiet->is_armed);
}

static void work_of_one_has_the_others_looked_at_for_many_windows(void **state)
{
	for (unsigned windows = 0; windows < 8; windows++) {
		busy->work = 1;
		pass(LONGEST_NS - STEP_NS);
		assert_false(quiet->is_armed);
	}
	while (!quiet->is_armed && sidecore.round_ns < 2 * LONG_NS) {
		busy->work = 1;
		pass(STEP_NS);
	}
	assert_true(quiet->is_armed);
	assert_false(busy->is_armed);
}

static void with_a_window_of_none_they_rest_when_there_is_no_work(void **state)
{
	sidecore.window_ns = 0;
	for (unsigned i = 0; i < 10; i++) {
		busy->work = 1;
		pass(STEP_NS);
		assert_false(quiet->is_armed);
	}
	pass(STEP_NS);
	assert_true(quiet->is_armed);
}

static void who_is_looked_at_before_who_works_does_not_rest(void **state)
{
	pass(LONGEST_NS - STEP_NS);
	sources[SOURCES - 1].work = 1;
	sidecore.round_ns += 2 * LONGEST_NS;
	run_round();
	assert_false(busy->is_armed);
}

static void bulk_rests_and_wakes_as_others_do(void **state)
{
	sidecore_remove_poller(&sidecore, &quiet->poller);
	quiet->poller.is_bulk = true;
	sidecore_add_poller(&sidecore, &quiet->poller);
	pass(LONGEST_NS);
	assert_true(quiet->is_armed);
	ring_after(STEP_NS, busy);
	quiet->work = 1;
	pass(STEP_NS);
	assert_int_equal(quiet->work, 0);
}

static unsigned look_and_remove(struct poller *poller, uint64_t now_ns)
{
	look(poller, now_ns);
	sidecore_remove_poller(&sidecore, poller);
	sidecore_remove_poller(&sidecore, &quiet->poller);
	return 1;
}

static void who_is_removed_while_one_is_looked_at_is_gone(void **state)
{
	pass(LONGEST_NS);
	busy->poller.poll = look_and_remove;
	ring_after(STEP_NS, busy);
	pass(LONGEST_NS);
	assert_int_equal(busy->poller.state, POLLER_REMOVED);
	assert_int_equal(quiet->poller.state, POLLER_REMOVED);
	assert_true(sources[SOURCES - 1].is_armed);
}

static void whatever_wakes_one_has_all_that_rest_looked_at(void **state)
{
	pass(LONGEST_NS);
	ring_after(STEP_NS, busy);
	assert_false(quiet->is_armed);
	quiet->work = 1;
	pass(STEP_NS);
	assert_int_equal(quiet->work, 0);
}

static void a_completion_is_followed_by_a_window(void **state)
{
	pass(LONGEST_NS);
	sidecore.round_ns += 5 * LONGEST_NS;
	sidecore_stay_awake(&sidecore);
	assert_false(quiet->is_armed);
	pass(LONGEST_NS - STEP_NS);
	assert_false(quiet->is_armed);
	pass(STEP_NS);
	assert_true(quiet->is_armed);
	assert_int_equal(sidecore.window_ns, LONGEST_NS);
}

static void who_has_rested_for_long_waits_for_its_own_doorbell(void **state)
{
	pass(LONGEST_NS);
	ring_after(LONG_NS, busy);
	assert_false(busy->is_armed);
	assert_true(quiet->is_armed);
	ring_after(STEP_NS, quiet);
	assert_false(quiet->is_armed);
}

static void who_is_removed_is_not_looked_at(void **state)
{
	pass(LONGEST_NS);
	sidecore_remove_poller(&sidecore, &quiet->poller);
	ring_after(STEP_NS, busy);
	sidecore_remove_poller(&sidecore, &busy->poller);
	sidecore_wake_poller(&sidecore, &quiet->poller);
	assert_int_equal(quiet->disarmings, 0);
	sidecore_remove_poller(&sidecore, &sources[2].poller);
	assert_false(sidecore_has_pollers(&sidecore));
}

static void doorbells_that_ring_late_end_the_window(void **state)
{
	for (unsigned i = 0; i < 16; i++) {
		pass(LONGEST_NS);
		ring_after(2 * LONGEST_NS, busy);
	}
	assert_int_equal(sidecore.window_ns, 0);
}

static void rest(void)
{
	while (sidecore_has_pollers(&sidecore))
		pass(STEP_NS);
}

static void doorbells_that_the_longest_window_would_miss_by_little_say_nothing(void **state)
{
	for (unsigned i = 0; i < 16; i++) {
		pass(LONGEST_NS);
		ring_after(LONGEST_NS / 2, busy);
	}
	assert_int_equal(sidecore.window_ns, LONGEST_NS);
}

static void doorbells_that_ring_soon_make_it_grow(void **state)
{
	unsigned rings;

	rest();
	sidecore.window_ns = 0;
	for (rings = 0; sidecore.window_ns < LONGEST_NS; rings++) {
		busy->work = 1;
		ring_after(STEP_NS, busy);
		rest();
	}
	/* The first was not soon; then 4 µs, 8, 16, and the longest. */
	assert_int_equal(rings, 5);
}

static void doorbells_while_it_is_awake_say_nothing(void **state)
{
	sidecore.window_ns /= 2;
	ring_after(STEP_NS, busy);
	assert_int_equal(sidecore.window_ns, LONGEST_NS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_work_all_rest_when_the_window_is_over, set_up),
		cmocka_unit_test_setup(
			without_polling_they_are_looked_at_once, set_up_without_polling),
		cmocka_unit_test_setup(what_arming_finds_is_worked_on, set_up),
		cmocka_unit_test_setup(
			work_of_one_has_the_others_looked_at_for_many_windows, set_up),
		cmocka_unit_test_setup(
			with_a_window_of_none_they_rest_when_there_is_no_work, set_up),
		cmocka_unit_test_setup(who_is_looked_at_before_who_works_does_not_rest, set_up),
		cmocka_unit_test_setup(bulk_rests_and_wakes_as_others_do, set_up),
		cmocka_unit_test_setup(who_is_removed_while_one_is_looked_at_is_gone, set_up),
		cmocka_unit_test_setup(whatever_wakes_one_has_all_that_rest_looked_at, set_up),
		cmocka_unit_test_setup(a_completion_is_followed_by_a_window, set_up),
		cmocka_unit_test_setup(who_has_rested_for_long_waits_for_its_own_doorbell, set_up),
		cmocka_unit_test_setup(who_is_removed_is_not_looked_at, set_up),
		cmocka_unit_test_setup(doorbells_that_ring_late_end_the_window, set_up),
		cmocka_unit_test_setup(
			doorbells_that_the_longest_window_would_miss_by_little_say_nothing, set_up),
		cmocka_unit_test_setup(doorbells_that_ring_soon_make_it_grow, set_up),
		cmocka_unit_test_setup(doorbells_while_it_is_awake_say_nothing, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
