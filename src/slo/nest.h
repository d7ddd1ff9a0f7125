/*
 * A nest of token buckets, one per tier: says which tier a request belongs to.
 *
 * Theory of operation. A request belongs to the innermost tier whose bucket, and every bucket around
 * it, holds its cost; it pays in all of those. One that does not fit the outermost is best effort and
 * pays nothing.
 *
 * A bucket never holds more than the one around it: after a request that only outer tiers could
 * take, the inner buckets are cut down to the level of the innermost that paid. Without this, a
 * guest could spend the outer buckets on requests slightly too large for the inner ones, keep those
 * full, and then ask for both bursts; every tier would have to be paid for once per nesting. What a
 * guest loses by it is less than the cost of the request that overflowed. Because refilling keeps
 * the order too (an outer bucket is never smaller or slower), the levels always rise outwards, and
 * admission rests on that.
 */
#ifndef SLUICE_SLO_NEST_H
#define SLUICE_SLO_NEST_H

#include "slo/slo.h"
#include "slo/token_bucket.h"

struct nest {
	unsigned tier_count;
	struct token_bucket buckets[SLO_TIERS_MAX]; /* innermost first */
};

/* All buckets full. */
void nest_init(struct nest *nest, const struct slo *slo, uint64_t now_ns);

/* Another SLO for the same flow: what has been used of the old bursts is used of the new ones. */
void nest_change(struct nest *nest, const struct slo *slo, uint64_t now_ns);

/* The tier of a request that arrives now, or SLO_BEST_EFFORT; the buckets are charged. */
unsigned nest_classify(struct nest *nest, double cost_units, uint64_t now_ns);

#endif
