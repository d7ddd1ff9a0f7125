/*
 * What the scheduler costs: nanoseconds per request for classify + schedule + complete, at 10 to
 * 10,000 disks of three tiers. Plain text, or JSON with --json.
 *
 * Every disk has requests waiting in each of its tiers and in best effort, so that the heap over the
 * tiers' heads is as full as it gets. A completed request is sent again, to a disk chosen at random,
 * so that caches see what they would see with that many disks. Time in the scheduler is simulated:
 * reading the clock is not part of what is measured.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "slo/flow.h"
#include "slo/scheduler.h"

#define REQUESTS_PER_FLOW 8u
#define ROUND_REQUESTS 2000000u
#define ROUNDS 3u

struct bench {
	struct scheduler *scheduler;
	struct flow **flows;
	struct slo_request *requests;
	unsigned flow_count;
	uint64_t now_ns;
	uint64_t step_ns; /* simulated time per request */
	uint64_t seed;
};

static struct flow *random_flow(struct bench *bench)
{
	bench->seed = bench->seed * 6364136223846793005ull + 1442695040888963407ull;
	return bench->flows[(bench->seed >> 33) * bench->flow_count >> 31];
}

/* Disks of three tiers that together are offered slightly more than their outermost rates. */
static int bench_start(struct bench *bench, unsigned flow_count)
{
	static const struct slo slo = {
		.tier_count = 3,
		.tiers = {{4, 500, 1000000}, {8, 800, 5000000}, {16, 1000, 20000000}},
		.weight = SLO_WEIGHT_DEFAULT,
	};
	struct scheduler_config config = {
		.capacity_units_per_s = 1100. * flow_count,
		.largest_request_units = 64,
		.window_units_max = 32,
		.is_enforcing = true,
	};
	int result = scheduler_create(&config, &bench->scheduler);

	bench->flow_count = flow_count;
	bench->step_ns = NS_PER_S / (1100ull * flow_count);
	bench->flows = calloc(flow_count, sizeof(struct flow *));
	bench->requests =
		calloc((size_t)flow_count * REQUESTS_PER_FLOW, sizeof(struct slo_request));
	if (result || !bench->flows || !bench->requests)
		return -1;
	for (unsigned index = 0; index < flow_count; index++)
		if (flow_create(bench->scheduler, &slo, 0, &bench->flows[index]))
			return -1;
	return 0;
}

static void bench_fill(struct bench *bench)
{
	for (unsigned index = 0; index < bench->flow_count * REQUESTS_PER_FLOW; index++) {
		bench->requests[index].cost_units = 1 + index % 4;
		bench->requests[index].bytes = 4096;
		scheduler_submit(bench->scheduler, bench->flows[index / REQUESTS_PER_FLOW],
			&bench->requests[index], 0);
	}
}

/* One request through all of it. */
static void bench_step(struct bench *bench)
{
	struct slo_request *request = scheduler_next(bench->scheduler, bench->now_ns);

	bench->now_ns += bench->step_ns;
	scheduler_complete(bench->scheduler, request, bench->now_ns);
	scheduler_submit(bench->scheduler, random_flow(bench), request, bench->now_ns);
}

static double bench_round_ns(struct bench *bench)
{
	uint64_t start_ns = clock_now_ns();

	for (unsigned count = 0; count < ROUND_REQUESTS; count++)
		bench_step(bench);
	return (double)(clock_now_ns() - start_ns) / ROUND_REQUESTS;
}

static void bench_end(struct bench *bench)
{
	struct slo_request *request;

	while ((request = scheduler_next(bench->scheduler, bench->now_ns)))
		scheduler_complete(bench->scheduler, request, bench->now_ns);
	for (unsigned index = 0; index < bench->flow_count; index++)
		flow_destroy(bench->flows[index]);
	scheduler_destroy(bench->scheduler);
	free(bench->flows);
	free(bench->requests);
}

/* The share of requests that were guaranteed: says that the tiers were in use. */
static double guaranteed_share(const struct bench *bench)
{
	double all = 0, guaranteed = 0;

	for (unsigned index = 0; index < bench->flow_count; index++)
		for (unsigned tier = 0; tier <= 3; tier++) {
			double requests = (double)flow_audit(bench->flows[index], tier)->requests;

			all += requests;
			guaranteed += tier < 3 ? requests : 0;
		}
	return all > 0 ? guaranteed / all : 0;
}

int main(int argc, char **argv)
{
	static const unsigned counts[] = {10, 100, 1000, 10000};
	bool is_json = argc > 1 && strcmp(argv[1], "--json") == 0;

	printf(is_json ? "[" : "disks  ns/request  guaranteed\n");
	for (unsigned index = 0; index < sizeof counts / sizeof *counts; index++) {
		struct bench bench = {.seed = 1};
		double best_ns = 1e9, round_ns;

		if (bench_start(&bench, counts[index]))
			errx(1, "no memory for %u disks", counts[index]);
		bench_fill(&bench);
		for (unsigned round = 0; round < ROUNDS; round++) {
			round_ns = bench_round_ns(&bench);
			best_ns = round_ns < best_ns ? round_ns : best_ns;
		}
		printf(is_json ? "%s{\"disks\": %u, \"ns_per_request\": %.1f, \"guaranteed\": %.3f}"
			       : "%s%5u  %10.1f  %9.0f%%\n",
			is_json && index ? ", " : "", counts[index], best_ns,
			guaranteed_share(&bench) * (is_json ? 1 : 100));
		bench_end(&bench);
	}
	if (is_json)
		printf("]\n");
	return 0;
}
