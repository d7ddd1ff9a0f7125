#include "virtio/inflight.h"

#define CACHE_LINE_BYTES 64u

size_t inflight_queue_bytes(bool is_packed, uint16_t queue_size)
{
	size_t bytes = is_packed ? sizeof(struct inflight_packed_region) +
					   queue_size * sizeof(struct inflight_packed_entry)
				 : sizeof(struct inflight_split_region) +
					   queue_size * sizeof(struct inflight_split_entry);

	return (bytes + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
}

/* Insertion sort: it runs once after a crash, on entries that are nearly in order. */
void inflight_sort(uint16_t *slots, uint64_t *counters, uint16_t count)
{
	for (unsigned i = 1; i < count; i++) {
		uint64_t counter = counters[i];
		uint16_t slot = slots[i];
		unsigned j = i;

		for (; j > 0 && counters[j - 1] > counter; j--) {
			counters[j] = counters[j - 1];
			slots[j] = slots[j - 1];
		}
		counters[j] = counter;
		slots[j] = slot;
	}
}
