/*
 * What a vCPU is before its first instruction: CPUID, model-specific registers, segments, registers.
 */
#ifndef SLUICE_VMM_BOOT_CPU_STATE_H
#define SLUICE_VMM_BOOT_CPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/boot/boot.h"
#include "vmm/kvm.h"

struct cpu_state_config {
	unsigned index; /* its APIC ID as well; vCPU 0 is the one that boots */
	unsigned vcpu_count;
	bool is_core_dedicated; /* tell the guest that its vCPUs are never descheduled (KVM_HINTS_REALTIME) */
	bool has_exit_rings;
	uint32_t exit_ring_leaf[4]; /* if so: eax to edx of leaf SLUICE_CPUID_EXIT_RINGS */
	struct boot_entry entry;    /* of vCPU 0 */
};

/* Returns 0 or a negative errno with `error` set. The vCPU has not run yet. */
int cpu_state_set(const struct kvm *kvm, int vcpu_fd, const struct cpu_state_config *config,
	struct error *error);

#endif
