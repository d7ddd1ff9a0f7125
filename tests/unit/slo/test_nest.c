#include "adversary.h"

#include "slo/demand.h"
#include "slo/nest.h"

#define MS NS_PER_MS

static const struct slo three_tiers = {
	.tier_count = 3,
	.tiers = {{2, 1000, MS}, {4, 2000, 5 * MS}, {8, 2000, 50 * MS}},
	.weight = SLO_WEIGHT_DEFAULT,
};

static void a_request_belongs_to_the_innermost_tier_that_holds_it(void **state)
{
	static const unsigned expected[] = {0, 0, 1, 1, 2, 2, 2, 2, SLO_BEST_EFFORT};
	struct nest nest;

	nest_init(&nest, &three_tiers, 0);
	for (unsigned index = 0; index < sizeof expected / sizeof *expected; index++)
		assert_int_equal(nest_classify(&nest, 1, 0), expected[index]);
}

static void a_request_pays_in_every_bucket_around_its_own(void **state)
{
	struct nest nest;

	nest_init(&nest, &three_tiers, 0);
	assert_int_equal(nest_classify(&nest, 3, 0), 1);
	assert_true(nest.buckets[0].level == 1);
	assert_true(nest.buckets[1].level == 1);
	assert_true(nest.buckets[2].level == 5);
}

static void best_effort_pays_nothing(void **state)
{
	struct nest nest;

	nest_init(&nest, &three_tiers, 0);
	assert_int_equal(nest_classify(&nest, 8.5, 0), SLO_BEST_EFFORT);
	assert_true(nest.buckets[2].level == 8);
}

static void buckets_fill_at_their_rates_up_to_their_bursts(void **state)
{
	struct nest nest;

	nest_init(&nest, &three_tiers, 0);
	while (nest_classify(&nest, 1, 0) != SLO_BEST_EFFORT)
		;
	assert_int_equal(nest_classify(&nest, 1, 499999), SLO_BEST_EFFORT);
	assert_int_equal(nest_classify(&nest, 1, 500001), 1);
	assert_int_equal(nest_classify(&nest, 2, 100 * MS), 0);
}

static void a_flow_without_tiers_is_best_effort(void **state)
{
	static const struct slo none = {.weight = SLO_WEIGHT_DEFAULT};
	struct nest nest;

	nest_init(&nest, &none, 0);
	assert_int_equal(nest_classify(&nest, 0, 0), SLO_BEST_EFFORT);
}

static void a_changed_nest_remembers_what_was_used(void **state)
{
	struct slo larger = three_tiers;
	struct nest nest;

	larger.tiers[2].burst_units = 10;
	nest_init(&nest, &three_tiers, 0);
	nest_classify(&nest, 2, 0);
	nest_change(&nest, &larger, 0);
	assert_true(nest.buckets[0].level == 0);
	assert_true(nest.buckets[1].level == 2);
	assert_true(nest.buckets[2].level == 8);
}

#define ARRIVALS 400u

struct arrival {
	uint64_t at_ns;
	double cost_units;
	unsigned tier;
};

/* A guest that picks times and costs to hurt. */
static void attack(
	const struct slo *slo, double largest_units, struct arrival *arrivals, uint64_t *seed)
{
	uint64_t now_ns = 0;
	struct nest nest;

	nest_init(&nest, slo, 0);
	for (unsigned index = 0; index < ARRIVALS; index++) {
		double cost = nasty_cost(&nest, now_ns, largest_units, seed);

		if (cost == 0 || random_below(seed, 8) == 0)
			now_ns += (uint64_t)random_magnitude(seed, 1e3, 5e6);
		arrivals[index] = (struct arrival){now_ns, cost, SLO_BEST_EFFORT};
		if (cost > 0)
			arrivals[index].tier = nest_classify(&nest, cost, now_ns);
		for (unsigned tier = 1; tier < nest.tier_count; tier++)
			assert_true(nest.buckets[tier - 1].level <= nest.buckets[tier].level);
	}
}

/* Over every interval that starts with one arrival. */
static void expect_within_envelope(const struct slo_tier *envelope, unsigned tier,
	const struct arrival *arrivals, unsigned from, uint64_t round)
{
	double units = 0, allowed;

	for (unsigned to = from; to < ARRIVALS; to++) {
		if (arrivals[to].tier <= tier)
			units += arrivals[to].cost_units;
		allowed = envelope->burst_units +
			  envelope->rate_units_per_s *
				  (double)(arrivals[to].at_ns - arrivals[from].at_ns) / 1e9;
		if (units > allowed * (1 + 1e-9))
			fail_msg("seed %llu: tier %u took %g of %g", (unsigned long long)round,
				tier, units, allowed);
	}
}

static void tiers_up_to_j_never_exceed_envelope_j(void **state)
{
	static struct arrival arrivals[ARRIVALS];

	for (uint64_t round = 0; round < 400; round++) {
		uint64_t seed = round;
		struct slo slo = random_slo(&seed, 16);
		unsigned tier = random_below(&seed, slo.tier_count);

		attack(&slo, 16, arrivals, &seed);
		for (unsigned from = 0; from < ARRIVALS; from++)
			expect_within_envelope(&slo.tiers[tier], tier, arrivals, from, round);
	}
}

/* The demand bound of admission.c for one flow: burst and rate increments. */
static double demand_bound(const struct slo *slo, uint64_t length_ns)
{
	struct slo_tier inner = {0};
	double units = 0;

	for (unsigned tier = 0; tier < slo->tier_count; tier++) {
		const struct slo_tier *outer = &slo->tiers[tier];

		if (outer->within_ns > length_ns)
			break;
		units += outer->burst_units - inner.burst_units +
			 (outer->rate_units_per_s - inner.rate_units_per_s) *
				 (double)(length_ns - outer->within_ns) / 1e9;
		inner = *outer;
	}
	return units;
}

static double work_due_within(
	const struct slo *slo, const struct arrival *arrivals, unsigned from, uint64_t length_ns)
{
	uint64_t end_ns = arrivals[from].at_ns + length_ns;
	double units = 0;

	for (unsigned index = from; index < ARRIVALS && arrivals[index].at_ns <= end_ns; index++)
		if (arrivals[index].tier != SLO_BEST_EFFORT &&
			arrivals[index].at_ns + slo->tiers[arrivals[index].tier].within_ns <=
				end_ns)
			units += arrivals[index].cost_units;
	return units;
}

static void no_guest_makes_more_due_than_the_demand_bound(void **state)
{
	static struct arrival arrivals[ARRIVALS];

	for (uint64_t round = 0; round < 1000; round++) {
		uint64_t seed = round;
		struct slo slo = random_slo(&seed, 16);

		attack(&slo, 16, arrivals, &seed);
		for (unsigned from = 0; from < ARRIVALS; from += 1 + random_below(&seed, 8)) {
			unsigned last = from + random_below(&seed, ARRIVALS - from);
			uint64_t length_ns =
				arrivals[last].at_ns - arrivals[from].at_ns +
				slo.tiers[random_below(&seed, slo.tier_count)].within_ns;
			double units = work_due_within(&slo, arrivals, from, length_ns);

			if (units > demand_bound(&slo, length_ns) * (1 + 1e-9))
				fail_msg("seed %llu: %g units due within %llu ns, bound %g",
					(unsigned long long)round, units,
					(unsigned long long)length_ns,
					demand_bound(&slo, length_ns));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_belongs_to_the_innermost_tier_that_holds_it),
		cmocka_unit_test(a_request_pays_in_every_bucket_around_its_own),
		cmocka_unit_test(best_effort_pays_nothing),
		cmocka_unit_test(buckets_fill_at_their_rates_up_to_their_bursts),
		cmocka_unit_test(a_flow_without_tiers_is_best_effort),
		cmocka_unit_test(a_changed_nest_remembers_what_was_used),
		cmocka_unit_test(tiers_up_to_j_never_exceed_envelope_j),
		cmocka_unit_test(no_guest_makes_more_due_than_the_demand_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
