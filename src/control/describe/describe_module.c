#include <inttypes.h>
#include <stdlib.h>

#include "control/describe/describe.h"
#include "control/describe/describe_slo.h"
#include "control/host/host_modules.h"

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

static json_t *describe_gate_statistics(const struct gate *gate)
{
	struct gate_statistics statistics;

	gate_statistics(gate, &statistics);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "reads",
		(json_int_t)statistics.reads, "writes", (json_int_t)statistics.writes, "flushes",
		(json_int_t)statistics.flushes, "read_bytes", (json_int_t)statistics.read_bytes,
		"write_bytes", (json_int_t)statistics.write_bytes, "in_flight",
		(json_int_t)statistics.in_flight, "overdue", (json_int_t)statistics.overdue);
}

/* What its I/O is promised and has been; null if that is charged to no pool. */
static json_t *describe_gate(const struct host *host, const struct gate *gate)
{
	struct described_member member;
	json_int_t requests, missed;
	json_t *description;

	if (!gate)
		return json_null();
	member = (struct described_member){gate_pool(gate), &gate_config(gate)->slo, {NULL}};
	for (unsigned tier = 0; tier <= member.slo->tier_count; tier++)
		member.audits[tier] = gate_audit(gate, tier);
	describe_promises(&member, &requests, &missed);
	description = json_pack("{s:s, s:i, s:I, s:I, s:o}", "pool", pool_config(member.pool)->name,
		"tier_count", (int)member.slo->tier_count, "guaranteed_requests", requests,
		"guaranteed_missed", missed, "statistics", describe_gate_statistics(gate));
	describe_slo(description, host, &member);
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
	json_object_set_new(description, "group", json_string(module->group));
	json_object_set_new(description, "region", json_string(module->region));
	json_object_set_new(description, "doorbell", json_string(module->doorbell));
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
	if (description)
		json_object_set_new(description, "gate",
			describe_gate(host, module_supervisor_gate(host->modules[index])));
	if (!description)
		description = json_pack("{s:s}", "state",
			host_module_waits(host, index) ? "waiting for another to end" : "failed");
	json_object_set_new(description, "name", json_string(settings->name));
	json_object_set_new(description, "module", json_string(settings->module));
	return description;
}
