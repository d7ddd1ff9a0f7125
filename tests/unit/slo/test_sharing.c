/* Best effort by weight, ceilings, and a window that costs no throughput: in simulated time. */
#include "adversary.h"

#define FLOWS_MAX 8u

struct load {
	struct simulation simulation;
	struct flow *flows[FLOWS_MAX];
	struct slo slos[FLOWS_MAX];
	double done_units[FLOWS_MAX];
	double mean_units[FLOWS_MAX];
	unsigned count;
	uint64_t hiccups_every_ns; /* on average; 0: none */
	uint64_t next_hiccup_ns;
	uint64_t seed;
};

static void send(struct load *load, unsigned index)
{
	double cost = load->mean_units[index] * random_between(&load->seed, 0.5, 1.5);

	simulation_submit(&load->simulation, load->flows[index], cost, 4096, index);
}

/* Each completion is followed by another request of the same flow: a constant queue depth. */
static void send_again(struct simulation *simulation, struct simulated_request *done)
{
	struct load *load = simulation->context;

	load->done_units[done->source] += done->request.cost_units;
	if (load->hiccups_every_ns && simulation->now_ns >= load->next_hiccup_ns) {
		simulation_hiccup(simulation, 5 * NS_PER_MS);
		load->next_hiccup_ns =
			simulation->now_ns + 5 * NS_PER_MS +
			(uint64_t)random_between(&load->seed, 0, 2. * load->hiccups_every_ns);
	}
	send(load, done->source);
}

static void load_start(struct load *load, const struct scheduler_config *config)
{
	simulation_start(&load->simulation, config);
	load->simulation.context = load;
	load->simulation.completed = send_again;
	for (unsigned index = 0; index < load->count; index++)
		assert_int_equal(flow_create(load->simulation.scheduler, &load->slos[index], 0,
					 &load->flows[index]),
			0);
}

static void load_send(struct load *load, unsigned depth)
{
	for (unsigned index = 0; index < load->count; index++)
		for (unsigned count = 0; count < depth; count++)
			send(load, index);
}

static void load_end(struct load *load)
{
	load->simulation.completed = NULL;
	simulation_run(&load->simulation, UINT64_MAX);
	for (unsigned index = 0; index < load->count; index++)
		flow_destroy(load->flows[index]);
	simulation_end(&load->simulation);
}

static void best_effort_is_shared_by_weight(void **state)
{
	static const struct scheduler_config config = {
		.capacity_units_per_s = 100000,
		.largest_request_units = 8,
		.window_units_max = 16,
		.is_enforcing = true,
	};

	for (uint64_t round = 0; round < 50; round++) {
		struct load load = {.seed = round, .count = 2 + (unsigned)round % 7};
		double weights = 0, units = 0;

		for (unsigned index = 0; index < load.count; index++) {
			load.slos[index].weight = (uint32_t)random_magnitude(&load.seed, 100, 2000);
			load.mean_units[index] = random_magnitude(&load.seed, 0.5, 4);
			weights += load.slos[index].weight;
		}
		/* One of them also has a promise, which is served before and not counted. */
		load.slos[0].tier_count = 1;
		load.slos[0].tiers[0] = (struct slo_tier){16, 10000, 10 * NS_PER_MS};
		load_start(&load, &config);
		load_send(&load, 64);
		simulation_run(&load.simulation, 2 * NS_PER_S);
		for (unsigned index = 0; index < load.count; index++) {
			const struct tier_audit *audit =
				flow_audit(load.flows[index], SLO_BEST_EFFORT);

			load.done_units[index] = (double)audit->cost_milliunits / 1000;
			units += load.done_units[index];
		}
		for (unsigned index = 0; index < load.count; index++) {
			double share = load.done_units[index] / units;
			double due = load.slos[index].weight / weights;

			if (fabs(share / due - 1) > 0.02)
				fail_msg("seed %llu: flow %u got %.4f instead of %.4f",
					(unsigned long long)round, index, share, due);
		}
		load_end(&load);
	}
}

#define PASSES 300u

struct pass {
	uint64_t at_ns;
	uint64_t bytes;
};

/* Let all requests through, in order, as early as the limits allow. */
static void pass_all(struct scheduler *scheduler, struct slo_request *requests, struct pass *passes)
{
	struct slo_request *request;
	unsigned passed = 0;

	for (uint64_t now_ns = 0; passed < PASSES; now_ns = scheduler_wake_ns(scheduler)) {
		assert_true(now_ns != UINT64_MAX);
		while ((request = scheduler_next(scheduler, now_ns))) {
			assert_ptr_equal(request, &requests[passed]);
			passes[passed++] = (struct pass){now_ns, request->bytes};
			scheduler_complete(scheduler, request, now_ns);
		}
	}
}

/* Over every interval that starts with one pass. Bursts are a tenth of a second's worth. */
static void expect_within_limit(
	const struct slo_limit *limit, const struct pass *passes, unsigned from)
{
	double operations_per_s = (double)limit->operations_per_s;
	double bytes_per_s = (double)limit->bytes_per_s, bytes = 0;

	for (unsigned to = from; to < PASSES; to++) {
		double time_s = 0.1 + (double)(passes[to].at_ns - passes[from].at_ns) / 1e9;
		/* The last may be larger than the bucket. */
		double excess_bytes = fmax((double)passes[to].bytes - bytes_per_s / 10, 0);

		bytes += (double)passes[to].bytes;
		assert_true(to - from + 1 <= (operations_per_s * time_s + 1) * (1 + 1e-9));
		assert_true(bytes <= (bytes_per_s * time_s + excess_bytes) * (1 + 1e-9) + 1);
	}
}

static void limits_hold_over_every_interval(void **state)
{
	static const struct scheduler_config config = {
		.capacity_units_per_s = 1e6, .largest_request_units = 8, .is_enforcing = true};

	for (uint64_t round = 0; round < 200; round++) {
		struct slo slo = {.weight = SLO_WEIGHT_DEFAULT};
		struct slo_request requests[PASSES] = {0};
		struct pass passes[PASSES];
		struct scheduler *scheduler;
		uint64_t seed = round;
		struct flow *flow;

		slo.limit.operations_per_s = (uint64_t)random_magnitude(&seed, 5, 10000);
		slo.limit.bytes_per_s = (uint64_t)random_magnitude(&seed, 1e5, 1e9);
		assert_int_equal(scheduler_create(&config, &scheduler), 0);
		assert_int_equal(flow_create(scheduler, &slo, 0, &flow), 0);
		for (unsigned index = 0; index < PASSES; index++) {
			requests[index].cost_units = 1;
			requests[index].bytes = (uint64_t)random_magnitude(&seed, 512, 4e6);
			scheduler_submit(scheduler, flow, &requests[index], 0);
		}
		pass_all(scheduler, requests, passes);
		for (unsigned from = 0; from < PASSES; from++)
			expect_within_limit(&slo.limit, passes, from);
		flow_destroy(flow);
		scheduler_destroy(scheduler);
	}
}

/* What a flood gets on a device that works on many requests at once, beside a promise. */
static double flood_throughput(uint64_t hiccups_every_ns, double mean_units, bool is_enforcing)
{
	static const struct scheduler_config config = {.capacity_units_per_s = 200000,
		.largest_request_units = 16,
		.window_units_max = 1024};
	struct scheduler_config chosen = config;
	struct load load = {.seed = 1, .count = 2, .hiccups_every_ns = hiccups_every_ns};
	double units;

	chosen.is_enforcing = is_enforcing;
	load.slos[0].weight = SLO_WEIGHT_DEFAULT;
	load.slos[0].tier_count = 2;
	load.slos[0].tiers[0] = (struct slo_tier){16, 5000, NS_PER_MS};
	load.slos[0].tiers[1] = (struct slo_tier){64, 10000, 10 * NS_PER_MS};
	load.slos[1].weight = SLO_WEIGHT_DEFAULT;
	load.mean_units[0] = 1;
	load.mean_units[1] = mean_units;
	load_start(&load, &chosen);
	load.simulation.latency_ns = 100 * NS_PER_US;
	load_send(&load, 64);
	simulation_run(&load.simulation, 3 * NS_PER_S);
	units = load.simulation.done_units;
	load_end(&load);
	return units;
}

static void the_window_costs_no_throughput(void **state)
{
	static const double means[] = {0.5, 1, 4, 10};

	for (unsigned index = 0; index < 4; index++)
		assert_true(flood_throughput(0, means[index], true) >=
			    0.95 * flood_throughput(0, means[index], false));
}

static void hiccups_do_not_collapse_the_window(void **state)
{
	static const double means[] = {0.5, 1, 4, 10};

	for (unsigned index = 0; index < 4; index++)
		assert_true(flood_throughput(20 * NS_PER_MS, means[index], true) >=
			    0.95 * flood_throughput(20 * NS_PER_MS, means[index], false));
}

static void a_promise_too_tight_for_the_device_does_not_cost_its_throughput(void **state)
{
	struct scheduler_config config = {
		.capacity_units_per_s = 200000, .largest_request_units = 4, .is_enforcing = true};
	struct load load = {.seed = 1, .count = 2};

	load.slos[0] =
		(struct slo){.tier_count = 1, .tiers = {{1, 1, 50 * NS_PER_US}}, .weight = 1};
	load.slos[1].weight = 100;
	load.mean_units[0] = load.mean_units[1] = 1;
	load_start(&load, &config);
	load.simulation.latency_ns = 100 * NS_PER_US;
	load_send(&load, 128);
	simulation_run(&load.simulation, NS_PER_S);
	assert_true(load.simulation.done_units >= 0.95 * 200000);
	load_end(&load);
}

static void the_latency_of_an_idle_device_is_measured(void **state)
{
	struct scheduler_config config = {
		.capacity_units_per_s = 200000, .largest_request_units = 4, .is_enforcing = true};
	struct load load = {.seed = 1, .count = 1};
	struct scheduler_state now;

	load.slos[0].weight = 100;
	load.mean_units[0] = 1;
	load_start(&load, &config);
	load.simulation.latency_ns = 100 * NS_PER_US;
	load_send(&load, 1);
	simulation_run(&load.simulation, NS_PER_S);
	scheduler_state(load.simulation.scheduler, &now);
	assert_in_range(now.idle_latency_ns, 99 * NS_PER_US, 101 * NS_PER_US);
	load_end(&load);
}

static void a_slower_device_shrinks_the_window(void **state)
{
	struct scheduler_config config = {
		.capacity_units_per_s = 200000, .largest_request_units = 4, .is_enforcing = true};
	struct load load = {.seed = 1, .count = 2};
	struct scheduler_state before, after;

	load.slos[0] = (struct slo){.tier_count = 1, .tiers = {{1, 1, NS_PER_MS}}, .weight = 1};
	load.slos[1].weight = 100;
	load.mean_units[0] = load.mean_units[1] = 1;
	load_start(&load, &config);
	load_send(&load, 256);
	simulation_run(&load.simulation, NS_PER_S);
	scheduler_state(load.simulation.scheduler, &before);
	load.simulation.units_per_s = 50000;
	simulation_run(&load.simulation, 2 * NS_PER_S);
	scheduler_state(load.simulation.scheduler, &after);
	assert_true(after.window_units < before.window_units / 3);
	assert_true(after.device_latency_ns < 300 * NS_PER_US);
	load_end(&load);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(best_effort_is_shared_by_weight),
		cmocka_unit_test(limits_hold_over_every_interval),
		cmocka_unit_test(the_window_costs_no_throughput),
		cmocka_unit_test(hiccups_do_not_collapse_the_window),
		cmocka_unit_test(a_promise_too_tight_for_the_device_does_not_cost_its_throughput),
		cmocka_unit_test(the_latency_of_an_idle_device_is_measured),
		cmocka_unit_test(a_slower_device_shrinks_the_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
