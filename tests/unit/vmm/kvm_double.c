#include "kvm_double.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/kvm_events.h"

struct kvm_double kvm_double;

void kvm_double_reset(void)
{
	memset(&kvm_double, 0, sizeof kvm_double);
	for (unsigned i = 0; i < KVM_DOUBLE_GSI_COUNT; i++)
		kvm_double.event_fds[i] = -1;
}

/* As the kernel does when the eventfd is written to, when it begins to listen, and before it stops. */
static void raise_if_written(uint32_t gsi)
{
	uint64_t count;

	if (kvm_double.event_fds[gsi] >= 0 &&
		read(kvm_double.event_fds[gsi], &count, sizeof count) == sizeof count)
		kvm_double.raised[gsi]++;
}

int kvm_events_set_routes(int vm_fd, const struct kvm_irq_routing *routes)
{
	if (kvm_double.failure)
		return kvm_double.failure;
	if (routes->nr > sizeof kvm_double.routes / sizeof *kvm_double.routes)
		return -EINVAL;
	kvm_double.route_count = routes->nr;
	memcpy(kvm_double.routes, routes->entries, routes->nr * sizeof *kvm_double.routes);
	return 0;
}

int kvm_events_set_interrupt(int vm_fd, int event_fd, uint32_t gsi, bool is_assigned)
{
	if (kvm_double.failure)
		return kvm_double.failure;
	if (gsi >= KVM_DOUBLE_GSI_COUNT)
		return -EINVAL;
	if (is_assigned == (kvm_double.event_fds[gsi] >= 0))
		return is_assigned ? -EBUSY : -ENOENT;
	raise_if_written(gsi);
	kvm_double.event_fds[gsi] = is_assigned ? event_fd : -1;
	raise_if_written(gsi);
	return 0;
}

static unsigned find_doorbell(uint64_t address)
{
	unsigned i = 0;

	while (i < kvm_double.doorbell_count && kvm_double.doorbells[i].address != address)
		i++;
	return i;
}

int kvm_events_set_doorbell(int vm_fd, int event_fd, uint64_t guest_address, bool is_assigned)
{
	unsigned i = find_doorbell(guest_address);

	if (kvm_double.failure)
		return kvm_double.failure;
	if (is_assigned) {
		if (i < kvm_double.doorbell_count)
			return -EEXIST;
		if (i == KVM_DOUBLE_DOORBELLS_MAX)
			return -ENOSPC;
		kvm_double.doorbells[i].address = guest_address;
		kvm_double.doorbells[i].fd = event_fd;
		kvm_double.doorbell_count++;
		return 0;
	}
	if (i == kvm_double.doorbell_count || kvm_double.doorbells[i].fd != event_fd)
		return -ENOENT;
	kvm_double.doorbells[i] = kvm_double.doorbells[--kvm_double.doorbell_count];
	return 0;
}

/* As the kernel has it: a slot is made whole, and removed whole; no two are in one place. */
int kvm_events_set_memory(
	int vm_fd, uint32_t slot, uint64_t guest_address, uint64_t size_bytes, void *host)
{
	if (kvm_double.failure)
		return kvm_double.failure;
	if (slot >= KVM_DOUBLE_MEMORY_SLOTS || guest_address % 4096 || size_bytes % 4096)
		return -EINVAL;
	if (size_bytes && kvm_double.memory[slot].bytes)
		return -EINVAL;
	if (!size_bytes && !kvm_double.memory[slot].bytes)
		return -EINVAL;
	for (unsigned i = 0; size_bytes && i < KVM_DOUBLE_MEMORY_SLOTS; i++)
		if (guest_address < kvm_double.memory[i].address + kvm_double.memory[i].bytes &&
			kvm_double.memory[i].address < guest_address + size_bytes)
			return -EEXIST;
	kvm_double.memory[slot].address = guest_address;
	kvm_double.memory[slot].bytes = size_bytes;
	kvm_double.memory[slot].host = host;
	return 0;
}

uint8_t *kvm_double_memory(uint64_t address)
{
	for (unsigned i = 0; i < KVM_DOUBLE_MEMORY_SLOTS; i++)
		if (address - kvm_double.memory[i].address < kvm_double.memory[i].bytes)
			return (uint8_t *)kvm_double.memory[i].host +
			       (address - kvm_double.memory[i].address);
	return NULL;
}

unsigned kvm_double_raised(uint32_t gsi)
{
	unsigned raised;

	raise_if_written(gsi);
	raised = kvm_double.raised[gsi];
	kvm_double.raised[gsi] = 0;
	return raised;
}

bool kvm_double_write(uint64_t address)
{
	const uint64_t one = 1;
	unsigned i = find_doorbell(address);

	return i < kvm_double.doorbell_count &&
	       write(kvm_double.doorbells[i].fd, &one, sizeof one) == sizeof one;
}

const struct kvm_irq_routing_msi *kvm_double_message(uint32_t gsi)
{
	for (unsigned i = 0; i < kvm_double.route_count; i++)
		if (kvm_double.routes[i].gsi == gsi &&
			kvm_double.routes[i].type == KVM_IRQ_ROUTING_MSI)
			return &kvm_double.routes[i].u.msi;
	return NULL;
}
