/*
 * Leaves are Intel's (SDM 2A, CPUID), AMD's (APM 3, appendix E), and KVM's (Documentation/virt/kvm/x86/cpuid.rst). What a
 * table does not name stays as KVM has it.
 */
#include "vmm/boot/cpuid.h"

#include <asm/kvm_para.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "exit-ring/sluice_exit_ring.h"

#define LEAF_MAX_BASIC 0x0u
#define LEAF_FEATURES 0x1u
#define LEAF_CACHES_INTEL 0x4u
#define LEAF_FEATURES_7 0x7u
#define LEAF_TOPOLOGY 0xbu
#define LEAF_SGX 0x12u
#define LEAF_TOPOLOGY_2 0x1fu
#define LEAF_FEATURES_AMD 0x80000001u
#define LEAF_SIZES_AMD 0x80000008u
#define LEAF_SVM 0x8000000au
#define LEAF_CACHES_AMD 0x8000001du
#define LEAF_TOPOLOGY_AMD 0x8000001eu

/* Of LEAF_FEATURES. */
#define ECX_MONITOR (1u << 3)
#define ECX_VMX (1u << 5)
#define ECX_TSC_DEADLINE (1u << 24)
#define ECX_HYPERVISOR (1u << 31)
#define EDX_SEVERAL_LOGICAL (1u << 28)

/* Of others. */
#define EBX_7_SGX (1u << 2)
#define ECX_7_SGX_LAUNCH (1u << 30)
#define ECX_AMD_SVM (1u << 2)

#define LEVEL_THREAD 1u
#define LEVEL_CORE 2u

struct kvm_cpuid2 *cpuid_create(void)
{
	struct kvm_cpuid2 *cpuid = NULL;

	return calloc(1, sizeof *cpuid + CPUID_ENTRIES_MAX * sizeof *cpuid->entries);
}

int cpuid_get_supported(const struct kvm *kvm, struct kvm_cpuid2 *cpuid, struct error *error)
{
	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm->fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0)
		return error_set(error, -errno, "KVM does not say what its CPUs can do: %s",
			strerror(errno));
	return 0;
}

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, uint32_t leaf, uint32_t subleaf)
{
	for (unsigned i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == leaf && entry->index == subleaf)
			return entry;
	}
	return NULL;
}

static void remove_leaf(struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function != leaf)
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->nent = kept;
}

/* KVM has some tens of them, and takes no more than 256. */
static struct kvm_cpuid_entry2 *add_leaf(struct kvm_cpuid2 *cpuid, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *entry = &cpuid->entries[cpuid->nent++];

	assert(cpuid->nent <= CPUID_ENTRIES_MAX);
	*entry = (struct kvm_cpuid_entry2){.function = leaf};
	return entry;
}

/* Bits of an APIC ID that tell the cores of a package apart. */
static unsigned core_bits(const struct cpu_state_config *config)
{
	unsigned bits = 0;

	while (1u << bits < config->vcpu_count)
		bits++;
	return bits;
}

static uint32_t with_bits(uint32_t word, unsigned low, unsigned count, uint32_t value)
{
	uint32_t mask = ((1u << count) - 1) << low;

	return (word & ~mask) | (value << low & mask);
}

/* Nested guests and enclaves would need what this VMM does not keep; MWAIT, what KVM does not say. */
static void fit_features(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	entry->ecx &= ~(ECX_MONITOR | ECX_VMX);
	entry->ecx |= ECX_HYPERVISOR | ECX_TSC_DEADLINE;
	entry->edx &= ~EDX_SEVERAL_LOGICAL;
	if (config->vcpu_count > 1)
		entry->edx |= EDX_SEVERAL_LOGICAL;
	entry->ebx = with_bits(entry->ebx, 16, 8, 1u << core_bits(config));
	entry->ebx = with_bits(entry->ebx, 24, 8, config->index);
}

static void fit_features_7(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	if (entry->index != 0)
		return;
	entry->ebx &= ~EBX_7_SGX;
	entry->ecx &= ~ECX_7_SGX_LAUNCH;
}

static void fit_features_amd(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	entry->ecx &= ~ECX_AMD_SVM;
}

/* The last-level cache is everybody's, the others are each core's own. */
static uint32_t cache_sharers(const struct kvm_cpuid_entry2 *entry, uint32_t all)
{
	unsigned level = entry->eax >> 5 & 7;

	return level < 3 ? 1 : all;
}

static void fit_caches_intel(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	uint32_t ids = 1u << core_bits(config);

	if ((entry->eax & 0x1f) == 0)
		return;
	entry->eax = with_bits(entry->eax, 14, 12, cache_sharers(entry, ids) - 1);
	entry->eax = with_bits(entry->eax, 26, 6, ids - 1);
}

static void fit_caches_amd(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	if ((entry->eax & 0x1f) != 0)
		entry->eax =
			with_bits(entry->eax, 14, 12, cache_sharers(entry, config->vcpu_count) - 1);
}

static void fit_sizes_amd(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	entry->ecx = with_bits(entry->ecx, 0, 8, config->vcpu_count - 1);
	entry->ecx = with_bits(entry->ecx, 12, 4, core_bits(config));
}

/* One thread per core, all on node 0. */
static void fit_topology_amd(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	entry->eax = config->index;
	entry->ebx = config->index;
	entry->ecx = 0;
}

static void fit_kvm_signature(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	if (config->has_exit_rings)
		entry->eax = SLUICE_CPUID_EXIT_RINGS;
}

static void fit_kvm_features(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	entry->edx = config->is_core_dedicated ? 1u << KVM_HINTS_REALTIME : 0;
}

static const struct {
	uint32_t leaf;
	void (*fit)(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config);
} fits[] = {
	{LEAF_FEATURES, fit_features},
	{LEAF_CACHES_INTEL, fit_caches_intel},
	{LEAF_FEATURES_7, fit_features_7},
	{KVM_CPUID_SIGNATURE, fit_kvm_signature},
	{KVM_CPUID_FEATURES, fit_kvm_features},
	{LEAF_FEATURES_AMD, fit_features_amd},
	{LEAF_SIZES_AMD, fit_sizes_amd},
	{LEAF_CACHES_AMD, fit_caches_amd},
	{LEAF_TOPOLOGY_AMD, fit_topology_amd},
};

static void fit_entry(struct kvm_cpuid_entry2 *entry, const struct cpu_state_config *config)
{
	for (unsigned i = 0; i < sizeof fits / sizeof *fits; i++)
		if (fits[i].leaf == entry->function)
			fits[i].fit(entry, config);
}

static void add_topology_level(struct kvm_cpuid2 *cpuid, uint32_t subleaf, uint32_t type,
	uint32_t shift, uint32_t count, uint32_t apic_id)
{
	struct kvm_cpuid_entry2 *entry = add_leaf(cpuid, LEAF_TOPOLOGY);

	entry->index = subleaf;
	entry->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	entry->eax = shift;
	entry->ebx = count;
	entry->ecx = subleaf | type << 8;
	entry->edx = apic_id;
}

static void add_topology(struct kvm_cpuid2 *cpuid, const struct cpu_state_config *config)
{
	const struct kvm_cpuid_entry2 *basic = cpuid_find(cpuid, LEAF_MAX_BASIC, 0);

	if (!basic || basic->eax < LEAF_TOPOLOGY)
		return;
	add_topology_level(cpuid, 0, LEVEL_THREAD, 0, 1, config->index);
	add_topology_level(
		cpuid, 1, LEVEL_CORE, core_bits(config), config->vcpu_count, config->index);
	add_topology_level(cpuid, 2, 0, 0, 0, config->index);
}

static void add_exit_rings(struct kvm_cpuid2 *cpuid, const struct cpu_state_config *config)
{
	struct kvm_cpuid_entry2 *entry = add_leaf(cpuid, SLUICE_CPUID_BASE);
	const char *signature = SLUICE_CPUID_SIGNATURE;

	entry->eax = SLUICE_CPUID_EXIT_RINGS;
	memcpy(&entry->ebx, signature, 4);
	memcpy(&entry->ecx, signature + 4, 4);
	memcpy(&entry->edx, signature + 8, 4);
	entry = add_leaf(cpuid, SLUICE_CPUID_EXIT_RINGS);
	entry->eax = config->exit_ring_leaf[0];
	entry->ebx = config->exit_ring_leaf[1];
	entry->ecx = config->exit_ring_leaf[2];
	entry->edx = config->exit_ring_leaf[3];
}

void cpuid_fit(struct kvm_cpuid2 *cpuid, const struct cpu_state_config *config)
{
	static const uint32_t unwanted[] = {LEAF_TOPOLOGY, LEAF_TOPOLOGY_2, LEAF_SGX, LEAF_SVM};

	for (unsigned i = 0; i < sizeof unwanted / sizeof *unwanted; i++)
		remove_leaf(cpuid, unwanted[i]);
	for (unsigned i = 0; i < cpuid->nent; i++)
		fit_entry(&cpuid->entries[i], config);
	add_topology(cpuid, config);
	if (config->has_exit_rings)
		add_exit_rings(cpuid, config);
}
