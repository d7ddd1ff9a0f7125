#include "vmm/bench/bare_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/counter.h"
#include "vmm/machine_statistics.h"

#define MEMORY_BYTES (16ull << 20)

/* ---- what was counted ---- */

static void take_kvm_exits(void *argument, const char *name, uint64_t value)
{
	struct bare_machine_result *result = argument;

	if (strcmp(name, "exits") == 0)
		result->kvm_exits += value;
}

static void add_ring(struct bare_machine_result *result,
	const struct machine_statistics *statistics, unsigned index)
{
	const struct exit_ring_counters *ring = statistics->vcpus[index].by_ring;

	result->rings.synchronous += counter_get(&ring->synchronous);
	result->rings.asynchronous += counter_get(&ring->asynchronous);
	result->rings.refused += counter_get(&ring->refused);
	result->rings.interrupts += counter_get(&ring->interrupts);
	result->rings_stopped += statistics->vcpus[index].ring_state != SLUICE_EXIT_RING_SERVED;
}

static void take_counts(const struct machine *machine, struct bare_machine_result *result)
{
	struct machine_statistics statistics;

	machine_statistics(machine, &statistics);
	for (unsigned i = 0; i < statistics.vcpu_count; i++) {
		for (unsigned reason = 0; reason < EXIT_REASON_COUNT; reason++)
			result->user_exits +=
				counter_get(&statistics.vcpus[i].by_vcpu->exits[reason]);
		add_ring(result, &statistics, i);
		machine_kvm_statistics(machine, (int)i, take_kvm_exits, result);
	}
}

/* ---- the machine ---- */

static struct machine_config machine_config_of(
	const struct bare_machine_config *config, int guest_fd)
{
	struct machine_config machine = {
		.name = "bare",
		.memory = {.size_bytes = MEMORY_BYTES,
			.huge_pages = HUGE_PAGES_IF_ANY,
			.is_prefaulted = true},
		.vcpu_count = config->vcpu_count,
		.is_split = config->is_split,
		.hypervisor_core = {.name = "bare",
			.cpu = config->hypervisor_cpu,
			.poll_ns_max = config->poll_ns_max},
		.kernel_fd = guest_fd,
		.initrd_fd = -1,
		.command_line = config->command_line,
		.console_input_fd = -1,
		.console_output_fd = config->output_fd,
		.has_exit_rings = true,
	};

	for (unsigned i = 0; i < config->vcpu_count; i++)
		machine.vcpu_cpus[i] = config->vcpu_cpu;
	return machine;
}

static int run_guest(const struct bare_machine_config *config, int guest_fd,
	struct bare_machine_result *result, struct error *error)
{
	const struct machine_config machine_config = machine_config_of(config, guest_fd);
	struct machine *machine;
	struct kvm kvm;
	int code = kvm_open(NULL, &kvm, error);

	if (code < 0)
		return code;
	code = machine_create(&machine_config, &kvm, &machine, error);
	if (code == 0) {
		result->end = machine_run(machine);
		take_counts(machine, result);
		machine_destroy(machine);
	}
	kvm_close(&kvm);
	return code;
}

int bare_machine_run(const struct bare_machine_config *config, struct bare_machine_result *result,
	struct error *error)
{
	int guest_fd = open(config->guest_path, O_RDONLY | O_CLOEXEC);
	int code;

	*result = (struct bare_machine_result){0};
	if (guest_fd < 0)
		return error_set(error, -errno, "%s: %s", config->guest_path, strerror(errno));
	code = run_guest(config, guest_fd, result, error);
	close(guest_fd);
	return code;
}
