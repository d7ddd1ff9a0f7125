#include "control/metrics_module.h"

#include <stdlib.h>

#include "base/clock.h"
#include "control/exposition.h"

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

void metrics_write_modules(FILE *to, const struct host *host)
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
