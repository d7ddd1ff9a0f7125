/*
 * In place of vmm/kvm_events.c: KVM as far as eventfds, interrupts and memory that comes and goes go, in memory, so that tests see what it was
 * told and play the kernel's part.
 */
#ifndef SLUICE_TESTS_KVM_DOUBLE_H
#define SLUICE_TESTS_KVM_DOUBLE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/interrupts.h"
#include "vmm/layout.h"

#define KVM_DOUBLE_GSI_COUNT (LAYOUT_GSI_COUNT + INTERRUPT_MESSAGES_MAX)
#define KVM_DOUBLE_DOORBELLS_MAX 4096u
#define KVM_DOUBLE_MEMORY_SLOTS 4u

struct kvm_double {
	unsigned route_count;
	struct kvm_irq_routing_entry routes[KVM_DOUBLE_GSI_COUNT + 64];
	int event_fds[KVM_DOUBLE_GSI_COUNT]; /* by interrupt; -1: none */
	unsigned raised[KVM_DOUBLE_GSI_COUNT];
	unsigned doorbell_count;
	struct {
		uint64_t address;
		int fd;
	} doorbells[KVM_DOUBLE_DOORBELLS_MAX];
	struct {
		uint64_t address, bytes;
		void *host;
	} memory[KVM_DOUBLE_MEMORY_SLOTS];
	int failure; /* a negative errno: all calls fail with it */
};

extern struct kvm_double kvm_double;

void kvm_double_reset(void);

/* Raise what has been written to eventfds; how often the interrupt was raised since this was last asked. */
unsigned kvm_double_raised(uint32_t gsi);

/* The guest writes there. Returns false if it is nobody's doorbell: the write is an exit. */
bool kvm_double_write(uint64_t address);

/* What the guest finds at that address; NULL: no memory that came while it ran. */
uint8_t *kvm_double_memory(uint64_t address);

/* The route of an interrupt that is a message; NULL: it has none. */
const struct kvm_irq_routing_msi *kvm_double_message(uint32_t gsi);

#endif
