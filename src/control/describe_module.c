#include <inttypes.h>
#include <stdlib.h>

#include "control/describe.h"

static json_t *describe_counters(const struct module_counters *counters)
{
	const struct {
		const char *key;
		uint64_t value;
	} list[] = {
		{"connections", counters->connections},
		{"connections_total", counters->connections_total},
		{"requests", counters->requests},
		{"would_wait", counters->would_wait},
		{"hung_up", counters->hung_up},
		{"broken", counters->broken},
		{"workers", counters->workers},
		{"doorbells", counters->doorbells},
		{"calls", counters->calls},
		{"received_bytes", counters->bytes_received},
		{"sent_bytes", counters->bytes_sent},
		{"cpu_ns", counters->cpu_ns},
	};
	json_t *description = json_object();

	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		json_object_set_new(
			description, list[i].key, json_integer((json_int_t)list[i].value));
	return description;
}

static json_t *describe_running(struct module_supervisor *supervisor, bool is_fresh)
{
	const struct module_description *module = module_supervisor_description(supervisor);
	struct module_status *status = malloc(sizeof *status);
	json_t *description;

	if (!status)
		return NULL;
	module_supervisor_status(supervisor, is_fresh, status);
	description = json_pack("{s:s, s:i, s:I, s:s, s:b, s:o, s:s}", "state",
		module_state_words[status->state], "pid", (int)status->pid, "restarts",
		(json_int_t)status->restarts, "trouble", status->trouble, "has_limits",
		status->has_limits, "counters", describe_counters(&status->counters), "status",
		status->text);
	json_object_set_new(description, "library", json_string(module->library));
	json_object_set_new(description, "directory", json_string(module->directory));
	json_object_set_new(description, "socket", json_string(module->socket));
	json_object_set_new(description, "region", json_string(module->region));
	json_object_set_new(
		description, "connections_max", json_integer((json_int_t)module->connections));
	json_object_set_new(description, "memory_bytes_max",
		json_integer((json_int_t)module->memory_bytes_max));
	json_object_set_new(
		description, "cpus_max", json_real(module->cpu_thousandths_max / 1000.0));
	free(status);
	return description;
}

json_t *describe_module(const struct host *host, unsigned index, bool is_fresh)
{
	const struct module_settings *settings = &host->configuration->modules[index];
	json_t *description = NULL;

	if (host->modules[index])
		description = describe_running(host->modules[index], is_fresh);
	if (!description)
		description = json_pack("{s:s}", "state", "failed");
	json_object_set_new(description, "name", json_string(settings->name));
	json_object_set_new(description, "module", json_string(settings->module));
	return description;
}
