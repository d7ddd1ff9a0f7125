/*
 * Admission: can a pool keep all its promises at once?
 *
 * Theory of operation. EDF keeps every deadline on a device of capacity C exactly if, for every
 * interval of length t, the work that arrives in it and is due in it never exceeds C*t, less what one
 * request already at the device can block. The worst an adversary can do with a nest of tiers is
 * described in admission.c; its demand is linear between the tiers' response times and rises no
 * faster than C, so only those times need checking. A device with a latency of its own leaves twice
 * that less of each response time: once for the answer, once for what must be in flight meanwhile.
 */
#ifndef SLUICE_SLO_ADMISSION_H
#define SLUICE_SLO_ADMISSION_H

#include "slo/slo.h"

struct admission_pool {
	double capacity_units_per_s;
	double largest_request_units; /* no guaranteed request costs more, no other blocks longer */
	uint64_t latency_ns; /* the device's own: from having served a request to its answer */
};

/*
 * What must be in flight, without the next request, for the device to deliver its capacity: nothing
 * if it has no latency.
 */
double admission_busy_units(const struct admission_pool *pool);

/*
 * The capacity in units/s that would keep the promises of all `count` SLOs at once; the pool can
 * keep them if its capacity is at least this.
 */
double admission_required_units_per_s(
	const struct admission_pool *pool, const struct slo *const *slos, unsigned count);

/*
 * Accept or refuse. Returns 0, or -ENOSPC with an `error` that says what would be needed, what there
 * is, and at which response time the promises collide.
 */
int admission_check(const struct admission_pool *pool, const struct slo *const *slos,
	unsigned count, struct error *error);

/*
 * Is one SLO possible at all on a device of this latency? Part of admission_check, for callers who
 * know which disk it is. Returns 0, or -ENOSPC with the tier, and what would fit, named in `error`.
 */
int admission_check_latency(
	const struct admission_pool *pool, const struct slo *slo, struct error *error);

#endif
