#include "../cmocka_all.h"

#include "base/clock.h"
#include "slo/scheduler.h"

#define MS NS_PER_MS

static const struct slo best_effort_only = {.weight = SLO_WEIGHT_DEFAULT};

static const struct slo two_tiers = {
	.tier_count = 2,
	.tiers = {{2, 100, 1 * MS}, {4, 200, 10 * MS}},
	.weight = SLO_WEIGHT_DEFAULT,
};

/* One at a time at the device, so that tests see the order. */
static const struct scheduler_config one_at_a_time = {
	.capacity_units_per_s = 10000,
	.largest_request_units = 8,
	.window_units_max = 1,
	.is_enforcing = true,
};

struct fixture {
	struct scheduler *scheduler;
	struct flow *flows[4];
	unsigned flow_count;
	struct slo_request requests[16];
	unsigned request_count;
};

static struct fixture fixture;

static void start(const struct scheduler_config *config)
{
	fixture = (struct fixture){0};
	assert_int_equal(scheduler_create(config, &fixture.scheduler), 0);
}

static int end(void **state)
{
	while (fixture.flow_count)
		flow_destroy(fixture.flows[--fixture.flow_count]);
	scheduler_destroy(fixture.scheduler);
	fixture.scheduler = NULL;
	return 0;
}

static struct flow *add_flow(const struct slo *slo)
{
	struct flow **flow = &fixture.flows[fixture.flow_count++];

	assert_int_equal(flow_create(fixture.scheduler, slo, 0, flow), 0);
	return *flow;
}

static struct slo_request *submit(struct flow *flow, double cost_units, uint64_t now_ns)
{
	struct slo_request *request = &fixture.requests[fixture.request_count++];

	request->cost_units = cost_units;
	request->bytes = 4096;
	scheduler_submit(fixture.scheduler, flow, request, now_ns);
	return request;
}

/* What goes next, completed at once. */
static struct slo_request *serve(uint64_t now_ns)
{
	struct slo_request *request = scheduler_next(fixture.scheduler, now_ns);

	if (request)
		scheduler_complete(fixture.scheduler, request, now_ns);
	return request;
}

static void an_empty_scheduler_has_nothing(void **state)
{
	start(&one_at_a_time);
	assert_null(scheduler_next(fixture.scheduler, 0));
	assert_true(scheduler_wake_ns(fixture.scheduler) == UINT64_MAX);
}

static void the_earliest_deadline_goes_first(void **state)
{
	struct slo_request *outer[2], *inner[2], *other;
	struct flow *flow;

	start(&one_at_a_time);
	flow = add_flow(&two_tiers);
	inner[0] = submit(flow, 1, 0);
	inner[1] = submit(flow, 1, 0);
	outer[0] = submit(flow, 1, 0);
	outer[1] = submit(flow, 1, 0);
	other = submit(add_flow(&two_tiers), 1, 5 * MS);
	assert_int_equal(outer[0]->tier, 1);
	assert_ptr_equal(serve(5 * MS), inner[0]);
	assert_ptr_equal(serve(5 * MS), inner[1]);
	assert_ptr_equal(serve(5 * MS), other);
	assert_ptr_equal(serve(5 * MS), outer[0]);
	assert_ptr_equal(serve(5 * MS), outer[1]);
	assert_null(serve(5 * MS));
}

static void best_effort_waits_for_guaranteed_requests(void **state)
{
	struct slo_request *first, *second;

	start(&one_at_a_time);
	first = submit(add_flow(&best_effort_only), 1, 0);
	second = submit(add_flow(&two_tiers), 1, 1);
	assert_int_equal(first->tier, SLO_BEST_EFFORT);
	assert_ptr_equal(serve(1), second);
	assert_ptr_equal(serve(1), first);
}

static void a_request_larger_than_can_be_guaranteed_is_best_effort(void **state)
{
	struct slo slo = {.tier_count = 1, .tiers = {{100, 100, MS}}, .weight = SLO_WEIGHT_DEFAULT};
	struct slo_request *request;

	start(&one_at_a_time);
	request = submit(add_flow(&slo), 8.5, 0);
	assert_int_equal(request->tier, SLO_BEST_EFFORT);
	assert_ptr_equal(serve(0), request);
}

static void the_window_bounds_what_is_in_flight(void **state)
{
	struct scheduler_config config = one_at_a_time;
	struct slo_request *first;
	struct scheduler_state now;
	struct flow *flow;

	config.window_units_max = 3;
	start(&config);
	flow = add_flow(&best_effort_only);
	first = submit(flow, 2, 0);
	submit(flow, 1, 0);
	submit(flow, 1, 0);
	assert_non_null(scheduler_next(fixture.scheduler, 0));
	assert_non_null(scheduler_next(fixture.scheduler, 0));
	assert_null(scheduler_next(fixture.scheduler, 0));
	scheduler_state(fixture.scheduler, &now);
	assert_true(now.in_flight_units == 3);
	scheduler_complete(fixture.scheduler, first, 1);
	assert_non_null(scheduler_next(fixture.scheduler, 1));
	scheduler_complete(fixture.scheduler, &fixture.requests[1], 2);
	scheduler_complete(fixture.scheduler, &fixture.requests[2], 2);
}

static void nothing_is_learnt_from_latencies_that_nobody_trusts(void **state)
{
	struct scheduler_config config = one_at_a_time;
	struct scheduler_state before, after;
	struct flow *flow;

	config.window_units_max = 0;
	start(&config);
	flow = add_flow(&two_tiers);
	scheduler_state(fixture.scheduler, &before);
	for (unsigned i = 0; i < 1000; i++) {
		struct slo_request *request = &fixture.requests[0];

		*request = (struct slo_request){.cost_units = 1, .has_untrusted_latency = true};
		scheduler_submit(fixture.scheduler, flow, request, i * NS_PER_S);
		assert_ptr_equal(scheduler_next(fixture.scheduler, i * NS_PER_S), request);
		scheduler_complete(fixture.scheduler, request, (i + 1) * NS_PER_S);
	}
	scheduler_state(fixture.scheduler, &after);
	assert_true(after.window_units == before.window_units);
	assert_true(after.device_latency_ns == before.device_latency_ns);
	assert_true(after.idle_latency_ns == before.idle_latency_ns);
	assert_true(after.in_flight_units == 0);
}

static void a_request_larger_than_the_window_goes_alone(void **state)
{
	struct slo_request *large, *small;
	struct flow *flow;

	start(&one_at_a_time);
	flow = add_flow(&best_effort_only);
	small = submit(flow, 1, 0);
	large = submit(flow, 64, 0);
	assert_ptr_equal(scheduler_next(fixture.scheduler, 0), small);
	assert_null(scheduler_next(fixture.scheduler, 0));
	scheduler_complete(fixture.scheduler, small, 1);
	assert_ptr_equal(serve(1), large);
}

static void without_enforcement_requests_go_in_the_order_they_came(void **state)
{
	struct scheduler_config config = one_at_a_time;
	struct slo limited = best_effort_only;
	struct flow *noisy, *gold;

	config.is_enforcing = false;
	limited.limit.operations_per_s = 1;
	start(&config);
	noisy = add_flow(&limited);
	gold = add_flow(&two_tiers);
	submit(noisy, 1, 0);
	submit(noisy, 64, 0);
	submit(gold, 1, 0);
	submit(noisy, 1, 0);
	for (unsigned index = 0; index < 4; index++)
		assert_ptr_equal(scheduler_next(fixture.scheduler, 0), &fixture.requests[index]);
	for (unsigned index = 0; index < 4; index++)
		scheduler_complete(fixture.scheduler, &fixture.requests[index], 2 * MS);
	assert_int_equal(flow_audit(gold, 0)->missed, 1);
}

static void turning_enforcement_on_and_off_loses_nothing(void **state)
{
	struct scheduler_config config = one_at_a_time;
	struct slo limited = best_effort_only;
	struct slo_request *early, *held, *late, *first;
	struct flow *flow;

	config.is_enforcing = false;
	limited.limit.operations_per_s = 10;
	start(&config);
	flow = add_flow(&limited);
	first = submit(flow, 1, 0);
	scheduler_configure(fixture.scheduler, &one_at_a_time);
	early = submit(flow, 1, 0);
	held = submit(flow, 1, 0);
	assert_ptr_equal(serve(0), first);
	assert_ptr_equal(serve(0), early);
	assert_null(serve(0));
	scheduler_configure(fixture.scheduler, &config);
	late = submit(flow, 1, 0);
	assert_true(scheduler_wake_ns(fixture.scheduler) == 0);
	assert_ptr_equal(serve(0), held);
	assert_ptr_equal(serve(0), late);
}

static void a_limited_flow_is_held_until_its_bucket_fills(void **state)
{
	struct slo limited = best_effort_only;
	struct slo_request *first, *second, *third;
	struct flow *flow;

	limited.limit.operations_per_s = 10;
	start(&one_at_a_time);
	flow = add_flow(&limited);
	first = submit(flow, 1, 0);
	second = submit(flow, 1, 0);
	third = submit(flow, 1, 0);
	assert_ptr_equal(serve(0), first);
	assert_null(serve(99 * MS));
	assert_int_equal(scheduler_wake_ns(fixture.scheduler), 100 * MS);
	assert_ptr_equal(serve(100 * MS), second);
	assert_null(serve(100 * MS));
	assert_ptr_equal(serve(200 * MS), third);
}

static void a_held_requests_deadline_counts_from_its_release(void **state)
{
	struct slo limited = two_tiers;
	struct slo_request *second;
	struct flow *flow;

	limited.limit.operations_per_s = 200;
	limited.limit.operations_burst = 1;
	start(&one_at_a_time);
	flow = add_flow(&limited);
	submit(flow, 1, 0);
	second = submit(flow, 1, 0);
	assert_non_null(serve(0));
	assert_ptr_equal(serve(5 * MS), second);
	assert_int_equal(second->deadline_ns, 6 * MS);
	assert_int_equal(flow_audit(flow, 0)->met, 2);
}

static void lifting_a_limit_releases_what_it_held(void **state)
{
	struct slo limited = best_effort_only;
	struct slo_request *held, *new;
	struct flow *flow;

	limited.limit.operations_per_s = 10;
	start(&one_at_a_time);
	flow = add_flow(&limited);
	submit(flow, 1, 0);
	held = submit(flow, 1, 0);
	assert_non_null(serve(0));
	flow_set_slo(flow, &best_effort_only, 1);
	new = submit(flow, 1, 1);
	assert_ptr_equal(serve(1), held);
	assert_ptr_equal(serve(1), new);
}

static void the_audit_counts_met_and_missed(void **state)
{
	const struct tier_audit *audit;
	struct flow *flow;

	start(&one_at_a_time);
	flow = add_flow(&two_tiers);
	submit(flow, 1, 0);
	submit(flow, 1, 0);
	assert_non_null(serve(1 * MS));
	assert_non_null(serve(1 * MS + 1));
	audit = flow_audit(flow, 0);
	assert_int_equal(audit->requests, 2);
	assert_int_equal(audit->met, 1);
	assert_int_equal(audit->missed, 1);
	assert_int_equal(audit->bytes, 8192);
	assert_int_equal(audit->cost_milliunits, 2000);
	assert_int_equal(audit->latency_ns.count, 2);
}

static void best_effort_misses_nothing(void **state)
{
	struct flow *flow;

	start(&one_at_a_time);
	flow = add_flow(&best_effort_only);
	submit(flow, 1, 0);
	assert_non_null(serve(3600 * NS_PER_S));
	assert_int_equal(flow_audit(flow, 0)->requests, 1);
	assert_int_equal(flow_audit(flow, 0)->missed, 0);
}

static void a_tighter_slo_pulls_waiting_deadlines_in(void **state)
{
	struct slo tighter = two_tiers;
	struct slo_request *old, *other, *new;
	struct flow *flow;

	tighter.tiers[0].within_ns = MS / 10;
	start(&one_at_a_time);
	flow = add_flow(&two_tiers);
	old = submit(flow, 1, 0);
	other = submit(add_flow(&two_tiers), 1, 0);
	flow_set_slo(flow, &tighter, 10);
	new = submit(flow, 1, 10);
	assert_int_equal(old->deadline_ns, MS / 10 + 10);
	assert_ptr_equal(serve(10), old);
	assert_ptr_equal(serve(10), new);
	assert_ptr_equal(serve(10), other);
}

static void a_changed_slo_gives_no_second_burst(void **state)
{
	struct flow *flow;

	start(&one_at_a_time);
	flow = add_flow(&two_tiers);
	for (unsigned index = 0; index < 4; index++)
		assert_int_not_equal(submit(flow, 1, 0)->tier, SLO_BEST_EFFORT);
	flow_set_slo(flow, &two_tiers, 0);
	assert_int_equal(submit(flow, 1, 0)->tier, SLO_BEST_EFFORT);
	while (serve(0))
		;
}

static void requests_of_a_tier_that_is_gone_are_served(void **state)
{
	struct flow *flow;

	start(&one_at_a_time);
	flow = add_flow(&two_tiers);
	for (unsigned index = 0; index < 4; index++)
		submit(flow, 1, 0);
	flow_set_slo(flow, &best_effort_only, 0);
	for (unsigned index = 0; index < 4; index++)
		assert_ptr_equal(serve(0), &fixture.requests[index]);
}

static unsigned withdrawn_count;

static void count_withdrawn(struct slo_request *request)
{
	withdrawn_count++;
}

static unsigned withdraw(struct flow *flow)
{
	withdrawn_count = 0;
	flow_withdraw(flow, count_withdrawn);
	return withdrawn_count;
}

/* Some in each place where requests wait, and one at the device. */
static void a_withdrawn_flow_leaves_the_others_where_they_were(void **state)
{
	const struct slo limited = {.weight = SLO_WEIGHT_DEFAULT, .limit = {100, 1, 0, 0}};
	struct slo_request *guaranteed, *best_effort, *at_device;
	struct flow *going, *staying, *held;

	start(&one_at_a_time);
	going = add_flow(&two_tiers);
	staying = add_flow(&two_tiers);
	held = add_flow(&limited);
	at_device = submit(going, 1, 0);
	assert_ptr_equal(scheduler_next(fixture.scheduler, 0), at_device);
	submit(going, 1, 0);
	submit(going, 8, 0);
	submit(held, 1, 0);
	submit(held, 1, 0);
	guaranteed = submit(staying, 1, 1);
	best_effort = submit(staying, 8, 1);
	assert_int_equal(withdraw(going), 2);
	assert_int_equal(withdraw(held), 2);
	assert_int_equal(scheduler_wake_ns(fixture.scheduler), UINT64_MAX);
	scheduler_complete(fixture.scheduler, at_device, 2);
	assert_ptr_equal(serve(2), guaranteed);
	assert_ptr_equal(serve(2), best_effort);
	assert_null(serve(2));
}

static void requests_that_are_not_ordered_can_be_withdrawn(void **state)
{
	struct scheduler_config config = one_at_a_time;
	struct flow *going, *staying;
	struct slo_request *first, *second;

	config.is_enforcing = false;
	start(&config);
	going = add_flow(&two_tiers);
	staying = add_flow(&two_tiers);
	submit(going, 1, 0);
	first = submit(staying, 1, 0);
	submit(going, 1, 0);
	second = submit(staying, 1, 0);
	assert_int_equal(withdraw(going), 2);
	assert_ptr_equal(serve(1), first);
	assert_ptr_equal(serve(1), second);
	assert_null(serve(1));
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_empty_scheduler_has_nothing),
		TEST(the_earliest_deadline_goes_first),
		TEST(best_effort_waits_for_guaranteed_requests),
		TEST(a_request_larger_than_can_be_guaranteed_is_best_effort),
		TEST(the_window_bounds_what_is_in_flight),
		TEST(nothing_is_learnt_from_latencies_that_nobody_trusts),
		TEST(a_request_larger_than_the_window_goes_alone),
		TEST(a_withdrawn_flow_leaves_the_others_where_they_were),
		TEST(requests_that_are_not_ordered_can_be_withdrawn),
		TEST(without_enforcement_requests_go_in_the_order_they_came),
		TEST(turning_enforcement_on_and_off_loses_nothing),
		TEST(a_limited_flow_is_held_until_its_bucket_fills),
		TEST(a_held_requests_deadline_counts_from_its_release),
		TEST(lifting_a_limit_releases_what_it_held),
		TEST(the_audit_counts_met_and_missed),
		TEST(best_effort_misses_nothing),
		TEST(a_tighter_slo_pulls_waiting_deadlines_in),
		TEST(a_changed_slo_gives_no_second_burst),
		TEST(requests_of_a_tier_that_is_gone_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
