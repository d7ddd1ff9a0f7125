/*
 * Having KVM coalesce writes: to all ranges whose kind's writes are EXIT_BY_COALESCING.
 *
 * Theory of operation. What KVM coalesces it does not tell, so it may coalesce only while somebody polls, and
 * switching it on and off costs system calls. A guest that writes a character now and then is better off
 * with an exit for each, so it has to be earned: by COALESCING_EARNED_BY writes that came as exits while the
 * poller stayed active. Then the burst that goes on pays for the switching.
 */
#ifndef SLUICE_VMM_EXITS_COALESCING_H
#define SLUICE_VMM_EXITS_COALESCING_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exits/coalesced_ring.h"
#include "vmm/exits/registers.h"

#define COALESCING_EARNED_BY 16u
#define COALESCING_ZONES_MAX 8u

struct coalescing {
	int vm_fd;
	bool has_ports; /* KVM can coalesce those, too */
	struct registers *registers;
	struct coalesced_ring ring;
	unsigned zone_count; /* registered; 0: off */
	struct kvm_coalesced_mmio_zone zones[COALESCING_ZONES_MAX];
	uint64_t
		exits_before; /* exits that could have been coalesced, when the poller was armed last */
	uint64_t switched_on; /* a counter */
};

/* `page`: the ring in a vCPU's mapping; NULL: KVM has none, and nothing is ever coalesced. */
void coalescing_init(struct coalescing *coalescing, int vm_fd, bool has_ports,
	struct registers *registers, void *page, uint32_t page_bytes);

/* Switch it on if that has been earned. */
void coalescing_consider(struct coalescing *coalescing);

/* Nothing is coalesced any more when this returns; the ring may still have something. */
void coalescing_stop(struct coalescing *coalescing);

unsigned coalescing_drain(struct coalescing *coalescing);
bool coalescing_is_empty(const struct coalescing *coalescing);

#endif
