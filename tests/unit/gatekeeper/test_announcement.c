/* Limits are told when they change, and before they fade. */
#include "../cmocka_all.h"

#include <math.h>

#include "gatekeeper/allocation/announcement.h"
#include "gatekeeper/allocation/rate_limit.h"

#define NOW_NS 5000000000ull

static struct announcement announcement;

#define MS 1000000ull

/* As used as allowed. */
static bool is_due(double allowed, uint64_t after_ms)
{
	return announcement_is_due(&announcement, allowed, allowed, NOW_NS + after_ms * MS);
}

static int tell_one(void **state)
{
	announcement = (struct announcement){0};
	return !is_due(1e6, 0);
}

static void what_was_just_told_is_not_told_again(void **state)
{
	assert_false(is_due(1e6, 5));
	assert_false(is_due(1.01e6, 5));
}

static void more_is_told_at_once(void **state)
{
	assert_true(is_due(1.2e6, 0));
}

static void less_is_told_at_once_if_more_is_used(void **state)
{
	assert_true(announcement_is_due(&announcement, 0.8e6, 1e6, NOW_NS));
	assert_false(announcement_is_due(&announcement, 0.6e6, 0.1e6, NOW_NS));
}

static void what_nobody_waits_for_is_gathered(void **state)
{
	unsigned told = 0;
	double allowed = 1e6;

	for (uint64_t ms = 1; ms <= 400; ms++) {
		allowed *= 0.999;
		told += announcement_is_due(&announcement, allowed, 0, NOW_NS + ms * MS);
	}
	assert_in_range(told, 5, 9);
}

static void a_limit_is_told_again_before_it_fades_soon_at_first(void **state)
{
	uint64_t last_ms = 0, gap_ms = 0;
	unsigned told = 0;

	for (uint64_t ms = 1; ms <= 3 * RATE_LIMIT_HOLDS_NS / MS; ms++) {
		if (!is_due(1e6, ms))
			continue;
		assert_true(ms - last_ms >= gap_ms);
		gap_ms = ms - last_ms;
		last_ms = ms;
		told++;
	}
	assert_true(gap_ms * MS * 4 < RATE_LIMIT_HOLDS_NS);
	assert_true(told > 12);
}

static void a_lifted_limit_is_told_a_few_times(void **state)
{
	unsigned told = 0;

	for (uint64_t ms = 1; ms <= 5000; ms++)
		told += is_due(INFINITY, ms);
	assert_in_range(told, 3, 6);
	assert_true(isinf(announcement_told(&announcement)));
	assert_true(is_due(1e6, 5001 + 50));
}

static void where_there_was_no_limit_nothing_is_told(void **state)
{
	struct announcement none = {0};

	assert_false(announcement_is_due(&none, INFINITY, 1e6, NOW_NS));
	assert_true(isinf(announcement_told(&none)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_just_told_is_not_told_again, tell_one),
		cmocka_unit_test_setup(more_is_told_at_once, tell_one),
		cmocka_unit_test_setup(less_is_told_at_once_if_more_is_used, tell_one),
		cmocka_unit_test_setup(what_nobody_waits_for_is_gathered, tell_one),
		cmocka_unit_test_setup(
			a_limit_is_told_again_before_it_fades_soon_at_first, tell_one),
		cmocka_unit_test_setup(a_lifted_limit_is_told_a_few_times, tell_one),
		cmocka_unit_test(where_there_was_no_limit_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
