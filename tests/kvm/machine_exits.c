/*
 * A machine from the command line, and what it counted, for tests:
 *
 *     machine_exits KERNEL COMMAND-LINE [NAME=VALUE...]
 *
 * The names are those of `settings` below. The guest's console is standard output; after it come "end: HOW", and
 * "NAME: NUMBER" for each counter.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/counter.h"
#include "vmm/machine.h"
#include "vmm/machine_statistics.h"

/* ---- the command line ---- */

static struct machine_config config = {
	.name = "test",
	.memory = {.huge_pages = HUGE_PAGES_NEVER},
	.hypervisor_core = {.name = "core"},
	.initrd_fd = -1,
	.console_input_fd = -1,
	.console_output_fd = STDOUT_FILENO,
};

/* With the values that they have if nothing is said. */
static struct setting {
	const char *name;
	int64_t value;
} settings[] = {
	{"split", 1}, {"vcpus", 1}, {"cpu", SIDECORE_NOT_PINNED}, /* of all vCPUs */
	{"core", SIDECORE_NOT_PINNED},				  /* the hypervisor core */
	{"poll_us", 200}, {"dedicated", 0}, {"rings", 0}, {"memory_mib", 64},
	{"stop_after_ms", 0}, /* 0: when the guest likes */
	{"initrd_fd", -1},    /* opened by the shell */
};

static int64_t *setting(const char *name, size_t name_bytes)
{
	for (unsigned i = 0; i < sizeof settings / sizeof *settings; i++)
		if (strlen(settings[i].name) == name_bytes &&
			strncmp(settings[i].name, name, name_bytes) == 0)
			return &settings[i].value;
	fprintf(stderr, "machine_exits: no setting '%s'\n", name);
	exit(2);
}

static int64_t value_of(const char *name)
{
	return *setting(name, strlen(name));
}

static void read_settings(int count, char **arguments)
{
	for (int i = 0; i < count; i++) {
		size_t name_bytes = strcspn(arguments[i], "=");

		*setting(arguments[i], name_bytes) =
			strtoll(arguments[i] + name_bytes + 1, NULL, 10);
	}
}

static void configure(const char *kernel, const char *command_line)
{
	config.kernel_fd = open(kernel, O_RDONLY | O_CLOEXEC);
	config.initrd_fd = (int)value_of("initrd_fd");
	config.command_line = command_line;
	config.memory.size_bytes = (uint64_t)value_of("memory_mib") << 20;
	config.is_split = value_of("split");
	config.are_cores_dedicated = value_of("dedicated");
	config.has_exit_rings = value_of("rings");
	config.vcpu_count = (unsigned)value_of("vcpus");
	config.hypervisor_core.cpu = (int)value_of("core");
	config.hypervisor_core.poll_ns_max = (uint64_t)value_of("poll_us") * 1000;
	for (unsigned i = 0; i < VCPUS_MAX; i++)
		config.vcpu_cpus[i] = (int)value_of("cpu");
}

/* ---- what it counted ---- */

static const char *const end_names[] = {
	[MACHINE_IS_RUNNING] = "running",
	[MACHINE_OFF] = "off",
	[MACHINE_RESET] = "reset",
	[MACHINE_CRASHED] = "crashed",
	[MACHINE_STOPPED] = "stopped",
};

/* Gathered, to come after the console's last words, which are written when the machine is destroyed. */
static FILE *report;

static void print(const char *name, uint64_t value)
{
	fprintf(report, "%s: %" PRIu64 "\n", name, value);
}

static void print_of_vcpu(unsigned index, const char *name, uint64_t value)
{
	fprintf(report, "vcpu%u.%s: %" PRIu64 "\n", index, name, value);
}

static void print_vcpu(const struct exit_counters_of_vcpu *by_vcpu,
	const struct exit_counters_of_core *by_core, unsigned index)
{
	for (unsigned i = 0; i < EXIT_REASON_COUNT; i++)
		if (counter_get(&by_vcpu->exits[i]))
			print_of_vcpu(index, exit_reasons[i].name, counter_get(&by_vcpu->exits[i]));
	print_of_vcpu(index, "spun", counter_get(&by_vcpu->answered_spinning));
	print_of_vcpu(index, "slept", counter_get(&by_vcpu->answered_asleep));
	print_of_vcpu(index, "doorbells", counter_get(&by_vcpu->doorbells));
	print_of_vcpu(index, "wakes", counter_get(&by_core->wakes));
	print_of_vcpu(index, "dropped", counter_get(&by_core->dropped));
	print_of_vcpu(index, "lost_ns", histogram_quantile(&by_vcpu->lost_ns, 0.5));
}

static void print_registers(const struct register_counts *counts, const char *kind)
{
	char name[64];

	for (unsigned path = 0; path < EXIT_PATH_COUNT; path++) {
		snprintf(name, sizeof name, "%s.read.%s", kind, exit_path_names[path]);
		if (counter_get(&counts->reads[path]))
			print(name, counter_get(&counts->reads[path]));
		snprintf(name, sizeof name, "%s.write.%s", kind, exit_path_names[path]);
		if (counter_get(&counts->writes[path]))
			print(name, counter_get(&counts->writes[path]));
	}
}

static void print_kvm(void *argument, const char *name, uint64_t value)
{
	fprintf(report, "kvm.%s: %" PRIu64 "\n", name, value);
}

static void print_statistics(const struct machine *machine)
{
	struct machine_statistics statistics;
	struct exits_handled handled;

	machine_statistics(machine, &statistics);
	handled = machine_exits_handled(&statistics);
	print("handled_on_vcpus", handled.on_vcpus);
	print("handled_on_core", handled.on_core);
	for (unsigned i = 0; i < statistics.vcpu_count; i++)
		print_vcpu(statistics.vcpus[i].by_vcpu, statistics.vcpus[i].by_core, i);
	for (unsigned i = 0; i < REGISTER_KIND_COUNT; i++)
		print_registers(statistics.registers[i], register_kinds[i].name);
	print_registers(statistics.registers_of_nobody, "nobody");
	print("coalesced_writes", statistics.service.coalesced_writes);
	print("coalescing_switched", statistics.service.coalescing_switched);
	machine_kvm_statistics(machine, 0, print_kvm, NULL);
}

/* ---- running it ---- */

struct stopper {
	struct machine *machine;
	unsigned after_ms;
};

static void *stop_later(void *argument)
{
	const struct stopper *stopper = argument;

	usleep(stopper->after_ms * 1000);
	machine_stop(stopper->machine);
	return NULL;
}

static enum machine_end run(struct machine *machine, unsigned stop_after_ms)
{
	struct stopper stopper = {machine, stop_after_ms};
	enum machine_end end;
	pthread_t thread;

	if (stop_after_ms)
		pthread_create(&thread, NULL, stop_later, &stopper);
	end = machine_run(machine);
	if (stop_after_ms)
		pthread_join(thread, NULL);
	return end;
}

static int run_machine(unsigned stop_after_ms)
{
	struct machine *machine;
	struct error error;
	enum machine_end end;
	struct kvm kvm;
	size_t text_bytes;
	char *text;

	if (kvm_open(NULL, &kvm, &error) < 0 ||
		machine_create(&config, &kvm, &machine, &error) < 0) {
		fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	end = run(machine, stop_after_ms);
	report = open_memstream(&text, &text_bytes);
	fprintf(report, "\nend: %s\n", end_names[end]);
	print_statistics(machine);
	fclose(report);
	machine_destroy(machine);
	kvm_close(&kvm);
	fputs(text, stdout);
	free(text);
	return 0;
}

int main(int count, char **arguments)
{
	if (count < 3) {
		fprintf(stderr, "usage: machine_exits KERNEL COMMAND-LINE [NAME=VALUE...]\n");
		return 2;
	}
	read_settings(count - 3, arguments + 3);
	configure(arguments[1], arguments[2]);
	return run_machine((unsigned)value_of("stop_after_ms"));
}
