#include "slo/demand.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* Where a walk over the steps is: the demand at a response time, every step there included. */
struct demand_point {
	unsigned next;
	uint64_t within_ns;
	double units;
	double rate_units_per_s;
};

int demand_reserve(struct demand *demand, unsigned capacity)
{
	struct demand_step *steps;

	if (capacity <= demand->capacity)
		return 0;
	steps = realloc(demand->steps, capacity * sizeof *steps);
	if (!steps)
		return -ENOMEM;
	demand->steps = steps;
	demand->capacity = capacity;
	return 0;
}

void demand_free(struct demand *demand)
{
	free(demand->steps);
	*demand = (struct demand){0};
}

static struct demand_step step_of(const struct slo *slo, unsigned tier)
{
	const struct slo_tier *outer = &slo->tiers[tier];
	struct demand_step step = {outer->within_ns, outer->burst_units, outer->rate_units_per_s};

	if (tier) {
		step.burst_units -= outer[-1].burst_units;
		step.rate_units_per_s -= outer[-1].rate_units_per_s;
	}
	return step;
}

void demand_append(struct demand *demand, const struct slo *slo)
{
	assert(demand->count + slo->tier_count <= demand->capacity);
	for (unsigned tier = 0; tier < slo->tier_count; tier++)
		demand->steps[demand->count++] = step_of(slo, tier);
}

static int compare_steps(const void *a, const void *b)
{
	const struct demand_step *left = a, *right = b;

	return (left->within_ns > right->within_ns) - (left->within_ns < right->within_ns);
}

void demand_sort(struct demand *demand)
{
	if (demand->count)
		qsort(demand->steps, demand->count, sizeof *demand->steps, compare_steps);
}

/* The first step that is not earlier than `within_ns`. */
static unsigned find(const struct demand *demand, uint64_t within_ns)
{
	unsigned low = 0, high = demand->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (demand->steps[middle].within_ns < within_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void demand_insert(struct demand *demand, const struct slo *slo)
{
	assert(demand->count + slo->tier_count <= demand->capacity);
	for (unsigned tier = 0; tier < slo->tier_count; tier++) {
		struct demand_step *at = demand->steps + find(demand, slo->tiers[tier].within_ns);

		memmove(at + 1, at, (size_t)(demand->steps + demand->count - at) * sizeof *at);
		*at = step_of(slo, tier);
		demand->count++;
	}
}

static bool is_same(const struct demand_step *a, const struct demand_step *b)
{
	return a->within_ns == b->within_ns && a->burst_units == b->burst_units &&
	       a->rate_units_per_s == b->rate_units_per_s;
}

void demand_remove(struct demand *demand, const struct slo *slo)
{
	for (unsigned tier = 0; tier < slo->tier_count; tier++) {
		struct demand_step gone = step_of(slo, tier);
		unsigned at = find(demand, gone.within_ns);

		while (at < demand->count && !is_same(&demand->steps[at], &gone))
			at++;
		assert(at < demand->count);
		demand->count--;
		memmove(demand->steps + at, demand->steps + at + 1,
			(demand->count - at) * sizeof *demand->steps);
	}
}

/* Go to the next response time. Returns false at the end. */
static bool advance(const struct demand *demand, struct demand_point *point)
{
	uint64_t within_ns;

	if (point->next == demand->count)
		return false;
	within_ns = demand->steps[point->next].within_ns;
	point->units += point->rate_units_per_s * (double)(within_ns - point->within_ns) / NS_PER_S;
	point->within_ns = within_ns;
	while (point->next < demand->count && demand->steps[point->next].within_ns == within_ns) {
		point->units += demand->steps[point->next].burst_units;
		point->rate_units_per_s += demand->steps[point->next].rate_units_per_s;
		point->next++;
	}
	return true;
}

double demand_required_units_per_s(
	const struct demand *demand, double blocking_units, uint64_t latency_ns, uint64_t *at_ns)
{
	struct demand_point point = {0};
	uint64_t worst_ns = UINT64_MAX;
	double required = 0;

	while (advance(demand, &point)) {
		double needed = INFINITY;

		if (point.within_ns > latency_ns)
			needed = (point.units + blocking_units) * NS_PER_S /
				 (double)(point.within_ns - latency_ns);
		if (needed > required) {
			required = needed;
			worst_ns = point.within_ns;
		}
	}
	if (point.rate_units_per_s > required) {
		required = point.rate_units_per_s;
		worst_ns = UINT64_MAX;
	}
	if (at_ns)
		*at_ns = worst_ns;
	return required;
}

double demand_slack_units(
	const struct demand *demand, double capacity_units_per_s, uint64_t latency_ns)
{
	struct demand_point point = {0};
	double slack = INFINITY;

	while (advance(demand, &point)) {
		double time_ns = (double)point.within_ns - (double)latency_ns;
		double served = capacity_units_per_s * time_ns / NS_PER_S;

		slack = fmin(slack, served - point.units);
	}
	return point.rate_units_per_s > capacity_units_per_s ? -INFINITY : slack;
}

uint64_t demand_tightest_ns(const struct demand *demand)
{
	return demand->count ? demand->steps[0].within_ns : UINT64_MAX;
}
