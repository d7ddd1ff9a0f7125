/* What tests of gates share: a pool with one request at a time at its device, and gates on it. Included once per program. */
#include "../cmocka_all.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "disk/gate.h"

#define GATES_MAX 2u

struct gate_end {
	struct gate *gate;
	struct gate_descriptors descriptors;
	struct gate_region *region; /* as the module's process maps it */
};

static struct sidecore *sidecore;
static struct pool *pool;
static struct gate_end ends[GATES_MAX];
static struct error error;

static const struct slo best_effort = {.weight = SLO_WEIGHT_DEFAULT};

/* Late only on a machine that has stopped. */
static const struct slo tier_of_a_minute = {
	.tier_count = 1, .tiers = {{8, 1000, 60 * NS_PER_S}}, .weight = SLO_WEIGHT_DEFAULT};
static const struct slo tier_of_two_minutes = {
	.tier_count = 1, .tiers = {{8, 1000, 120 * NS_PER_S}}, .weight = SLO_WEIGHT_DEFAULT};

static inline void start_pool(const char *backend)
{
	const struct sidecore_config core = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	const struct pool_config config = {.name = "pool",
		.backend = backend_find(backend),
		.capacity_units_per_s = 10000,
		.cost = slo_cost_model_default,
		.largest_request_bytes = 256 << 10,
		.in_flight_max = 1,
		.is_enforcing = true};

	assert_int_equal(sidecore_start(&core, &sidecore, &error), 0);
	assert_int_equal(pool_create(&config, sidecore, &pool, &error), 0);
}

static inline void open_end(struct gate_end *end)
{
	assert_int_equal(gate_open(end->gate, &end->descriptors, &error), 0);
	end->region = mmap(NULL, sizeof *end->region, PROT_READ | PROT_WRITE, MAP_SHARED,
		end->descriptors.region, 0);
	assert_ptr_not_equal(end->region, MAP_FAILED);
}

static inline void close_end(struct gate_end *end)
{
	munmap(end->region, sizeof *end->region);
	end->region = NULL;
	gate_close(end->gate);
}

static inline struct gate_end *add_gate(unsigned index, const struct slo *slo)
{
	struct gate_config config = {.slo = *slo};
	struct gate_end *end = &ends[index];

	snprintf(config.name, sizeof config.name, "module%u", index);
	assert_int_equal(gate_create(pool, &config, &end->gate, &error), 0);
	open_end(end);
	return end;
}

static inline int stop_pool(void **state)
{
	for (unsigned i = 0; i < GATES_MAX; i++) {
		if (ends[i].region)
			close_end(&ends[i]);
		if (ends[i].gate)
			gate_destroy(ends[i].gate);
		ends[i] = (struct gate_end){0};
	}
	pool_destroy(pool);
	sidecore_stop(sidecore);
	return 0;
}

static inline struct gate_statistics statistics_of(const struct gate_end *end)
{
	struct gate_statistics statistics;

	gate_statistics(end->gate, &statistics);
	return statistics;
}

static inline uint64_t requests_of_tier(const struct gate_end *end, unsigned tier)
{
	return __atomic_load_n(&gate_audit(end->gate, tier)->requests, __ATOMIC_RELAXED);
}
