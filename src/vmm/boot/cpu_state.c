#include "vmm/boot/cpu_state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/boot/cpuid.h"
#include "vmm/boot/segments.h"
#include "vmm/layout.h"

#define CR0_PROTECTED_MODE (1u << 0)
#define CR0_EXTENSION_TYPE (1u << 4)
#define FLAGS_ALWAYS_ONE (1u << 1)

#define MSR_MISC_ENABLE 0x1a0u
#define MISC_ENABLE_FAST_STRINGS 1u
#define MSR_MTRR_DEFAULT_TYPE 0x2ffu
#define MTRR_ENABLED (1u << 11)
#define MTRR_WRITE_BACK 6u

static int set_cpuid(const struct kvm *kvm, int vcpu_fd, const struct cpu_state_config *config,
	struct error *error)
{
	struct kvm_cpuid2 *cpuid = cpuid_create();
	int result;

	if (!cpuid)
		return error_set(error, -ENOMEM, "no memory for a vCPU's features");
	result = cpuid_get_supported(kvm, cpuid, error);
	if (result < 0)
		goto out;
	cpuid_fit(cpuid, config);
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, cpuid) < 0)
		result = error_set(error, -errno, "KVM does not take the features of vCPU %u: %s",
			config->index, strerror(errno));
out:
	free(cpuid);
	return result;
}

/* As firmware leaves them: memory is cached, where nothing else is said. */
static int set_msrs(int vcpu_fd, const struct cpu_state_config *config, struct error *error)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entries[2];
	} msrs = {
		.header = {.nmsrs = 2},
		.entries = {{.index = MSR_MISC_ENABLE, .data = MISC_ENABLE_FAST_STRINGS},
			{.index = MSR_MTRR_DEFAULT_TYPE, .data = MTRR_ENABLED | MTRR_WRITE_BACK}},
	};
	int count = ioctl(vcpu_fd, KVM_SET_MSRS, &msrs);

	if (count == (int)msrs.header.nmsrs)
		return 0;
	return error_set(error, count < 0 ? -errno : -EINVAL,
		"KVM does not take the model-specific registers of vCPU %u", config->index);
}

/* What the CPU would have loaded from the table at LAYOUT_GDT (Intel SDM 3A, 3.4.5). */
static struct kvm_segment segment(unsigned selector)
{
	uint64_t descriptor = segment_descriptors[selector / 8];
	uint32_t limit = (uint32_t)((descriptor & 0xffff) | (descriptor >> 32 & 0xf0000));
	bool is_in_pages = descriptor >> 55 & 1;

	return (struct kvm_segment){
		.base = (descriptor >> 16 & 0xffffff) | (descriptor >> 32 & 0xff000000),
		.limit = is_in_pages ? limit << 12 | 0xfff : limit,
		.selector = (uint16_t)selector,
		.type = descriptor >> 40 & 0xf,
		.s = descriptor >> 44 & 1,
		.dpl = descriptor >> 45 & 3,
		.present = descriptor >> 47 & 1,
		.avl = descriptor >> 52 & 1,
		.l = descriptor >> 53 & 1,
		.db = descriptor >> 54 & 1,
		.g = is_in_pages,
	};
}

static int set_segments(int vcpu_fd, const struct cpu_state_config *config, struct error *error)
{
	struct kvm_segment data = segment(SEGMENT_DATA);
	struct kvm_sregs state;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &state) < 0)
		return error_set(error, -errno, "vCPU %u: %s", config->index, strerror(errno));
	state.cs = segment(SEGMENT_CODE);
	state.ds = state.es = state.fs = state.gs = state.ss = data;
	state.tr = segment(SEGMENT_TASK);
	state.gdt.base = LAYOUT_GDT;
	state.gdt.limit = sizeof segment_descriptors - 1;
	state.idt.base = 0;
	state.idt.limit = 0;
	state.cr0 = CR0_PROTECTED_MODE | CR0_EXTENSION_TYPE;
	state.cr4 = 0;
	state.efer = 0;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &state) < 0)
		return error_set(error, -errno, "KVM does not take the segments of vCPU %u: %s",
			config->index, strerror(errno));
	return 0;
}

static int set_registers(int vcpu_fd, const struct cpu_state_config *config, struct error *error)
{
	struct kvm_regs registers = {
		.rip = config->entry.eip,
		.rbx = config->entry.ebx,
		.rsi = config->entry.esi,
		.rflags = FLAGS_ALWAYS_ONE,
	};

	if (ioctl(vcpu_fd, KVM_SET_REGS, &registers) < 0)
		return error_set(error, -errno, "KVM does not take the registers of vCPU %u: %s",
			config->index, strerror(errno));
	return 0;
}

int cpu_state_set(const struct kvm *kvm, int vcpu_fd, const struct cpu_state_config *config,
	struct error *error)
{
	int result = set_cpuid(kvm, vcpu_fd, config, error);

	if (result == 0)
		result = set_msrs(vcpu_fd, config, error);
	/* The others' first instruction is in their start-up message. */
	if (result < 0 || config->index != 0)
		return result;
	result = set_segments(vcpu_fd, config, error);
	if (result == 0)
		result = set_registers(vcpu_fd, config, error);
	return result;
}
