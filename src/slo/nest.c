#include "slo/nest.h"

void nest_init(struct nest *nest, const struct slo *slo, uint64_t now_ns)
{
	nest->tier_count = slo->tier_count;
	for (unsigned tier = 0; tier < slo->tier_count; tier++)
		token_bucket_init(&nest->buckets[tier], slo->tiers[tier].rate_units_per_s,
			slo->tiers[tier].burst_units, now_ns);
}

/* Restore the order of levels below `tier`. */
static void cut_inner(struct nest *nest, unsigned tier)
{
	for (; tier > 0; tier--)
		if (nest->buckets[tier - 1].level > nest->buckets[tier].level)
			nest->buckets[tier - 1].level = nest->buckets[tier].level;
}

void nest_change(struct nest *nest, const struct slo *slo, uint64_t now_ns)
{
	struct nest old = *nest;
	double used = 0;

	nest_init(nest, slo, now_ns);
	for (unsigned tier = 0; tier < slo->tier_count; tier++) {
		struct token_bucket *bucket = &nest->buckets[tier];

		if (tier < old.tier_count) {
			token_bucket_refill(&old.buckets[tier], now_ns);
			used = old.buckets[tier].burst - old.buckets[tier].level;
		}
		bucket->level = bucket->burst > used ? bucket->burst - used : 0;
	}
	if (slo->tier_count)
		cut_inner(nest, slo->tier_count - 1);
}

unsigned nest_classify(struct nest *nest, double cost_units, uint64_t now_ns)
{
	unsigned tier = nest->tier_count, outer;

	for (outer = 0; outer < nest->tier_count; outer++)
		token_bucket_refill(&nest->buckets[outer], now_ns);
	while (tier > 0 && nest->buckets[tier - 1].level >= cost_units)
		tier--;
	if (tier == nest->tier_count)
		return SLO_BEST_EFFORT;
	for (outer = tier; outer < nest->tier_count; outer++)
		nest->buckets[outer].level -= cost_units;
	cut_inner(nest, tier);
	return tier;
}
