/*
 * A VM's interrupts: every one is an eventfd (KVM's irqfd), so that whoever has something to say, a
 * back end in another process included, says it with a write, and no vCPU has to stop for it.
 *
 * Lines are pins of the I/O APIC, edge-triggered. Messages are MSI routes, whose address and data are
 * what the guest wrote into an MSI-X table; one that is masked, or never set, reaches nobody: what is
 * written to its eventfd meanwhile stays in it (the eventfd is readable), and is delivered by unmasking.
 *
 * Any thread may use this. What changes something locks, and may make a system call: it is for set-up and for
 * what guests configure, not for the fast path, which needs only the eventfds.
 */
#ifndef SLUICE_VMM_INTERRUPTS_H
#define SLUICE_VMM_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define INTERRUPT_MESSAGES_MAX 1024u /* of one VM */

struct interrupts;

int interrupts_create(int vm_fd, struct interrupts **interrupts, struct error *error);
void interrupts_destroy(struct interrupts *interrupts);

/*
 * A pin of the I/O APIC.
 *
 * Returns an eventfd (nonblocking) that raises it when written to, owned by `interrupts`; or a negative
 * errno with `error` set.
 */
int interrupts_line(struct interrupts *interrupts, uint32_t gsi, struct error *error);

/*
 * A message, not set yet, and masked. Returns its number, or -ENOSPC when there are
 * INTERRUPT_MESSAGES_MAX.
 */
int interrupts_add_message(struct interrupts *interrupts, struct error *error);

/* The eventfd that sends the message; the same all its life; owned by `interrupts`. */
int interrupts_message_fd(const struct interrupts *interrupts, unsigned message);

/*
 * What the guest wrote into its table. Returns 0; -EINVAL for an address that is not the local APICs'; or KVM's
 * negative errno: then it is masked.
 */
int interrupts_set_message(struct interrupts *interrupts, unsigned message, uint64_t address,
	uint32_t data, bool is_masked);

/* Has a masked message been asked for? For an MSI-X pending bit. */
bool interrupts_is_pending(const struct interrupts *interrupts, unsigned message);

#endif
