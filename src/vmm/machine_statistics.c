#include "vmm/machine_statistics.h"

#include <errno.h>

#include "base/counter.h"
#include "vmm/machine_private.h"

static void take_rings(const struct exit_rings *rings, struct machine_statistics *statistics)
{
	for (unsigned i = 0; i < statistics->vcpu_count; i++) {
		statistics->vcpus[i].by_ring = rings ? exit_rings_counters(rings, i) : NULL;
		statistics->vcpus[i].ring_state =
			rings ? exit_rings_state(rings, i) : SLUICE_EXIT_RING_SERVED;
	}
}

void machine_statistics(const struct machine *machine, struct machine_statistics *statistics)
{
	statistics->vcpu_count = machine->vcpu_count;
	for (unsigned i = 0; i < machine->vcpu_count; i++) {
		statistics->vcpus[i].by_vcpu = &machine->slots[i]->by_vcpu;
		statistics->vcpus[i].by_core = &machine->slots[i]->by_core;
	}
	take_rings(machine->rings, statistics);
	for (unsigned kind = 0; kind < REGISTER_KIND_COUNT; kind++)
		statistics->registers[kind] = registers_counts(machine->registers, kind);
	statistics->registers_of_nobody = registers_counts_of_nobody(machine->registers);
	exit_service_counters(machine->service, &statistics->service);
	statistics->core = sidecore_counters(machine->sidecore);
	statistics->device_count = machine->device_count;
	statistics->devices = machine->devices;
	statistics->module_count = machine->module_count;
	statistics->modules = machine->modules;
}

struct exits_handled machine_exits_handled(const struct machine_statistics *statistics)
{
	struct exits_handled handled = {0};

	for (unsigned i = 0; i < statistics->vcpu_count; i++) {
		handled.on_vcpus += counter_get(&statistics->vcpus[i].by_vcpu->handled);
		handled.on_core += counter_get(&statistics->vcpus[i].by_core->handled);
	}
	return handled;
}

int machine_kvm_statistics(const struct machine *machine, int vcpu,
	void (*function)(void *argument, const char *name, uint64_t value), void *argument)
{
	const struct kvm_statistics *statistics = machine->statistics;

	if (vcpu != MACHINE_KVM_STATISTICS_OF_VM)
		statistics = vcpu_kvm_statistics(machine->vcpus[vcpu]);
	if (!statistics)
		return -ENOTSUP;
	return kvm_statistics_each(statistics, function, argument);
}
