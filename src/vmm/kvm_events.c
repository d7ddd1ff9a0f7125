#include "vmm/kvm_events.h"

#include <errno.h>
#include <sys/ioctl.h>

static int call(int vm_fd, unsigned long request, const void *argument)
{
	return ioctl(vm_fd, request, argument) < 0 ? -errno : 0;
}

int kvm_events_set_routes(int vm_fd, const struct kvm_irq_routing *routes)
{
	return call(vm_fd, KVM_SET_GSI_ROUTING, routes);
}

int kvm_events_set_interrupt(int vm_fd, int event_fd, uint32_t gsi, bool is_assigned)
{
	const struct kvm_irqfd interrupt = {.fd = (uint32_t)event_fd,
		.gsi = gsi,
		.flags = is_assigned ? 0 : KVM_IRQFD_FLAG_DEASSIGN};

	return call(vm_fd, KVM_IRQFD, &interrupt);
}

/* Of length 0, that is any: where the CPU tells the address of an access, KVM need not read the instruction. */
int kvm_events_set_doorbell(int vm_fd, int event_fd, uint64_t guest_address, bool is_assigned)
{
	const struct kvm_ioeventfd doorbell = {.addr = guest_address,
		.fd = event_fd,
		.flags = is_assigned ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN};

	return call(vm_fd, KVM_IOEVENTFD, &doorbell);
}

int kvm_events_set_memory(
	int vm_fd, uint32_t slot, uint64_t guest_address, uint64_t size_bytes, void *host)
{
	const struct kvm_userspace_memory_region region = {.slot = slot,
		.guest_phys_addr = guest_address,
		.memory_size = size_bytes,
		.userspace_addr = (uintptr_t)host};

	return call(vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}
