/* Random SLOs, and guests that do their worst with them. */
#ifndef SLUICE_TESTS_SLO_ADVERSARY_H
#define SLUICE_TESTS_SLO_ADVERSARY_H

#include "simulation.h"

/*
 * Tiers with bursts, rates and times over several orders of magnitude, often equal to or hardly more
 * than those of the tier inside: that is where a careless analysis fails.
 */
static inline struct slo random_slo(uint64_t *seed, double largest_units)
{
	struct slo slo = {.tier_count = 1 + random_below(seed, 4), .weight = SLO_WEIGHT_DEFAULT};
	struct slo_tier tier = {
		.burst_units = random_magnitude(seed, 1, 4 * largest_units),
		.within_ns = (uint64_t)random_magnitude(seed, 2e5, 2e7),
	};

	if (random_below(seed, 8))
		tier.rate_units_per_s = tier.burst_units * random_magnitude(seed, 1, 2000);
	for (unsigned index = 0; index < slo.tier_count; index++) {
		slo.tiers[index] = tier;
		if (random_below(seed, 3))
			tier.burst_units *= random_magnitude(seed, 1, 8);
		if (random_below(seed, 3))
			tier.rate_units_per_s *= random_magnitude(seed, 1, 3);
		tier.within_ns += 1 + (uint64_t)random_magnitude(seed, 1e3, 1e7);
	}
	return slo;
}

/* The nest of a flow as it would be at a time. */
static inline struct nest nest_at(const struct nest *nest, uint64_t now_ns)
{
	struct nest copy = *nest;

	for (unsigned tier = 0; tier < copy.tier_count; tier++)
		token_bucket_refill(&copy.buckets[tier], now_ns);
	return copy;
}

/*
 * A cost that hurts: one that empties a bucket, one just too large for a tier (so that it goes to the
 * tier around it and leaves this one's bucket), the largest, or anything. 0 if nothing more would
 * be guaranteed.
 */
static inline double nasty_cost(
	const struct nest *nest, uint64_t now_ns, double largest_units, uint64_t *seed)
{
	struct nest now = nest_at(nest, now_ns);
	unsigned tier = random_below(seed, now.tier_count);
	double most = fmin(now.buckets[now.tier_count - 1].level, largest_units);
	double cost;

	switch (random_below(seed, 6)) {
	case 0:
		cost = now.buckets[tier].level;
		break;
	case 1:
	case 2:
		cost = nextafter(now.buckets[tier].level, INFINITY);
		break;
	case 3:
		cost = most;
		break;
	case 4:
		cost = random_between(seed, 0.01, 1) * most;
		break;
	default:
		cost = random_magnitude(seed, 0.1, 2);
	}
	cost = fmin(cost, largest_units);
	return cost <= most && cost > 1e-3 ? cost : 0;
}

#endif
