#include "control/describe/describe_slo.h"

#include "base/counter.h"

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *describe_buckets(const struct histogram *histogram)
{
	json_t *buckets = json_array();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t count = counter_get(&histogram->buckets[i]);

		if (count)
			json_array_append_new(
				buckets, json_pack("[I, I]", (json_int_t)histogram_bucket_limit(i),
						 (json_int_t)count));
	}
	return buckets;
}

static json_t *describe_latency(const struct histogram *histogram)
{
	json_t *latency = json_object();

	json_object_set_new(latency, "p50", number(histogram_quantile(histogram, 0.5)));
	json_object_set_new(latency, "p99", number(histogram_quantile(histogram, 0.99)));
	json_object_set_new(latency, "p99.9", number(histogram_quantile(histogram, 0.999)));
	json_object_set_new(latency, "max", number(counter_get(&histogram->max)));
	json_object_set_new(latency, "mean", number(histogram_mean(histogram)));
	json_object_set_new(latency, "buckets", describe_buckets(histogram));
	return latency;
}

static double disks_milliunits(const struct host *host, const struct pool *pool)
{
	double sum = 0;

	for (unsigned i = 0; i < host->configuration->disks_count; i++) {
		const struct disk *disk = host->disks[i].disk;

		for (unsigned tier = 0;
			disk_pool(disk) == pool && tier <= disk_config(disk)->slo.tier_count;
			tier++)
			sum += (double)counter_get(&disk_audit(disk, tier)->cost_milliunits);
	}
	return sum;
}

static double modules_milliunits(const struct host *host, const struct pool *pool)
{
	double sum = 0;

	for (unsigned i = 0; host->modules && i < host->configuration->modules_count; i++) {
		const struct gate *gate =
			host->modules[i] ? module_supervisor_gate(host->modules[i]) : NULL;

		for (unsigned tier = 0; gate && gate_pool(gate) == pool &&
					tier <= gate_config(gate)->slo.tier_count;
			tier++)
			sum += (double)counter_get(&gate_audit(gate, tier)->cost_milliunits);
	}
	return sum;
}

static json_t *describe_tier(
	const struct described_member *member, unsigned tier, double pool_milliunits)
{
	const struct slo *slo = member->slo;
	const struct tier_audit *audit = member->audits[tier];
	double milliunits = (double)counter_get(&audit->cost_milliunits);
	json_t *description = json_object();

	json_object_set_new(description, "is_guaranteed", json_boolean(tier < slo->tier_count));
	if (tier < slo->tier_count) {
		const struct slo_tier *promise = &slo->tiers[tier];

		json_object_set_new(description, "burst_units", json_real(promise->burst_units));
		json_object_set_new(
			description, "rate_units_per_s", json_real(promise->rate_units_per_s));
		json_object_set_new(description, "within_ns", number(promise->within_ns));
	}
	json_object_set_new(description, "requests", number(counter_get(&audit->requests)));
	json_object_set_new(description, "met", number(counter_get(&audit->met)));
	json_object_set_new(description, "missed", number(counter_get(&audit->missed)));
	json_object_set_new(description, "bytes", number(counter_get(&audit->bytes)));
	json_object_set_new(description, "cost_units", json_real(milliunits / 1000));
	json_object_set_new(description, "share_of_pool",
		json_real(pool_milliunits > 0 ? milliunits / pool_milliunits : 0));
	json_object_set_new(description, "latency_ns", describe_latency(&audit->latency_ns));
	return description;
}

static json_t *describe_tiers(const struct host *host, const struct described_member *member)
{
	double pool_milliunits =
		disks_milliunits(host, member->pool) + modules_milliunits(host, member->pool);
	json_t *tiers = json_array();

	for (unsigned tier = 0; tier <= member->slo->tier_count; tier++)
		json_array_append_new(tiers, describe_tier(member, tier, pool_milliunits));
	return tiers;
}

static json_t *describe_limit(const struct slo_limit *limit)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "operations_per_s",
		(json_int_t)limit->operations_per_s, "operations_burst",
		(json_int_t)limit->operations_burst, "bytes_per_s", (json_int_t)limit->bytes_per_s,
		"bytes_burst", (json_int_t)limit->bytes_burst);
}

void describe_slo(
	json_t *description, const struct host *host, const struct described_member *member)
{
	json_object_set_new(description, "weight", number(member->slo->weight));
	json_object_set_new(description, "limit", describe_limit(&member->slo->limit));
	json_object_set_new(description, "tiers", describe_tiers(host, member));
}

void describe_promises(
	const struct described_member *member, json_int_t *requests, json_int_t *missed)
{
	*requests = *missed = 0;
	for (unsigned tier = 0; tier < member->slo->tier_count; tier++) {
		const struct tier_audit *audit = member->audits[tier];

		*requests += (json_int_t)(counter_get(&audit->met) + counter_get(&audit->missed));
		*missed += (json_int_t)counter_get(&audit->missed);
	}
}
