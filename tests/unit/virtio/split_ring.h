/* A split ring whose driver's side is written by hand, for tests of what honest drivers don't do. */
#ifndef SLUICE_TESTS_SPLIT_RING_H
#define SLUICE_TESTS_SPLIT_RING_H

#include "ring_pair.h"

#include <errno.h>

#define SIZE 16u

static struct ring_pair pair;
static struct descriptor_chain chain;

static inline struct vring_desc *descriptors(void)
{
	return pair.driver.descriptor_area;
}

static inline struct vring_avail *available(void)
{
	return pair.driver.driver_area;
}

static inline struct vring_used *used(void)
{
	return pair.driver.device_area;
}

static inline void open_ring(bool has_event_index)
{
	pair_open(&pair, SIZE, false, has_event_index, false);
	pair_attach(&pair);
}

/* As if so many chains had gone through the ring already. */
static inline void open_ring_at(uint16_t index, bool has_event_index)
{
	pair_open(&pair, SIZE, false, has_event_index, false);
	available()->idx = index;
	used()->idx = index;
	pair.setup.base = index;
	pair_attach(&pair);
}

static inline void offer(uint16_t head)
{
	available()->ring[available()->idx % SIZE] = head;
	available()->idx++;
}

static inline void describe(struct vring_desc *table, uint16_t index, uint64_t offset,
	uint32_t size_bytes, uint16_t flags, uint16_t next)
{
	table[index] = (struct vring_desc){PAIR_BUFFERS + offset, size_bytes, flags, next};
}

static inline struct vring_desc *table_at(uint64_t offset)
{
	return (struct vring_desc *)(pair.memory + PAIR_BUFFERS + offset);
}

static inline void assert_segment(unsigned index, uint64_t offset, size_t size_bytes)
{
	uint8_t *host = pair.guest.regions[0].host;

	assert_ptr_equal(chain.segments[index].iov_base, host + PAIR_BUFFERS + offset);
	assert_int_equal(chain.segments[index].iov_len, size_bytes);
}

static inline void assert_breaks(const char *reason)
{
	assert_int_equal(virtqueue_pop(&pair.device, &chain), -EPROTO);
	assert_string_equal(pair.device.broken, reason);
	pair_close(&pair);
}

#endif
