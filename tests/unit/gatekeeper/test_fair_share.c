/* Weighted max-min sharing, by example and by its defining properties. */
#include "../cmocka_all.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "gatekeeper/allocation/fair_share.h"

#define CLAIMS_MAX 32u
#define CLOSE 1e-6

static struct fair_edge edges[2 * CLAIMS_MAX];

static void assert_close(double is, double should_be)
{
	if (fabs(is - should_be) > CLOSE * fmax(1, fabs(should_be)))
		fail_msg("%.9g is not %.9g", is, should_be);
}

static void backlogged_claims_share_by_weight(void **state)
{
	struct fair_claim claims[] = {
		{0, INFINITY, 1, 0}, {0, INFINITY, 2, 0}, {0, INFINITY, 4, 0}};

	assert_close(fair_share_divide(claims, 3, 700, edges), 100);
	assert_close(claims[0].share, 100);
	assert_close(claims[1].share, 200);
	assert_close(claims[2].share, 400);
}

static void what_one_leaves_goes_to_the_others(void **state)
{
	struct fair_claim claims[] = {{0, 50, 1, 0}, {0, INFINITY, 1, 0}, {0, INFINITY, 1, 0}};

	fair_share_divide(claims, 3, 950, edges);
	assert_close(claims[0].share, 50);
	assert_close(claims[1].share, 450);
	assert_close(claims[2].share, 450);
}

static void floors_come_first(void **state)
{
	struct fair_claim claims[] = {
		{500, INFINITY, 1, 0}, {0, INFINITY, 1, 0}, {0, INFINITY, 1, 0}};

	fair_share_divide(claims, 3, 900, edges);
	assert_close(claims[0].share, 500);
	assert_close(claims[1].share, 200);
	assert_close(claims[2].share, 200);
}

static void an_unwanted_floor_is_not_given(void **state)
{
	struct fair_claim claims[] = {{500, 20, 1, 0}, {0, INFINITY, 1, 0}};

	fair_share_divide(claims, 2, 900, edges);
	assert_close(claims[0].share, 20);
	assert_close(claims[1].share, 880);
}

static void satisfied_claims_leave_the_rest_alone(void **state)
{
	struct fair_claim claims[] = {{0, 100, 1, 0}, {30, 20, 3, 0}};

	assert_true(isinf(fair_share_divide(claims, 2, 900, edges)));
	assert_close(claims[0].share, 100);
	assert_close(claims[1].share, 20);
}

static void floors_beyond_the_capacity_are_cut_alike(void **state)
{
	struct fair_claim claims[] = {{600, INFINITY, 1, 0}, {300, 400, 1, 0}, {0, 5, 1, 0}};

	assert_close(fair_share_divide(claims, 3, 450, edges), 0);
	assert_close(claims[0].share, 300);
	assert_close(claims[1].share, 150);
	assert_close(claims[2].share, 0);
}

static void nobody_is_no_problem(void **state)
{
	assert_true(isinf(fair_share_divide(NULL, 0, 100, edges)));
}

/* ---- the defining properties, over random claims ---- */

static uint64_t seed = 1;

static double random_below(double most)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return most * (double)(seed >> 40) / (double)(1u << 24);
}

static void make_claims(struct fair_claim *claims, unsigned count, double capacity)
{
	for (unsigned i = 0; i < count; i++)
		claims[i] = (struct fair_claim){
			.floor = random_below(4) < 1 ? random_below(capacity / count) : 0,
			.want = random_below(3) < 1 ? INFINITY : random_below(3 * capacity / count),
			.weight = 0.1 + random_below(10)};
}

/* Whoever gets less than they want has at least as much for their weight as anybody above a floor. */
static void assert_fair(const struct fair_claim *claims, unsigned count, double level)
{
	for (unsigned i = 0; i < count; i++) {
		const struct fair_claim *claim = &claims[i];
		double floor = fmin(claim->floor, claim->want);

		assert_true(claim->share <= claim->want * (1 + CLOSE));
		assert_true(claim->share >= floor * (1 - CLOSE));
		if (claim->share < claim->want * (1 - CLOSE))
			assert_close(claim->share, fmax(floor, level * claim->weight));
	}
}

static void assert_nothing_is_left(
	const struct fair_claim *claims, unsigned count, double capacity, double level)
{
	double sum = 0, wanted = 0;

	for (unsigned i = 0; i < count; i++) {
		sum += claims[i].share;
		wanted += claims[i].want;
	}
	assert_close(sum, fmin(capacity, wanted));
	assert_true(isinf(level) == (wanted <= capacity));
}

static void random_claims_are_divided_fairly_and_completely(void **state)
{
	for (unsigned round = 0; round < 20000; round++) {
		struct fair_claim claims[CLAIMS_MAX];
		unsigned count = 1 + (unsigned)random_below(CLAIMS_MAX);
		double capacity = 1 + random_below(1000);
		double level;

		make_claims(claims, count, capacity);
		level = fair_share_divide(claims, count, capacity, edges);
		assert_fair(claims, count, level);
		assert_nothing_is_left(claims, count, capacity, level);
	}
}

static void nobody_needs_no_room(void **state)
{
	assert_true(isinf(fair_share_divide(NULL, 0, 100, NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_needs_no_room),
		cmocka_unit_test(backlogged_claims_share_by_weight),
		cmocka_unit_test(what_one_leaves_goes_to_the_others),
		cmocka_unit_test(floors_come_first),
		cmocka_unit_test(an_unwanted_floor_is_not_given),
		cmocka_unit_test(satisfied_claims_leave_the_rest_alone),
		cmocka_unit_test(floors_beyond_the_capacity_are_cut_alike),
		cmocka_unit_test(nobody_is_no_problem),
		cmocka_unit_test(random_claims_are_divided_fairly_and_completely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
