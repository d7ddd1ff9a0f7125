#include "cli/vm_show.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/table.h"

static const char *core_text(char text[UNITS_TEXT_BYTES], json_int_t cpu)
{
	if (cpu < 0)
		return "any";
	snprintf(text, UNITS_TEXT_BYTES, "%" JSON_INTEGER_FORMAT, cpu);
	return text;
}

static uint64_t whole_seconds(uint64_t duration_ns)
{
	return duration_ns - duration_ns % NS_PER_S;
}

/* Only of one that runs. */
static const char *pid_text(char text[UNITS_TEXT_BYTES], const json_t *vm)
{
	snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64, cli_number(vm, "pid"));
	return json_object_get(vm, "pid") ? text : "-";
}

static const char *uptime_text(char text[UNITS_TEXT_BYTES], const json_t *vm)
{
	if (!json_object_get(vm, "uptime_ns"))
		return "-";
	return units_format_duration(text, whole_seconds(cli_number(vm, "uptime_ns")));
}

static const char *state_of(const json_t *vm)
{
	if (!json_object_get(vm, "pid"))
		return "off";
	return cli_is(vm, "is_stopping") ? "stopping" : "running";
}

void vm_show_list(const json_t *vms, FILE *to)
{
	char text[UNITS_TEXT_BYTES];
	struct table table;
	json_t *vm;
	size_t index;

	table_init(&table, "NAME|>PID|>VCPUS|>MEMORY|SPLIT|>DEVICES|>UPTIME|STATE");
	json_array_foreach (vms, index, vm) {
		table_add(&table, "%s", cli_text(vm, "name"));
		table_add(&table, "%s", pid_text(text, vm));
		table_add(&table, "%" PRIu64, cli_number(vm, "vcpus"));
		table_add(&table, "%s", units_format_bytes(text, cli_number(vm, "memory_bytes")));
		table_add(&table, "%s", cli_is(vm, "is_split") ? "on" : "off");
		table_add(&table, "%zu", json_array_size(json_object_get(vm, "devices")));
		table_add(&table, "%s", uptime_text(text, vm));
		table_add(&table, "%s", state_of(vm));
	}
	table_print(&table, to);
}

static void show_cores(const json_t *vm, FILE *to)
{
	const json_t *cores = json_object_get(vm, "guest_cores");
	char text[UNITS_TEXT_BYTES];
	json_t *core;
	size_t index;

	fputs("guest cores      ", to);
	json_array_foreach ((json_t *)cores, index, core)
		fprintf(to, "%s%s", index ? ", " : "", core_text(text, json_integer_value(core)));
	fprintf(to, "%s\n", cli_is(vm, "are_cores_dedicated") ? ", dedicated" : "");
}

static void show_hypervisor_core(const json_t *vm, FILE *to)
{
	json_int_t cpu = json_integer_value(json_object_get(vm, "hypervisor_cpu"));
	char core[UNITS_TEXT_BYTES], poll[UNITS_TEXT_BYTES];

	if (cli_is(vm, "is_split"))
		fprintf(to, "hypervisor core  %s, polls for %s\n", core_text(core, cpu),
			units_format_duration(poll, cli_number(vm, "poll_ns_max")));
	else
		fputs("hypervisor core  none: the split is off\n", to);
}

static void show_devices(const json_t *vm, FILE *to)
{
	const json_t *devices = json_object_get(vm, "devices");
	struct table table;
	json_t *device;
	size_t index;

	if (!json_array_size(devices))
		return;
	fputc('\n', to);
	table_init(&table, "DEVICE|KIND|SOCKET");
	json_array_foreach ((json_t *)devices, index, device) {
		table_add(&table, "%s", cli_text(device, "name"));
		table_add(&table, "%s", cli_text(device, "kind"));
		table_add(&table, "%s", cli_text(device, "socket"));
	}
	table_print(&table, to);
}

void vm_show(const json_t *vm, FILE *to)
{
	char text[UNITS_TEXT_BYTES];

	fprintf(to, "VM %s, process %" PRIu64 ", %s\n\n", cli_text(vm, "name"),
		cli_number(vm, "pid"), cli_is(vm, "is_stopping") ? "stopping" : "running");
	fprintf(to, "memory           %s\n",
		units_format_bytes(text, cli_number(vm, "memory_bytes")));
	show_cores(vm, to);
	show_hypervisor_core(vm, to);
	fprintf(to, "kernel           %s\n", cli_text(vm, "kernel"));
	if (*cli_text(vm, "initrd"))
		fprintf(to, "initrd           %s\n", cli_text(vm, "initrd"));
	fprintf(to, "command line     %s\n", cli_text(vm, "command_line"));
	fprintf(to, "exit rings       %s\n", cli_is(vm, "has_exit_rings") ? "on" : "off");
	fprintf(to, "uptime           %s, reboots: %" PRIu64 "\n",
		units_format_duration(text, whole_seconds(cli_number(vm, "uptime_ns"))),
		cli_number(vm, "reboots"));
	show_devices(vm, to);
}
