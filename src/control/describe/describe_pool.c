#include "base/counter.h"
#include "control/describe/describe.h"

json_t *describe_sidecore(const struct sidecore *sidecore)
{
	const struct sidecore_counters *counters = sidecore_counters(sidecore);
	const struct sidecore_config *config = sidecore_config(sidecore);
	const struct {
		const char *key;
		const uint64_t *value;
	} list[] = {
		{"polls_busy", &counters->polls_busy},
		{"polls_idle", &counters->polls_idle},
		{"sleeps", &counters->sleeps},
		{"kicks_received", &counters->kicks_received},
		{"calls_sent", &counters->calls_sent},
		{"messages", &counters->messages},
		{"cpu_ns", &counters->cpu_ns},
	};
	json_t *description = json_pack("{s:s, s:I, s:o}", "name", config->name, "poll_ns",
		(json_int_t)config->poll_ns_max, "cpu",
		config->cpu == SIDECORE_NOT_PINNED ? json_null() : json_integer(config->cpu));

	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		json_object_set_new(description, list[i].key,
			json_integer((json_int_t)counter_get(list[i].value)));
	return description;
}

static json_t *disk_names(const struct host *host, const struct pool *pool)
{
	json_t *names = json_array();

	for (unsigned i = 0; i < host->configuration->disks_count; i++)
		if (disk_pool(host->disks[i].disk) == pool)
			json_array_append_new(
				names, json_string(disk_config(host->disks[i].disk)->name));
	return names;
}

static json_t *module_names(const struct host *host, const struct pool *pool)
{
	json_t *names = json_array();

	for (unsigned i = 0; host->modules && i < host->configuration->modules_count; i++) {
		const struct gate *gate =
			host->modules[i] ? module_supervisor_gate(host->modules[i]) : NULL;

		if (gate && gate_pool(gate) == pool)
			json_array_append_new(names, json_string(gate_config(gate)->name));
	}
	return names;
}

json_t *describe_pool(const struct host *host, unsigned index)
{
	const struct pool *pool = host->pools[index];
	const struct pool_config *config = pool_config(pool);
	struct pool_statistics statistics;

	pool_statistics(pool, &statistics);
	return json_pack("{s:s, s:s, s:s, s:b, s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:I, s:I, s:I, "
			 "s:o, s:o, s:o}",
		"name", config->name, "backend", config->backend->name, "path", config->path,
		"is_enforcing", config->is_enforcing, "capacity_units_per_s",
		config->capacity_units_per_s, "reserved_units_per_s",
		pool_reserved_units_per_s(pool), "requests", (json_int_t)statistics.requests,
		"bytes", (json_int_t)statistics.bytes, "errors", (json_int_t)statistics.errors,
		"window_units", statistics.scheduler.window_units, "in_flight_units",
		statistics.scheduler.in_flight_units, "device_latency_ns",
		(json_int_t)statistics.scheduler.device_latency_ns, "idle_latency_ns",
		(json_int_t)statistics.scheduler.idle_latency_ns, "latency_ns",
		(json_int_t)config->latency_ns, "disks", disk_names(host, pool), "modules",
		module_names(host, pool), "sidecore", describe_sidecore(pool_sidecore(pool)));
}
