/*
 * The demand of a set of SLOs: how much work an adversary can make due within any interval of
 * length t, and what it takes to serve that in time. The theory is in admission.c.
 *
 * Demand is kept as steps, one per tier: at its response time the demand jumps by what the tier's
 * burst adds to the tier inside it, and from there grows faster by what its rate adds.
 */
#ifndef SLUICE_SLO_DEMAND_H
#define SLUICE_SLO_DEMAND_H

#include <stdint.h>

#include "slo/slo.h"

struct demand_step {
	uint64_t within_ns;
	double burst_units;	 /* more than the tier inside it */
	double rate_units_per_s; /* more than the tier inside it */
};

struct demand {
	struct demand_step *steps; /* sorted by within_ns where not said otherwise */
	unsigned count;
	unsigned capacity;
};

/* Make room for `capacity` steps in all. Returns 0 or -ENOMEM. */
int demand_reserve(struct demand *demand, unsigned capacity);
void demand_free(struct demand *demand);

/* Add many SLOs: append each, which leaves the steps unsorted, then sort. There must be room. */
void demand_append(struct demand *demand, const struct slo *slo);
void demand_sort(struct demand *demand);

/* Add to, and take from, a sorted demand. There must be room; what is removed must be there. */
void demand_insert(struct demand *demand, const struct slo *slo);
void demand_remove(struct demand *demand, const struct slo *slo);

/*
 * The capacity at which all work is done `latency_ns` before it is due if `blocking_units` of other
 * work may be ahead of it at the device; INFINITY if some is due sooner than that. `at_ns` (or NULL)
 * becomes the response time that needs it, UINT64_MAX if it is the sum of the rates.
 */
double demand_required_units_per_s(
	const struct demand *demand, double blocking_units, uint64_t latency_ns, uint64_t *at_ns);

/*
 * How much other work may be ahead at a device of this capacity and latency with all work still
 * answered in time: INFINITY without any demand, negative if the demand is too much by itself.
 */
double demand_slack_units(
	const struct demand *demand, double capacity_units_per_s, uint64_t latency_ns);

/* The tightest response time; UINT64_MAX without any demand. */
uint64_t demand_tightest_ns(const struct demand *demand);

#endif
