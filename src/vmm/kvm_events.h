/*
 * What eventfds are to a VM in KVM: interrupts that are raised by writing to one, and doorbells whose writes
 * by the guest end up in one; and memory that comes and goes while it runs. The system calls, and nothing else; tests have their own in their place.
 */
#ifndef SLUICE_VMM_KVM_EVENTS_H
#define SLUICE_VMM_KVM_EVENTS_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

/* All return 0 or a negative errno. */

/* Replace the table that says what each global system interrupt is. */
int kvm_events_set_routes(int vm_fd, const struct kvm_irq_routing *routes);

/*
 * Let writes to the eventfd raise the interrupt, edge-triggered, or no longer. What has been written before
 * raises it at once; what is written after an eventfd was let go stays in it.
 */
int kvm_events_set_interrupt(int vm_fd, int event_fd, uint32_t gsi, bool is_assigned);

/* Let the guest's writes to exactly this address, of any size, end up in the eventfd, or no longer. */
int kvm_events_set_doorbell(int vm_fd, int event_fd, uint64_t guest_address, bool is_assigned);

/* Have the guest find `host` at that address, or no longer if size_bytes is 0. */
int kvm_events_set_memory(
	int vm_fd, uint32_t slot, uint64_t guest_address, uint64_t size_bytes, void *host);

#endif
