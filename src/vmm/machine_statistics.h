/*
 * What a machine has counted since it was made. Any thread, while the machine exists; the numbers go on
 * counting, and are read with base/counter.h and base/histogram.h, without a lock.
 */
#ifndef SLUICE_VMM_MACHINE_STATISTICS_H
#define SLUICE_VMM_MACHINE_STATISTICS_H

#include <stdint.h>

#include "sidecore/sidecore.h"
#include "vmm/exits/exit_counters.h"
#include "vmm/exits/exit_ring.h"
#include "vmm/exits/exit_service.h"
#include "vmm/exits/exit_table.h"
#include "vmm/exits/registers.h"
#include "vmm/layout.h"
#include "vmm/machine.h"

struct machine_statistics {
	unsigned vcpu_count;
	struct {
		const struct exit_counters_of_vcpu *by_vcpu; /* exits[] by exit_reasons[] */
		const struct exit_counters_of_core *by_core;
		const struct exit_ring_counters *by_ring; /* NULL: it has no exit ring */
		enum sluice_exit_ring_state ring_state;
	} vcpus[VCPUS_MAX];
	const struct register_counts *registers[REGISTER_KIND_COUNT]; /* by register_kinds[] */
	const struct register_counts *registers_of_nobody;
	struct exit_service_counters service;
	const struct sidecore_counters *core;
	unsigned device_count;
	struct virtio_device *const *devices;
	unsigned module_count;
	struct ivshmem_device *const *modules;
};

void machine_statistics(const struct machine *machine, struct machine_statistics *statistics);

/* The sum over all vCPUs of the exits whose handler ran on the vCPU's own thread, and elsewhere. */
struct exits_handled {
	uint64_t on_vcpus, on_core;
};
struct exits_handled machine_exits_handled(const struct machine_statistics *statistics);

#define MACHINE_KVM_STATISTICS_OF_VM (-1)

/*
 * Call `function` with each of KVM's own numbers of a vCPU, or of the VM.
 *
 * Returns 0, -ENOTSUP if this kernel has none, other negative errnos.
 */
int machine_kvm_statistics(const struct machine *machine, int vcpu,
	void (*function)(void *argument, const char *name, uint64_t value), void *argument);

#endif
