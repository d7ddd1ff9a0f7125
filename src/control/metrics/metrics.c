/*
 * Theory of operation. Each table lists the metrics of one kind of thing, by where their values are in
 * a sample of it. For each kind a sample per thing is taken first, since the format wants all things
 * under one metric and not all metrics under one thing.
 */
#include "control/metrics/metrics.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "control/metrics/exposition.h"
#include "control/metrics/metrics_device.h"
#include "control/metrics/metrics_module.h"
#include "control/metrics/metrics_network.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* ---- sidecores ---- */

#define FIELD(field) offsetof(struct sidecore_counters, field)
static const struct metric sidecore_metrics[] = {
	{"sluice_sidecore_polls_busy_total", "counter", "Rounds of polling that found work.",
		METRIC_COUNT, FIELD(polls_busy), 0},
	{"sluice_sidecore_polls_idle_total", "counter", "Rounds of polling that found none.",
		METRIC_COUNT, FIELD(polls_idle), 0},
	{"sluice_sidecore_sleeps_total", "counter", "Times the sidecore went to sleep.",
		METRIC_COUNT, FIELD(sleeps), 0},
	{"sluice_sidecore_kicks_total", "counter", "Doorbells rung by guests.", METRIC_COUNT,
		FIELD(kicks_received), 0},
	{"sluice_sidecore_calls_total", "counter", "Interrupts sent to guests.", METRIC_COUNT,
		FIELD(calls_sent), 0},
	{"sluice_sidecore_cpu_seconds_total", "counter", "CPU time used.", METRIC_COUNT,
		FIELD(cpu_ns), NS_PER_S},
};
#undef FIELD

static void write_sidecores(FILE *to, const struct host *host)
{
	static const struct metric_group group = {
		{"sidecore"}, sidecore_metrics, COUNT_OF(sidecore_metrics)};
	struct metric_subject *subjects = calloc(host->sidecore_count + 1, sizeof *subjects);

	for (unsigned i = 0; subjects && i < host->sidecore_count; i++)
		subjects[i] = (struct metric_subject){{sidecore_config(host->sidecores[i])->name},
			sidecore_counters(host->sidecores[i])};
	if (subjects)
		exposition_write(to, &group, subjects, host->sidecore_count);
	free(subjects);
}

/* ---- pools ---- */

struct pool_sample {
	struct pool_statistics statistics;
	double capacity;
	double reserved;
};

#define FIELD(field) offsetof(struct pool_sample, field)
static const struct metric pool_metrics[] = {
	{"sluice_pool_requests_total", "counter", "Requests that the device has completed.",
		METRIC_COUNT, FIELD(statistics.requests), 0},
	{"sluice_pool_bytes_total", "counter", "Bytes that the device has moved.", METRIC_COUNT,
		FIELD(statistics.bytes), 0},
	{"sluice_pool_errors_total", "counter", "Requests that the device has failed.",
		METRIC_COUNT, FIELD(statistics.errors), 0},
	{"sluice_pool_capacity_units_per_second", "gauge",
		"Cost units per second that the device can deliver; 0 if that is unknown.",
		METRIC_REAL, FIELD(capacity), 0},
	{"sluice_pool_reserved_units_per_second", "gauge",
		"Cost units per second that all promises together need.", METRIC_REAL,
		FIELD(reserved), 0},
	{"sluice_pool_in_flight_units", "gauge", "Cost units at the device.", METRIC_REAL,
		FIELD(statistics.scheduler.in_flight_units), 0},
	{"sluice_pool_device_latency_seconds", "gauge", "What the device's latency is now.",
		METRIC_COUNT, FIELD(statistics.scheduler.device_latency_ns), NS_PER_S},
};
#undef FIELD

static void write_pools(FILE *to, const struct host *host)
{
	static const struct metric_group group = {
		{"pool", "backend"}, pool_metrics, COUNT_OF(pool_metrics)};
	unsigned count = host->configuration->pools_count;
	struct metric_subject *subjects = calloc(count + 1, sizeof *subjects);
	struct pool_sample *samples = calloc(count + 1, sizeof *samples);

	for (unsigned i = 0; subjects && samples && i < count; i++) {
		const struct pool_config *config = pool_config(host->pools[i]);

		pool_statistics(host->pools[i], &samples[i].statistics);
		samples[i].capacity = config->capacity_units_per_s;
		samples[i].reserved = pool_reserved_units_per_s(host->pools[i]);
		subjects[i] =
			(struct metric_subject){{config->name, config->backend->name}, &samples[i]};
	}
	if (subjects && samples)
		exposition_write(to, &group, subjects, count);
	free(subjects);
	free(samples);
}

/* ---- disks ---- */

#define FIELD(field) offsetof(struct disk_statistics, field)
static const struct metric disk_metrics[] = {
	{"sluice_disk_connected", "gauge", "Whether a guest's front end is there.", METRIC_TRUTH,
		FIELD(is_connected), 0},
	{"sluice_disk_size_bytes", "gauge", "The size that the guest sees.", METRIC_COUNT,
		FIELD(size_bytes), 0},
	{"sluice_disk_reads_total", "counter", "Reads completed.", METRIC_COUNT, FIELD(reads), 0},
	{"sluice_disk_writes_total", "counter", "Writes completed.", METRIC_COUNT, FIELD(writes),
		0},
	{"sluice_disk_flushes_total", "counter", "Flushes completed.", METRIC_COUNT, FIELD(flushes),
		0},
	{"sluice_disk_discards_total", "counter", "Discards completed.", METRIC_COUNT,
		FIELD(discards), 0},
	{"sluice_disk_write_zeroes_total", "counter", "Requests to write zeroes completed.",
		METRIC_COUNT, FIELD(write_zeroes), 0},
	{"sluice_disk_read_bytes_total", "counter", "Bytes read.", METRIC_COUNT, FIELD(read_bytes),
		0},
	{"sluice_disk_written_bytes_total", "counter", "Bytes written.", METRIC_COUNT,
		FIELD(write_bytes), 0},
	{"sluice_disk_errors_total", "counter", "Requests answered with an error.", METRIC_COUNT,
		FIELD(errors), 0},
	{"sluice_disk_in_flight", "gauge", "Requests not yet answered.", METRIC_COUNT,
		FIELD(in_flight), 0},
};
#undef FIELD

static void write_disks(FILE *to, const struct host *host)
{
	static const struct metric_group group = {
		{"disk", "pool"}, disk_metrics, COUNT_OF(disk_metrics)};
	unsigned count = host->configuration->disks_count;
	struct metric_subject *subjects = calloc(count + 1, sizeof *subjects);
	struct disk_statistics *samples = calloc(count + 1, sizeof *samples);

	for (unsigned i = 0; subjects && samples && i < count; i++) {
		const struct disk *disk = host->disks[i].disk;

		disk_statistics(disk, &samples[i]);
		subjects[i] = (struct metric_subject){
			{disk_config(disk)->name, pool_config(disk_pool(disk))->name}, &samples[i]};
	}
	if (subjects && samples)
		exposition_write(to, &group, subjects, count);
	free(subjects);
	free(samples);
}

/* ---- tiers ---- */

#define FIELD(field) offsetof(struct tier_audit, field)
static const struct metric tier_metrics[] = {
	{"sluice_disk_tier_requests_total", "counter", "Requests of this tier completed.",
		METRIC_COUNT, FIELD(requests), 0},
	{"sluice_disk_tier_met_total", "counter", "Guaranteed requests answered in time.",
		METRIC_COUNT, FIELD(met), 0},
	{"sluice_disk_tier_missed_total", "counter", "Guaranteed requests answered late.",
		METRIC_COUNT, FIELD(missed), 0},
	{"sluice_disk_tier_bytes_total", "counter", "Bytes that requests of this tier moved.",
		METRIC_COUNT, FIELD(bytes), 0},
	{"sluice_disk_tier_latency_seconds", "histogram",
		"Time from a request's arrival to its completion.", METRIC_HISTOGRAM,
		FIELD(latency_ns), 0},
};
#undef FIELD

static unsigned list_tiers(const struct disk *disk, struct metric_subject *subjects)
{
	static const char *const names[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
	const struct disk_config *config = disk_config(disk);
	unsigned tiers = config->slo.tier_count;

	_Static_assert(COUNT_OF(names) == SLO_TIERS_MAX, "a name for each tier");
	for (unsigned i = 0; i <= tiers; i++)
		subjects[i] =
			(struct metric_subject){{config->name, pool_config(disk_pool(disk))->name,
							i < tiers ? names[i] : "best_effort"},
				disk_audit(disk, i)};
	return tiers + 1;
}

static void write_tiers(FILE *to, const struct host *host)
{
	static const struct metric_group group = {
		{"disk", "pool", "tier"}, tier_metrics, COUNT_OF(tier_metrics)};
	unsigned disks = host->configuration->disks_count, count = 0;
	struct metric_subject *subjects = calloc(disks * (SLO_TIERS_MAX + 1) + 1, sizeof *subjects);

	for (unsigned i = 0; subjects && i < disks; i++)
		count += list_tiers(host->disks[i].disk, &subjects[count]);
	if (subjects)
		exposition_write(to, &group, subjects, count);
	free(subjects);
}

/* ---- all ---- */

static void write_build(FILE *to)
{
	static const struct metric metric = {"sluice_info", "gauge",
		"1, with the daemon's version as a label.", METRIC_REAL, 0, 0};
	static const struct metric_group group = {{"version"}, &metric, 1};
	static const double one = 1;
	static const struct metric_subject subject = {{SLUICE_VERSION}, &one};

	exposition_write(to, &group, &subject, 1);
}

static void write_network(FILE *to, struct agent *agent)
{
	struct agent_status *status;

	if (!agent || agent_status(agent, &status, NULL) < 0)
		return;
	metrics_write_network(to, status);
	agent_status_free(status);
}

static void write_cluster(FILE *to, struct cluster *cluster)
{
	struct cluster_status status;

	if (!cluster)
		return;
	cluster_status(cluster, &status);
	metrics_write_cluster(to, &status);
}

char *metrics_text(const struct host *host, size_t *length)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, length);

	if (!to)
		return NULL;
	write_build(to);
	write_sidecores(to, host);
	write_pools(to, host);
	write_disks(to, host);
	write_tiers(to, host);
	metrics_write_devices(to, host);
	metrics_write_modules(to, host);
	write_network(to, host->agent);
	write_cluster(to, host->cluster);
	if (fclose(to) == 0)
		return text;
	free(text);
	return NULL;
}
