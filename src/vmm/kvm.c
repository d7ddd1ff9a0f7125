#include "vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/layout.h"

#define KVM_PATH "/dev/kvm"

/* What there is no way around; all of it is older than Linux 5.0. */
static const struct {
	int capability;
	const char *name;
} needed_capabilities[] = {
	{KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP"},
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
	{KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
	{KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
	{KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER"},
	{KVM_CAP_IRQFD, "KVM_CAP_IRQFD"},
	{KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD"},
	{KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING"},
	{KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
};

/* What it is worth, or 0. */
static int capability(const struct kvm *kvm, int number)
{
	int value = ioctl(kvm->fd, KVM_CHECK_EXTENSION, number);

	return value < 0 ? 0 : value;
}

static int open_device(const char *path, struct error *error)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_set(error, -ENOENT,
			"%s: there is none; the CPU must have virtualization, enabled in its "
			"firmware, and the module kvm_intel or kvm_amd must be loaded",
			path);
	if (errno == EACCES || errno == EPERM)
		return error_set(error, -EACCES,
			"%s: permission denied; the user must be in the group that owns it "
			"(usermod -aG kvm USER)",
			path);
	return error_set(error, -errno, "%s: %s", path, strerror(errno));
}

static int check_needs(const struct kvm *kvm, const char *path, struct error *error)
{
	int version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION)
		return error_set(
			error, -ENOTSUP, "%s: is no KVM of version %d", path, KVM_API_VERSION);
	for (unsigned i = 0; i < sizeof needed_capabilities / sizeof *needed_capabilities; i++)
		if (!capability(kvm, needed_capabilities[i].capability))
			return error_set(error, -ENOTSUP, "%s: the host's kernel lacks %s", path,
				needed_capabilities[i].name);
	return 0;
}

static int look(struct kvm *kvm, const char *path, struct error *error)
{
	int run_bytes = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (run_bytes < (int)sizeof(struct kvm_run))
		return error_set(
			error, -ENOTSUP, "%s: a vCPU's state is %d bytes", path, run_bytes);
	kvm->run_bytes = (uint32_t)run_bytes;
	kvm->coalesced_page = (uint32_t)capability(kvm, KVM_CAP_COALESCED_MMIO);
	kvm->has_coalesced_ports = kvm->coalesced_page && capability(kvm, KVM_CAP_COALESCED_PIO);
	kvm->exits_that_can_be_disabled =
		(uint32_t)capability(kvm, KVM_CAP_X86_DISABLE_EXITS) & KVM_X86_DISABLE_VALID_EXITS;
	kvm->has_statistics = capability(kvm, KVM_CAP_BINARY_STATS_FD);
	return 0;
}

int kvm_open(const char *path, struct kvm *kvm, struct error *error)
{
	int result;

	if (!path)
		path = KVM_PATH;
	*kvm = (struct kvm){.fd = open_device(path, error)};
	if (kvm->fd < 0)
		return kvm->fd;
	result = check_needs(kvm, path, error);
	if (result == 0)
		result = look(kvm, path, error);
	if (result < 0)
		kvm_close(kvm);
	return result;
}

void kvm_close(struct kvm *kvm)
{
	close(kvm->fd);
	kvm->fd = -1;
}

/* Pages that Intel's CPUs want for themselves; to be said before there are vCPUs. */
static int place_hidden_pages(int vm_fd)
{
	uint64_t identity_map = LAYOUT_IDENTITY_MAP;

	if (ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return -errno;
	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, LAYOUT_TASK_STATE) < 0)
		return -errno;
	return 0;
}

int kvm_create_vm(const struct kvm *kvm, struct error *error)
{
	int vm_fd, result;

	do
		vm_fd = ioctl(kvm->fd, KVM_CREATE_VM, 0);
	while (vm_fd < 0 && errno == EINTR);
	if (vm_fd < 0)
		return error_set(error, -errno, "KVM cannot make a VM: %s", strerror(errno));
	result = place_hidden_pages(vm_fd);
	if (result == 0 && ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		result = -errno;
	if (result == 0)
		return vm_fd;
	close(vm_fd);
	return error_set(
		error, result, "KVM cannot make interrupt controllers: %s", strerror(-result));
}

int kvm_disable_idle_exits(const struct kvm *kvm, int vm_fd, struct error *error)
{
	struct kvm_enable_cap enable = {
		.cap = KVM_CAP_X86_DISABLE_EXITS,
		.args = {kvm->exits_that_can_be_disabled},
	};

	if (!kvm->exits_that_can_be_disabled)
		return 0;
	if (ioctl(vm_fd, KVM_ENABLE_CAP, &enable) < 0)
		return error_set(error, -errno, "KVM does not let guests idle without exits: %s",
			strerror(errno));
	return 0;
}
