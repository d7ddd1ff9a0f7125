/*
 * What the guest's CPUID instruction says: what KVM and the CPU can do, less what this machine has not got, and with the
 * topology of one package whose cores are the vCPUs.
 */
#ifndef SLUICE_VMM_BOOT_CPUID_H
#define SLUICE_VMM_BOOT_CPUID_H

#include <linux/kvm.h>

#include "base/error.h"
#include "vmm/boot/cpu_state.h"
#include "vmm/kvm.h"

#define CPUID_ENTRIES_MAX 256u

/* Room for CPUID_ENTRIES_MAX, none used; NULL: no memory. To be freed. */
struct kvm_cpuid2 *cpuid_create(void);

/* All that KVM can do here. Returns 0 or a negative errno with `error` set. */
int cpuid_get_supported(const struct kvm *kvm, struct kvm_cpuid2 *cpuid, struct error *error);

/* Make that what the vCPU says. */
void cpuid_fit(struct kvm_cpuid2 *cpuid, const struct cpu_state_config *config);

/* The entry of a leaf; NULL if there is none. */
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t leaf, uint32_t subleaf);

#endif
