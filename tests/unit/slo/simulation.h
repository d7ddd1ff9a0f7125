/*
 * A scheduler and its device in simulated time, for property tests.
 *
 * The device serves what it is given in order, at `units_per_s`, and answers each request
 * `latency_ns` after it has served it (0: a serial device; more: one that works on many at once).
 * Whoever drives the simulation submits requests between calls of simulation_run.
 */
#ifndef SLUICE_TESTS_SLO_SIMULATION_H
#define SLUICE_TESTS_SLO_SIMULATION_H

#include "../cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "slo/flow.h"
#include "slo/scheduler.h"
#include "slo/scheduler_private.h"

#define SIMULATION_REQUESTS (1u << 20) /* at once; memory is touched as it is needed */

struct simulated_request {
	struct slo_request request; /* first: cast from it */
	uint64_t done_ns;
	unsigned source; /* of the driver */
	STAILQ_ENTRY(simulated_request) in_device;
};

struct simulation {
	struct scheduler *scheduler;
	uint64_t now_ns;
	unsigned waiting; /* submitted and not yet dispatched, held ones included */

	double units_per_s;
	uint64_t latency_ns;
	double device_free_ns;
	STAILQ_HEAD(, simulated_request) in_device;
	double done_units;

	struct simulated_request *pool;
	unsigned pool_used;
	STAILQ_HEAD(, slo_request) unused;

	/* Called after a completion, to submit more. */
	void (*completed)(struct simulation *simulation, struct simulated_request *request);
	void *context;
};

/* A small generator with 64 bits of state: splitmix64. */
static inline uint64_t random_bits(uint64_t *seed)
{
	uint64_t bits = *seed += 0x9e3779b97f4a7c15ull;

	bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9ull;
	bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebull;
	return bits ^ (bits >> 31);
}

static inline double random_between(uint64_t *seed, double low, double high)
{
	return low + (high - low) * (double)(random_bits(seed) >> 11) * 0x1p-53;
}

/* Log-uniform: as many small as large ones. */
static inline double random_magnitude(uint64_t *seed, double low, double high)
{
	return low * exp(random_between(seed, 0, log(high / low)));
}

static inline unsigned random_below(uint64_t *seed, unsigned count)
{
	return (unsigned)(random_bits(seed) % count);
}

static inline void simulation_start(
	struct simulation *simulation, const struct scheduler_config *config)
{
	*simulation = (struct simulation){.units_per_s = config->capacity_units_per_s};
	STAILQ_INIT(&simulation->in_device);
	STAILQ_INIT(&simulation->unused);
	simulation->pool = calloc(SIMULATION_REQUESTS, sizeof *simulation->pool);
	assert_non_null(simulation->pool);
	assert_int_equal(scheduler_create(config, &simulation->scheduler), 0);
}

/* The flows have been destroyed. */
static inline void simulation_end(struct simulation *simulation)
{
	scheduler_destroy(simulation->scheduler);
	free(simulation->pool);
}

static inline struct slo_request *simulation_take(struct simulation *simulation)
{
	struct slo_request *request = STAILQ_FIRST(&simulation->unused);

	if (request) {
		STAILQ_REMOVE_HEAD(&simulation->unused, next);
		return request;
	}
	assert_true(simulation->pool_used < SIMULATION_REQUESTS);
	return &simulation->pool[simulation->pool_used++].request;
}

static inline struct simulated_request *simulation_submit(struct simulation *simulation,
	struct flow *flow, double cost_units, uint64_t bytes, unsigned source)
{
	struct slo_request *request = simulation_take(simulation);
	struct simulated_request *simulated = (struct simulated_request *)request;

	request->cost_units = cost_units;
	request->bytes = bytes;
	simulated->source = source;
	simulation->waiting++;
	scheduler_submit(simulation->scheduler, flow, request, simulation->now_ns);
	return simulated;
}

static inline void simulation_dispatch(struct simulation *simulation)
{
	struct slo_request *request;

	while ((request = scheduler_next(simulation->scheduler, simulation->now_ns))) {
		struct simulated_request *simulated = (struct simulated_request *)request;
		double start_ns = fmax(simulation->device_free_ns, (double)simulation->now_ns);
		double end_ns = start_ns + request->cost_units * 1e9 / simulation->units_per_s;

		simulation->device_free_ns = end_ns;
		simulated->done_ns = (uint64_t)ceil(end_ns) + simulation->latency_ns;
		simulation->waiting--;
		STAILQ_INSERT_TAIL(&simulation->in_device, simulated, in_device);
	}
	/* Work-conserving: an idle device means that nobody but held flows has work. */
	if (STAILQ_EMPTY(&simulation->in_device) && !simulation->scheduler->held.count)
		assert_int_equal(simulation->waiting, 0);
}

/* When the next request will be completed; UINT64_MAX if none is in the device. */
static inline uint64_t simulation_completes_ns(const struct simulation *simulation)
{
	struct simulated_request *first = STAILQ_FIRST(&simulation->in_device);

	return first ? first->done_ns : UINT64_MAX;
}

/* The device stops for a while, with everything in it. */
static inline void simulation_hiccup(struct simulation *simulation, uint64_t length_ns)
{
	struct simulated_request *request;

	STAILQ_FOREACH (request, &simulation->in_device, in_device)
		request->done_ns += length_ns;
	simulation->device_free_ns =
		fmax(simulation->device_free_ns, (double)simulation->now_ns) + (double)length_ns;
}

static inline void simulation_complete(struct simulation *simulation)
{
	struct simulated_request *done = STAILQ_FIRST(&simulation->in_device);

	STAILQ_REMOVE_HEAD(&simulation->in_device, in_device);
	scheduler_complete(simulation->scheduler, &done->request, simulation->now_ns);
	simulation->done_units += done->request.cost_units;
	STAILQ_INSERT_HEAD(&simulation->unused, &done->request, next);
	if (simulation->completed)
		simulation->completed(simulation, done);
}

/* Let time pass until `until_ns`, dispatching and completing on the way. */
static inline void simulation_run(struct simulation *simulation, uint64_t until_ns)
{
	for (;;) {
		uint64_t next_ns, wake_ns;

		simulation_dispatch(simulation);
		next_ns = simulation_completes_ns(simulation);
		wake_ns = scheduler_wake_ns(simulation->scheduler);
		if (wake_ns < next_ns)
			next_ns = wake_ns;
		if (next_ns > until_ns || next_ns == UINT64_MAX)
			break;
		if (next_ns > simulation->now_ns)
			simulation->now_ns = next_ns;
		while (simulation_completes_ns(simulation) <= simulation->now_ns)
			simulation_complete(simulation);
	}
	if (until_ns != UINT64_MAX)
		simulation->now_ns = until_ns;
}

static inline uint64_t simulation_missed(struct flow *const *flows, unsigned count)
{
	uint64_t missed = 0;

	for (unsigned index = 0; index < count; index++)
		for (unsigned tier = 0; tier < SLO_TIERS_MAX; tier++)
			missed += flows[index]->audits[tier].missed;
	return missed;
}

#endif
