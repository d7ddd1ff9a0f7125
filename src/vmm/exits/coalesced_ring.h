/*
 * KVM's ring of coalesced writes: one page, shared by all vCPUs of a VM, in which KVM notes writes to
 * registered zones of memory and ports instead of leaving the guest (Documentation/virt/kvm/api.rst,
 * KVM_REGISTER_COALESCED_MMIO). KVM advances `last`, its reader `first`; it is full when one place is left, and
 * then KVM makes an ordinary exit of a write.
 *
 * The ring is in memory of the kernel's, but nothing in it is believed: indices and lengths are read once and
 * checked. An index out of bounds makes the ring empty until it is within them again.
 */
#ifndef SLUICE_VMM_EXITS_COALESCED_RING_H
#define SLUICE_VMM_EXITS_COALESCED_RING_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/exits/registers.h"

struct coalesced_ring {
	struct kvm_coalesced_mmio_ring *shared;
	unsigned entry_count;
	uint32_t first;	  /* what `shared->first` is; KVM does not change that */
	uint64_t writes;  /* taken out; a counter */
	uint64_t invalid; /* entries and indices that cannot be; a counter */
};

/* `page` is page_bytes long and stays the caller's. */
void coalesced_ring_init(struct coalesced_ring *ring, void *page, uint32_t page_bytes);

bool coalesced_ring_is_empty(const struct coalesced_ring *ring);

/*
 * Give what is in the ring now to the registers, in order; what comes meanwhile stays in it, so the work is bounded
 * by the ring's size. Returns how many writes there were.
 */
unsigned coalesced_ring_drain(struct coalesced_ring *ring, struct registers *registers);

#endif
