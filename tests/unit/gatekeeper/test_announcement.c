/* Limits are told when they change, and before they fade. */
#include "../cmocka_all.h"

#include <math.h>

#include "gatekeeper/announcement.h"
#include "gatekeeper/rate_limit.h"

#define NOW_NS 5000000000ull

static struct announcement announcement;

static int tell_one(void **state)
{
	announcement = (struct announcement){0};
	return !announcement_is_due(&announcement, 1e6, NOW_NS);
}

static void what_was_just_told_is_not_told_again(void **state)
{
	assert_false(announcement_is_due(&announcement, 1e6, NOW_NS + 5000000));
	assert_false(announcement_is_due(&announcement, 1.01e6, NOW_NS + 5000000));
}

static void a_change_is_told_at_once(void **state)
{
	assert_true(announcement_is_due(&announcement, 0.9e6, NOW_NS));
	assert_true(announcement_is_due(&announcement, 1e6, NOW_NS));
}

static void small_changes_add_up(void **state)
{
	double allowed = 1e6;
	unsigned told = 0;

	for (unsigned i = 0; i < 100; i++) {
		told += announcement_is_due(&announcement, allowed, NOW_NS);
		allowed *= 1.001;
	}
	assert_in_range(told, 4, 5);
}

static void a_limit_is_told_thrice_before_it_fades(void **state)
{
	unsigned told = 0;

	for (uint64_t after_ns = 0; after_ns <= RATE_LIMIT_HOLDS_NS; after_ns += 1000000)
		told += announcement_is_due(&announcement, 1e6, NOW_NS + after_ns);
	assert_int_equal(told, 2); /* and once in the setup */
}

static void a_lifted_limit_is_told_once(void **state)
{
	assert_true(announcement_is_due(&announcement, INFINITY, NOW_NS + 1000));
	assert_false(announcement_is_due(&announcement, INFINITY, NOW_NS + 1000000000));
	assert_true(announcement_is_due(&announcement, 1e6, NOW_NS + 1000000001));
}

static void where_there_was_no_limit_nothing_is_told(void **state)
{
	struct announcement none = {0};

	assert_false(announcement_is_due(&none, INFINITY, NOW_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_just_told_is_not_told_again, tell_one),
		cmocka_unit_test_setup(a_change_is_told_at_once, tell_one),
		cmocka_unit_test_setup(small_changes_add_up, tell_one),
		cmocka_unit_test_setup(a_limit_is_told_thrice_before_it_fades, tell_one),
		cmocka_unit_test_setup(a_lifted_limit_is_told_once, tell_one),
		cmocka_unit_test(where_there_was_no_limit_nothing_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
