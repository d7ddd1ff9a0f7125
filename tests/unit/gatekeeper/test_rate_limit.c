/* An explicit rate: held, then grown, then gone. */
#include "../cmocka_all.h"

#include <math.h>

#include "gatekeeper/allocation/rate_limit.h"

#define LINK 125e6
#define TOLD_NS 7000000000ull

static struct rate_limit limit;

static int tell(void **state)
{
	rate_limit_tell(&limit, 1e6, TOLD_NS);
	return 0;
}

static double after_ns(uint64_t ns)
{
	return rate_limit_at(&limit, LINK, TOLD_NS + ns);
}

static void a_limit_holds_without_renewal_for_a_while(void **state)
{
	assert_true(after_ns(0) == 1e6);
	assert_true(after_ns(RATE_LIMIT_HOLDS_NS) == 1e6);
}

static void then_it_doubles_at_every_step(void **state)
{
	assert_true(fabs(after_ns(RATE_LIMIT_HOLDS_NS + RATE_LIMIT_DOUBLES_NS) - 2e6) < 1);
	assert_true(fabs(after_ns(RATE_LIMIT_HOLDS_NS + 2 * RATE_LIMIT_DOUBLES_NS) - 4e6) < 1);
}

static void it_is_gone_when_it_means_nothing(void **state)
{
	assert_true(isinf(after_ns(RATE_LIMIT_HOLDS_NS + 7 * RATE_LIMIT_DOUBLES_NS)));
	assert_true(isinf(after_ns(UINT64_MAX / 2)));
}

static void renewal_holds_it_again(void **state)
{
	rate_limit_tell(&limit, 3e6, TOLD_NS + 1000000000u);
	assert_true(after_ns(1000000000u + RATE_LIMIT_HOLDS_NS) == 3e6);
}

static void a_lifted_limit_is_gone(void **state)
{
	rate_limit_tell(&limit, INFINITY, TOLD_NS + 1);
	assert_true(isinf(after_ns(1)));
}

static void a_clock_that_has_not_caught_up_changes_nothing(void **state)
{
	assert_true(rate_limit_at(&limit, LINK, TOLD_NS - 1) == 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_limit_holds_without_renewal_for_a_while, tell),
		cmocka_unit_test_setup(then_it_doubles_at_every_step, tell),
		cmocka_unit_test_setup(it_is_gone_when_it_means_nothing, tell),
		cmocka_unit_test_setup(renewal_holds_it_again, tell),
		cmocka_unit_test_setup(a_lifted_limit_is_gone, tell),
		cmocka_unit_test_setup(a_clock_that_has_not_caught_up_changes_nothing, tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
