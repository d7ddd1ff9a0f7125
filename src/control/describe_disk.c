#include "base/counter.h"
#include "control/describe.h"

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

/* What the disks of a pool have cost so far, for shares of it. */
static double pool_cost_milliunits(const struct host *host, const struct pool *pool)
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

static json_t *describe_tier(const struct disk *disk, unsigned tier, double pool_milliunits)
{
	const struct slo *slo = &disk_config(disk)->slo;
	const struct tier_audit *audit = disk_audit(disk, tier);
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

static json_t *describe_tiers(const struct host *host, const struct disk *disk)
{
	double pool_milliunits = pool_cost_milliunits(host, disk_pool(disk));
	json_t *tiers = json_array();

	for (unsigned tier = 0; tier <= disk_config(disk)->slo.tier_count; tier++)
		json_array_append_new(tiers, describe_tier(disk, tier, pool_milliunits));
	return tiers;
}

static json_t *describe_limit(const struct slo_limit *limit)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "operations_per_s",
		(json_int_t)limit->operations_per_s, "operations_burst",
		(json_int_t)limit->operations_burst, "bytes_per_s", (json_int_t)limit->bytes_per_s,
		"bytes_burst", (json_int_t)limit->bytes_burst);
}

static json_t *describe_statistics(const struct disk_statistics *statistics)
{
	const struct {
		const char *key;
		uint64_t value;
	} counters[] = {
		{"reads", statistics->reads},
		{"writes", statistics->writes},
		{"flushes", statistics->flushes},
		{"discards", statistics->discards},
		{"write_zeroes", statistics->write_zeroes},
		{"read_bytes", statistics->read_bytes},
		{"write_bytes", statistics->write_bytes},
		{"errors", statistics->errors},
		{"in_flight", statistics->in_flight},
		{"reconnects", statistics->reconnects},
	};
	json_t *description = json_object();

	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		json_object_set_new(description, counters[i].key, number(counters[i].value));
	return description;
}

/* Guaranteed requests and those of them that were late. */
static void sum_promises(const struct disk *disk, json_int_t *requests, json_int_t *missed)
{
	*requests = *missed = 0;
	for (unsigned tier = 0; tier < disk_config(disk)->slo.tier_count; tier++) {
		const struct tier_audit *audit = disk_audit(disk, tier);

		*requests += (json_int_t)(counter_get(&audit->met) + counter_get(&audit->missed));
		*missed += (json_int_t)counter_get(&audit->missed);
	}
}

json_t *describe_disk_briefly(const struct host *host, unsigned index)
{
	const struct disk *disk = host->disks[index].disk;
	const struct disk_config *config = disk_config(disk);
	struct disk_statistics statistics;
	json_int_t requests, missed;

	disk_statistics(disk, &statistics);
	sum_promises(disk, &requests, &missed);
	return json_pack("{s:s, s:s, s:I, s:b, s:b, s:b, s:b, s:I, s:s, s:i, s:I, s:I}", "name",
		config->name, "pool", pool_config(disk_pool(disk))->name, "size_bytes",
		(json_int_t)statistics.size_bytes, "is_connected", statistics.is_connected,
		"is_leaving", statistics.is_leaving, "is_broken", statistics.is_broken,
		"is_read_only", config->is_read_only, "queues", (json_int_t)config->queue_count,
		"socket", config->socket_path, "tier_count", (int)config->slo.tier_count,
		"guaranteed_requests", requests, "guaranteed_missed", missed);
}

json_t *describe_disk(const struct host *host, unsigned index)
{
	const struct disk *disk = host->disks[index].disk;
	const struct disk_config *config = disk_config(disk);
	json_t *description = describe_disk_briefly(host, index);
	struct disk_statistics statistics;
	char image[PATH_MAX];

	disk_statistics(disk, &statistics);
	json_object_set_new(description, "serial", json_string(config->serial));
	json_object_set_new(
		description, "backend", json_string(pool_config(disk_pool(disk))->backend->name));
	disk_image(disk, image, sizeof image);
	json_object_set_new(description, "image", json_string(image));
	json_object_set_new(description, "is_direct", json_boolean(statistics.is_direct));
	json_object_set_new(
		description, "is_from_file", json_boolean(host->disks[index].is_from_file));
	json_object_set_new(description, "weight", number(config->slo.weight));
	json_object_set_new(description, "limit", describe_limit(&config->slo.limit));
	json_object_set_new(description, "tiers", describe_tiers(host, disk));
	json_object_set_new(description, "statistics", describe_statistics(&statistics));
	return description;
}
