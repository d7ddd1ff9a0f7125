/*
 * Says what the host's KVM can do of what Sluice needs: a line "name: yes" or "name: no" for each, and an exit status of 0 only if
 * all of it is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct capability {
	const char *name;
	int number;
	int least; // the value of KVM_CHECK_EXTENSION, or the bits of it that must be set
	bool is_mask;
} capabilities[] = {
	{"user memory", KVM_CAP_USER_MEMORY, 1, false},
	{"irqchip", KVM_CAP_IRQCHIP, 1, false},
	{"split irqchip", KVM_CAP_SPLIT_IRQCHIP, 1, false},
	{"irq routing", KVM_CAP_IRQ_ROUTING, 1, false},
	{"signal msi", KVM_CAP_SIGNAL_MSI, 1, false},
	{"irqfd", KVM_CAP_IRQFD, 1, false},
	{"ioeventfd", KVM_CAP_IOEVENTFD, 1, false},
	{"coalesced mmio", KVM_CAP_COALESCED_MMIO, 1, false},
	{"coalesced pio", KVM_CAP_COALESCED_PIO, 1, false},
	{"disable hlt exits", KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT, true},
	{"disable pause exits", KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_PAUSE, true},
	{"immediate exit", KVM_CAP_IMMEDIATE_EXIT, 1, false},
	{"tsc deadline timer", KVM_CAP_TSC_DEADLINE_TIMER, 1, false},
	{"dirty log", KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1, false},
	{"binary stats", KVM_CAP_BINARY_STATS_FD, 1, false},
};

static bool is_there(int kvm, const struct capability *capability)
{
	int value = ioctl(kvm, KVM_CHECK_EXTENSION, capability->number);

	if (capability->is_mask)
		return value > 0 && (value & capability->least) == capability->least;
	return value >= capability->least;
}

/* Whether a vCPU's binary statistics can be read. */
static bool vcpu_has_statistics(int vcpu)
{
	struct kvm_stats_header header;
	int stats = ioctl(vcpu, KVM_GET_STATS_FD, NULL);
	bool are_there;

	if (stats < 0)
		return false;
	are_there = pread(stats, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
		    header.num_desc > 0;
	close(stats);
	return are_there;
}

static bool say(const char *name, bool is_so)
{
	printf("%s: %s\n", name, is_so ? "yes" : "no");
	return is_so;
}

/* A virtual machine of one vCPU, which does not run. */
static bool can_create(int kvm)
{
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu = -1;
	bool all = say("create a virtual machine", vm >= 0);

	all &= say("create its irqchip", vm >= 0 && ioctl(vm, KVM_CREATE_IRQCHIP, 0) == 0);
	if (vm >= 0)
		vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	all &= say("create its vcpu", vcpu >= 0);
	all &= say("read the vcpu's statistics", vcpu >= 0 && vcpu_has_statistics(vcpu));
	if (vcpu >= 0)
		close(vcpu);
	if (vm >= 0)
		close(vm);
	return all;
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	bool all;

	if (kvm < 0) {
		fprintf(stderr, "kvm_probe: /dev/kvm: %s\n", strerror(errno));
		return 1;
	}
	all = say("api version 12", ioctl(kvm, KVM_GET_API_VERSION, 0) == KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(*capabilities); i++)
		all &= say(capabilities[i].name, is_there(kvm, &capabilities[i]));
	all &= can_create(kvm);
	close(kvm);
	return all ? 0 : 1;
}
