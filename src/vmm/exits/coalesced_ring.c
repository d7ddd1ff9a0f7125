#include "vmm/exits/coalesced_ring.h"

#include "base/counter.h"

void coalesced_ring_init(struct coalesced_ring *ring, void *page, uint32_t page_bytes)
{
	*ring = (struct coalesced_ring){.shared = page};
	ring->entry_count = (page_bytes - sizeof(struct kvm_coalesced_mmio_ring)) /
			    sizeof(struct kvm_coalesced_mmio);
	__atomic_store_n(&ring->shared->first, 0, __ATOMIC_RELEASE);
}

/* Where KVM will write next; our own place, which says that there is nothing, if it is nowhere in the ring. */
static uint32_t last_of(const struct coalesced_ring *ring)
{
	uint32_t last = __atomic_load_n(&ring->shared->last, __ATOMIC_ACQUIRE);

	return last < ring->entry_count ? last : ring->first;
}

bool coalesced_ring_is_empty(const struct coalesced_ring *ring)
{
	return last_of(ring) == ring->first;
}

static void write_entry(struct coalesced_ring *ring, struct registers *registers)
{
	struct kvm_coalesced_mmio entry = ring->shared->coalesced_mmio[ring->first];

	if (entry.len == 0 || entry.len > sizeof entry.data) {
		counter_add(&ring->invalid, 1);
		return;
	}
	registers_write(registers, entry.pio ? REGISTER_PORT : REGISTER_MEMORY, entry.phys_addr,
		entry.data, entry.len);
}

unsigned coalesced_ring_drain(struct coalesced_ring *ring, struct registers *registers)
{
	uint32_t last = last_of(ring);
	unsigned count = 0;

	if (last == ring->first)
		return 0;
	registers_come_by(registers, EXIT_BY_COALESCING);
	for (; ring->first != last; count++) {
		write_entry(ring, registers);
		ring->first = (ring->first + 1) % ring->entry_count;
		__atomic_store_n(&ring->shared->first, ring->first, __ATOMIC_RELEASE);
	}
	registers_come_by(registers, EXIT_BY_POST);
	counter_add(&ring->writes, count);
	return count;
}
