/*
 * The promise itself, in simulated time: an admitted set never misses, whatever the guests do; and a
 * refused one could really not have been kept.
 */
#include "adversary.h"

#include <errno.h>

#include "slo/admission.h"
#include "slo/demand.h"

#define FLOWS_MAX 6u
#define START_NS NS_PER_MS /* of the attack; buckets are full before */
#define FLOOD FLOWS_MAX	   /* the source of best-effort requests */

struct world {
	struct simulation simulation;
	struct admission_pool pool;
	struct slo slos[FLOWS_MAX];
	struct flow *flows[FLOWS_MAX];
	struct flow *flood;
	unsigned count;
	double required_units_per_s;
	uint64_t critical_ns;
	uint64_t seed;
};

static void find_required(struct world *world)
{
	const struct slo *slos[FLOWS_MAX];
	struct demand demand = {0};

	for (unsigned index = 0; index < world->count; index++)
		slos[index] = &world->slos[index];
	assert_int_equal(demand_reserve(&demand, FLOWS_MAX * SLO_TIERS_MAX), 0);
	for (unsigned index = 0; index < world->count; index++)
		demand_insert(&demand, slos[index]);
	world->required_units_per_s = demand_required_units_per_s(&demand,
		world->pool.largest_request_units * (world->pool.latency_ns ? 2 : 1),
		2 * world->pool.latency_ns, &world->critical_ns);
	demand_free(&demand);

	/* Admission draws the line exactly there. */
	assert_true(fabs(admission_required_units_per_s(&world->pool, slos, world->count) /
				    world->required_units_per_s -
			    1) < 1e-9);
	world->pool.capacity_units_per_s = world->required_units_per_s * (1 + 1e-9);
	assert_int_equal(admission_check(&world->pool, slos, world->count, NULL), 0);
	world->pool.capacity_units_per_s = world->required_units_per_s * (1 - 1e-6);
	assert_int_equal(admission_check(&world->pool, slos, world->count, NULL), -ENOSPC);
}

/* Every other device has a latency of its own, up to nearly half of the tightest response time. */
static uint64_t random_latency_ns(struct world *world)
{
	uint64_t tightest_ns = UINT64_MAX;

	for (unsigned index = 0; index < world->count; index++)
		if (world->slos[index].tiers[0].within_ns < tightest_ns)
			tightest_ns = world->slos[index].tiers[0].within_ns;
	if (random_below(&world->seed, 2))
		return 0;
	return (uint64_t)random_between(&world->seed, 0, 0.45 * (double)tightest_ns);
}

/* A random set of SLOs, on a pool that has `capacity_factor` of what they need. */
static void world_start(struct world *world, uint64_t seed, double capacity_factor)
{
	static const struct slo none = {.weight = SLO_WEIGHT_DEFAULT};
	struct scheduler_config config = {.is_enforcing = true};

	*world = (struct world){.seed = seed};
	world->count = 1 + random_below(&world->seed, FLOWS_MAX);
	world->pool.largest_request_units = random_magnitude(&world->seed, 1, 64);
	for (unsigned index = 0; index < world->count; index++) {
		world->slos[index] = random_slo(&world->seed, world->pool.largest_request_units);
		assert_int_equal(slo_check(&world->slos[index], NULL), 0);
	}
	world->pool.latency_ns = random_latency_ns(world);
	find_required(world);
	config.capacity_units_per_s = world->required_units_per_s * capacity_factor;
	world->pool.capacity_units_per_s = config.capacity_units_per_s;
	config.largest_request_units = world->pool.largest_request_units;
	config.device_latency_ns = world->pool.latency_ns;
	if (!world->pool.latency_ns)
		config.window_units_max = random_below(&world->seed, 2) ? 0 : 1;
	simulation_start(&world->simulation, &config);
	world->simulation.latency_ns = world->pool.latency_ns;
	for (unsigned index = 0; index < world->count; index++)
		assert_int_equal(flow_create(world->simulation.scheduler, &world->slos[index], 0,
					 &world->flows[index]),
			0);
	assert_int_equal(flow_create(world->simulation.scheduler, &none, 0, &world->flood), 0);
}

/* Let everything be served; returns how many requests missed their deadlines. */
static uint64_t world_end(struct world *world)
{
	uint64_t missed;

	world->simulation.completed = NULL;
	simulation_run(&world->simulation, UINT64_MAX);
	missed = simulation_missed(world->flows, world->count);
	for (unsigned index = 0; index < world->count; index++)
		flow_destroy(world->flows[index]);
	flow_destroy(world->flood);
	simulation_end(&world->simulation);
	return missed;
}

/* Keep the device full of the largest requests there are, between those that are promised. */
static void flood_again(struct simulation *simulation, struct simulated_request *done)
{
	struct world *world = simulation->context;
	double cost = world->pool.largest_request_units;

	if (done->source != FLOOD)
		return;
	if (random_below(&world->seed, 4) == 0)
		cost = random_between(&world->seed, 0.1, 1) * cost;
	simulation_submit(simulation, world->flood, cost, 4096, FLOOD);
}

static void flood(struct world *world)
{
	world->simulation.context = world;
	world->simulation.completed = flood_again;
	for (unsigned index = 0; index < 256; index++)
		simulation_submit(&world->simulation, world->flood,
			world->pool.largest_request_units, 4096, FLOOD);
	simulation_run(&world->simulation, START_NS);
}

static void send_all(struct world *world, unsigned index)
{
	struct flow *flow = world->flows[index];

	for (unsigned tries = 0; tries < 200; tries++) {
		double cost = nasty_cost(&flow->nest, world->simulation.now_ns,
			world->pool.largest_request_units, &world->seed);

		if (cost > 0)
			simulation_submit(&world->simulation, flow, cost, 4096, index);
	}
}

/* Bursts of nasty costs: of all flows at the same moments, or each by itself. */
static void attack_with_bursts(struct world *world)
{
	bool is_synchronous = random_below(&world->seed, 2);
	unsigned rounds = 20;

	for (unsigned round = 0; round < rounds; round++) {
		double pause_ns = random_magnitude(&world->seed, 1e4, 2e7);
		unsigned only = random_below(&world->seed, world->count);

		for (unsigned index = 0; index < world->count; index++)
			if (is_synchronous || index == only)
				send_all(world, index);
		simulation_run(&world->simulation, world->simulation.now_ns + (uint64_t)pause_ns);
	}
}

/* Of a flow: the outermost tier that is due by the end, if it arrives now; 0 if none is. */
static unsigned tiers_due(const struct slo *slo, uint64_t now_ns, uint64_t end_ns)
{
	unsigned tiers = 0;

	while (tiers < slo->tier_count && now_ns + slo->tiers[tiers].within_ns <= end_ns)
		tiers++;
	return tiers;
}

/* The next time that the flow can send a request that is due by the end; UINT64_MAX for never. */
static uint64_t next_send_ns(
	const struct world *world, unsigned index, double cost_units, uint64_t end_ns)
{
	struct nest nest = nest_at(&world->flows[index]->nest, world->simulation.now_ns);
	unsigned tiers = tiers_due(&world->slos[index], world->simulation.now_ns, end_ns);
	uint64_t send_ns = UINT64_MAX;

	for (; tiers > 0; tiers--) {
		send_ns = token_bucket_reaches_ns(&nest.buckets[tiers - 1], cost_units);
		if (send_ns <= end_ns && tiers_due(&world->slos[index], send_ns, end_ns) == tiers)
			break;
		send_ns = UINT64_MAX;
	}
	return send_ns;
}

/*
 * What admission.c says is the worst: all flows at once send as much as is due within the critical
 * time, in small requests, each moment from the outermost tier that still counts.
 */
static void attack_with_the_worst_case(struct world *world)
{
	uint64_t length_ns = world->critical_ns, end_ns;
	double costs[FLOWS_MAX];

	if (length_ns == UINT64_MAX) { /* the rates are too high: any long time will do */
		length_ns = 0;
		for (unsigned index = 0; index < world->count; index++) {
			const struct slo *slo = &world->slos[index];
			uint64_t within_ns = slo->tiers[slo->tier_count - 1].within_ns;

			length_ns = within_ns > length_ns ? within_ns : length_ns;
		}
		length_ns *= 12; /* at 10 % overload, 10 make anything late */
	}
	end_ns = world->simulation.now_ns + length_ns;
	for (unsigned index = 0; index < world->count; index++) {
		const struct slo *slo = &world->slos[index];
		const struct slo_tier *outer = &slo->tiers[slo->tier_count - 1];
		double all = outer->burst_units + outer->rate_units_per_s * (double)length_ns / 1e9;

		costs[index] = fmin(fmin(slo->tiers[0].burst_units / 4, all / 500),
			world->pool.largest_request_units);
	}
	for (;;) {
		uint64_t send_ns = UINT64_MAX;
		unsigned sender = 0;

		for (unsigned index = 0; index < world->count; index++) {
			uint64_t own_ns = next_send_ns(world, index, costs[index], end_ns);

			if (own_ns < send_ns) {
				send_ns = own_ns;
				sender = index;
			}
		}
		if (send_ns == UINT64_MAX)
			return;
		if (send_ns > world->simulation.now_ns)
			simulation_run(&world->simulation, send_ns);
		simulation_submit(
			&world->simulation, world->flows[sender], costs[sender], 4096, sender);
	}
}

static void check_nothing_missed(uint64_t missed, uint64_t seed)
{
	if (missed)
		fail_msg("seed %llu: %llu requests missed their deadlines",
			(unsigned long long)seed, (unsigned long long)missed);
}

static void an_admitted_set_survives_bursts_of_nasty_requests(void **state)
{
	static struct world world;

	for (uint64_t seed = 0; seed < 600; seed++) {
		world_start(&world, seed, 1 + 1e-6);
		flood(&world);
		attack_with_bursts(&world);
		check_nothing_missed(world_end(&world), seed);
	}
}

static void an_admitted_set_survives_the_worst_case(void **state)
{
	static struct world world;

	for (uint64_t seed = 1000; seed < 1300; seed++) {
		world_start(&world, seed, 1 + 1e-6);
		flood(&world);
		attack_with_the_worst_case(&world);
		check_nothing_missed(world_end(&world), seed);
	}
}

/* With as much as the window must allow: what the device needs to be busy, and the largest request. */
static void fill_idle_device(struct world *world)
{
	double largest = world->pool.largest_request_units;
	double busy = admission_busy_units(&world->pool) - 0.01;

	while (busy > largest) {
		simulation_submit(&world->simulation, world->flood, largest, 4096, FLOOD);
		busy -= largest;
	}
	if (busy > 0.01)
		simulation_submit(&world->simulation, world->flood, busy, 4096, FLOOD);
	simulation_submit(&world->simulation, world->flood, largest, 4096, FLOOD);
}

static void a_refused_set_could_not_have_been_kept(void **state)
{
	static struct world world;

	for (uint64_t seed = 2000; seed < 2300; seed++) {
		world_start(&world, seed, 1 / 1.1);
		simulation_run(&world.simulation, START_NS);
		fill_idle_device(&world);
		simulation_run(&world.simulation, START_NS + 1);
		attack_with_the_worst_case(&world);
		if (!world_end(&world))
			fail_msg("seed %llu: refused, but nothing was missed",
				(unsigned long long)seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_admitted_set_survives_bursts_of_nasty_requests),
		cmocka_unit_test(an_admitted_set_survives_the_worst_case),
		cmocka_unit_test(a_refused_set_could_not_have_been_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
