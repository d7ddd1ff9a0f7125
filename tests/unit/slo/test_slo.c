#include "../cmocka_all.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "slo/admission.h"
#include "slo/cost.h"
#include "slo/heap.h"
#include "slo/slo.h"

#define MS NS_PER_MS

static const struct slo good = {
	.tier_count = 2,
	.tiers = {{10, 1000, MS}, {20, 2000, 5 * MS}},
	.weight = SLO_WEIGHT_DEFAULT,
};

static void refuse(const struct slo *slo, const char *because)
{
	struct error error;

	assert_int_equal(slo_check(slo, &error), -EINVAL);
	assert_non_null(strstr(error.message, because));
}

static void a_proper_nest_is_accepted(void **state)
{
	struct slo slo = good;

	assert_int_equal(slo_check(&slo, NULL), 0);
	slo.tiers[0].rate_units_per_s = 0;
	assert_int_equal(slo_check(&slo, NULL), 0);
	slo.tier_count = 0;
	assert_int_equal(slo_check(&slo, NULL), 0);
}

/* What lies between the fields, and tiers beyond the count, are not part of a promise. */
static void slos_are_equal_by_what_they_say(void **state)
{
	struct slo a, b;

	memset(&a, 0, sizeof a);
	memset(&b, 0xff, sizeof b);
	for (struct slo *slo = &a; slo; slo = slo == &a ? &b : NULL) {
		slo->tier_count = 1;
		slo->tiers[0].burst_units = 10;
		slo->tiers[0].rate_units_per_s = 1000;
		slo->tiers[0].within_ns = MS;
		slo->weight = 7;
		slo->limit = (struct slo_limit){.bytes_per_s = 1 << 20};
	}
	assert_true(slo_is_equal(&a, &b));
	b.limit.bytes_burst = 1;
	assert_false(slo_is_equal(&a, &b));
	b = a;
	b.tiers[0].within_ns++;
	assert_false(slo_is_equal(&a, &b));
}

static void tiers_must_nest(void **state)
{
	struct slo slo = good;

	slo.tiers[1].burst_units = 9;
	refuse(&slo, "tier 2: burst");
	slo = good;
	slo.tiers[1].rate_units_per_s = 999;
	refuse(&slo, "tier 2: rate");
	slo = good;
	slo.tiers[1].within_ns = MS;
	refuse(&slo, "tier 2: within");
}

static void numbers_must_make_sense(void **state)
{
	struct slo slo = good;

	slo.tiers[0].burst_units = 0;
	refuse(&slo, "tier 1: burst");
	slo = good;
	slo.tiers[1].rate_units_per_s = NAN;
	refuse(&slo, "tier 2: rate");
	slo = good;
	slo.tiers[0].within_ns = 0;
	refuse(&slo, "tier 1: within");
	slo = good;
	slo.weight = 0;
	refuse(&slo, "weight");
	slo = good;
	slo.tier_count = SLO_TIERS_MAX + 1;
	refuse(&slo, "too many");
}

static void a_limit_below_the_promise_is_refused(void **state)
{
	struct slo slo = good;

	slo.limit.operations_per_s = 1999;
	refuse(&slo, "at least 2000");
	slo.limit.operations_per_s = 2000;
	assert_int_equal(slo_check(&slo, NULL), 0);
	slo.limit.bytes_per_s = 1;
	refuse(&slo, "at least 8192000");
}

static void a_random_4_kib_read_costs_one_unit(void **state)
{
	const struct slo_cost_model *model = &slo_cost_model_default;

	assert_true(fabs(slo_cost_units(model, SLO_READ, false, 4096) - 1) < 1e-12);
	assert_true(fabs(slo_cost_units(model, SLO_WRITE, false, 65536) - 4) < 1e-12);
	assert_true(slo_cost_units(model, SLO_FLUSH, false, 0) == model->flush_units);
	assert_true(slo_cost_units(model, SLO_DISCARD, false, 1 << 30) < 1);
}

static void the_dearest_request_may_be_a_sequential_one(void **state)
{
	struct slo_cost_model model = slo_cost_model_default;

	model.write[1].units_per_operation = 3;
	model.write[1].units_per_byte = 1;
	assert_true(slo_cost_units_max(&model, 4096) == 3 + 4096);
}

static void a_heap_gives_the_smallest_first(void **state)
{
	struct heap heap = {0};
	uint64_t last = 0;

	assert_int_equal(heap_reserve(&heap, 10), 0);
	assert_int_equal(heap_reserve(&heap, 1000), 0);
	for (uint64_t index = 0; index < 1000; index++)
		heap_push(&heap, index * 7919 % 1000, NULL);
	for (unsigned index = 0; index < 500; index++)
		heap_change_top(&heap, heap_top(&heap)->key + 300);
	for (unsigned index = 0; index < heap.count; index++)
		heap.entries[index].key = 5000 - heap.entries[index].key;
	heap_rebuild(&heap);
	for (unsigned index = 0; index < 1000; index++) {
		assert_true(heap_top(&heap)->key >= last);
		last = heap_top(&heap)->key;
		heap_pop(&heap);
	}
	assert_null(heap_top(&heap));
	heap_free(&heap);
}

static void a_refusal_says_where_the_promises_collide(void **state)
{
	struct admission_pool pool = {.capacity_units_per_s = 25000, .largest_request_units = 10};
	const struct slo *slos[] = {&good, &good};
	struct error error;

	assert_int_equal(admission_check(&pool, slos, 1, &error), 0);
	assert_int_equal(admission_check(&pool, slos, 2, &error), -ENOSPC);
	assert_non_null(strstr(error.message, "within 1ms needs 30000 units/s"));
}

static void a_tier_shorter_than_twice_the_latency_is_refused(void **state)
{
	struct admission_pool pool = {.capacity_units_per_s = 1e6, .largest_request_units = 10};
	const struct slo *slos[] = {&good};
	struct error error;

	assert_int_equal(admission_check(&pool, slos, 1, &error), 0);
	pool.latency_ns = NS_PER_MS / 2;
	assert_int_equal(admission_check(&pool, slos, 1, &error), -ENOSPC);
	assert_non_null(strstr(error.message, "tier 1: within 1ms is too short"));
	assert_non_null(strstr(error.message, "allow 1030us or more"));
	pool.latency_ns = NS_PER_MS / 4;
	assert_int_equal(admission_check(&pool, slos, 1, &error), 0);
}

static void an_unknown_capacity_promises_nothing(void **state)
{
	const struct slo none = {.weight = 1};
	const struct slo *slos[] = {&good}, *nothing[] = {&none};
	struct admission_pool pool = {.largest_request_units = 10};
	struct error error;

	assert_int_equal(admission_check(&pool, nothing, 1, &error), 0);
	assert_int_equal(admission_check(&pool, slos, 1, &error), -ENOSPC);
	assert_non_null(strstr(error.message, "not known"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proper_nest_is_accepted),
		cmocka_unit_test(slos_are_equal_by_what_they_say),
		cmocka_unit_test(tiers_must_nest),
		cmocka_unit_test(numbers_must_make_sense),
		cmocka_unit_test(a_limit_below_the_promise_is_refused),
		cmocka_unit_test(a_random_4_kib_read_costs_one_unit),
		cmocka_unit_test(the_dearest_request_may_be_a_sequential_one),
		cmocka_unit_test(a_heap_gives_the_smallest_first),
		cmocka_unit_test(a_refusal_says_where_the_promises_collide),
		cmocka_unit_test(a_tier_shorter_than_twice_the_latency_is_refused),
		cmocka_unit_test(an_unknown_capacity_promises_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
