#include "control/metrics/metrics_module.h"

#include <stdlib.h>

#include "base/clock.h"
#include "control/metrics/exposition.h"

struct sample {
	struct module_status status;
	bool is_running;
};

#define COUNTER(name, help, field)                                        \
	{                                                                 \
		"sluice_module_" name, "counter", help, METRIC_COUNT,     \
			offsetof(struct sample, status.counters.field), 0 \
	}

static const struct metric metrics[] = {
	{"sluice_module_running", "gauge", "Whether the module serves.", METRIC_TRUTH,
		offsetof(struct sample, is_running), 0},
	{"sluice_module_restarts_total", "counter", "Times its process was started again.",
		METRIC_COUNT, offsetof(struct sample, status.restarts), 0},
	{"sluice_module_connections", "gauge", "Clients that are connected.", METRIC_COUNT,
		offsetof(struct sample, status.counters.connections), 0},
	COUNTER("connections_total", "Clients that have connected.", connections_total),
	COUNTER("requests_total", "Requests received.", requests),
	COUNTER("would_wait_total", "Requests that a worker thread took.", would_wait),
	COUNTER("hung_up_total", "Connections that the module has ended.", hung_up),
	COUNTER("broken_total", "Connections that broke the channel's protocol.", broken),
	COUNTER("doorbells_total", "Doorbells rung by clients.", doorbells),
	COUNTER("calls_total", "Notifications sent to clients.", calls),
	COUNTER("received_bytes_total", "Bytes of requests.", bytes_received),
	COUNTER("sent_bytes_total", "Bytes of replies.", bytes_sent),
	{"sluice_module_sidecore_cpu_seconds_total", "counter", "CPU time of its sidecore.",
		METRIC_COUNT, offsetof(struct sample, status.counters.cpu_ns), NS_PER_S},
};

/* ---- what is charged to pools ---- */

#define FIELD(field) offsetof(struct gate_statistics, field)
static const struct metric gate_metrics[] = {
	{"sluice_module_reads_total", "counter", "Reads from the device.", METRIC_COUNT,
		FIELD(reads), 0},
	{"sluice_module_writes_total", "counter", "Writes to the device, without those by flushes.",
		METRIC_COUNT, FIELD(writes), 0},
	{"sluice_module_flushes_total", "counter", "Flushes of the device.", METRIC_COUNT,
		FIELD(flushes), 0},
	{"sluice_module_read_bytes_total", "counter", "Bytes read.", METRIC_COUNT,
		FIELD(read_bytes), 0},
	{"sluice_module_written_bytes_total", "counter", "Bytes written.", METRIC_COUNT,
		FIELD(write_bytes), 0},
	{"sluice_module_io_in_flight", "gauge", "I/O that waits for leave or is being done.",
		METRIC_COUNT, FIELD(in_flight), 0},
	{"sluice_module_io_overdue_total", "counter", "I/O that did not end in time.", METRIC_COUNT,
		FIELD(overdue), 0},
};
#undef FIELD

#define FIELD(field) offsetof(struct tier_audit, field)
static const struct metric tier_metrics[] = {
	{"sluice_module_tier_requests_total", "counter", "I/O of this tier completed.",
		METRIC_COUNT, FIELD(requests), 0},
	{"sluice_module_tier_met_total", "counter", "Guaranteed I/O done in time.", METRIC_COUNT,
		FIELD(met), 0},
	{"sluice_module_tier_missed_total", "counter", "Guaranteed I/O done late.", METRIC_COUNT,
		FIELD(missed), 0},
	{"sluice_module_tier_bytes_total", "counter", "Bytes that I/O of this tier moved.",
		METRIC_COUNT, FIELD(bytes), 0},
	{"sluice_module_tier_latency_seconds", "histogram",
		"Time from asking for leave to the end.", METRIC_HISTOGRAM, FIELD(latency_ns), 0},
};
#undef FIELD

static const struct gate *gate_of(const struct host *host, unsigned index)
{
	return host->modules[index] ? module_supervisor_gate(host->modules[index]) : NULL;
}

static void write_gates(FILE *to, const struct host *host, unsigned modules)
{
	static const struct metric_group group = {
		{"module", "pool"}, gate_metrics, sizeof gate_metrics / sizeof *gate_metrics};
	struct metric_subject *subjects = calloc(modules + 1u, sizeof *subjects);
	struct gate_statistics *samples = calloc(modules + 1u, sizeof *samples);
	unsigned count = 0;

	for (unsigned i = 0; subjects && samples && i < modules; i++) {
		const struct gate *gate = gate_of(host, i);

		if (!gate)
			continue;
		gate_statistics(gate, &samples[count]);
		subjects[count] = (struct metric_subject){
			{gate_config(gate)->name, pool_config(gate_pool(gate))->name},
			&samples[count]};
		count++;
	}
	if (subjects && samples)
		exposition_write(to, &group, subjects, count);
	free(subjects);
	free(samples);
}

static unsigned list_tiers(const struct gate *gate, struct metric_subject *subjects)
{
	static const char *const names[] = {"1", "2", "3", "4", "5", "6", "7", "8"};
	const struct gate_config *config = gate_config(gate);
	unsigned tiers = config->slo.tier_count;

	_Static_assert(sizeof names / sizeof *names == SLO_TIERS_MAX, "a name for each tier");
	for (unsigned i = 0; i <= tiers; i++)
		subjects[i] =
			(struct metric_subject){{config->name, pool_config(gate_pool(gate))->name,
							i < tiers ? names[i] : "best_effort"},
				gate_audit(gate, i)};
	return tiers + 1;
}

static void write_tiers(FILE *to, const struct host *host, unsigned modules)
{
	static const struct metric_group group = {{"module", "pool", "tier"}, tier_metrics,
		sizeof tier_metrics / sizeof *tier_metrics};
	struct metric_subject *subjects =
		calloc(modules * (SLO_TIERS_MAX + 1) + 1, sizeof *subjects);
	unsigned count = 0;

	for (unsigned i = 0; subjects && i < modules; i++)
		if (gate_of(host, i))
			count += list_tiers(gate_of(host, i), &subjects[count]);
	if (subjects)
		exposition_write(to, &group, subjects, count);
	free(subjects);
}

/* ---- all ---- */

static void write_processes(FILE *to, const struct host *host)
{
	static const struct metric_group group = {
		{"module"}, metrics, sizeof metrics / sizeof *metrics};
	unsigned modules = host->modules ? host->configuration->modules_count : 0, count = 0;
	struct sample *samples = calloc(modules + 1u, sizeof *samples);
	struct metric_subject *subjects = calloc(modules + 1u, sizeof *subjects);

	for (unsigned i = 0; samples && subjects && i < modules; i++) {
		struct sample *sample = &samples[count];

		if (!host->modules[i])
			continue;
		module_supervisor_status(host->modules[i], false, &sample->status);
		sample->is_running = sample->status.state == MODULE_STATE_RUNNING;
		subjects[count++] =
			(struct metric_subject){{host->configuration->modules[i].name}, sample};
	}
	if (samples && subjects)
		exposition_write(to, &group, subjects, count);
	free(subjects);
	free(samples);
}

void metrics_write_modules(FILE *to, const struct host *host)
{
	unsigned modules = host->modules ? host->configuration->modules_count : 0;

	write_processes(to, host);
	write_gates(to, host, modules);
	write_tiers(to, host, modules);
}
