/* What the two formats of driver_ring share. */
#ifndef SLUICE_VIRTIO_DRIVER_RING_PRIVATE_H
#define SLUICE_VIRTIO_DRIVER_RING_PRIVATE_H

#include <errno.h>

#include "virtio/driver_ring.h"

/* Shared fields are read and written whole, once, and never by the compiler's invention. */
#define shared_read(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define shared_read_acquire(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define shared_write(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define shared_write_release(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

/* A store before, and a load after it, both of memory that the other side uses the same way. */
#define shared_fence() __atomic_thread_fence(__ATOMIC_SEQ_CST)

static inline size_t driver_ring_align(size_t bytes)
{
	return (bytes + DRIVER_RING_ALIGNMENT - 1) & ~(size_t)(DRIVER_RING_ALIGNMENT - 1);
}

/* How many of the ring's descriptors a chain takes, or a negative errno if it cannot be added. */
static inline int driver_ring_descriptors_for(const struct driver_ring *ring, unsigned segments)
{
	unsigned needed = segments > ring->config.indirect_above ? 1 : segments;

	if (segments == 0 || segments > ring->config.segments_max)
		return -EINVAL;
	if (needed > ring->free_descriptors)
		return -ENOSPC;
	return (int)needed;
}

static inline uint64_t driver_ring_sum_bytes(const struct driver_segment *segments, unsigned count)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += segments[i].size_bytes;
	return sum;
}

static inline uint64_t driver_ring_table_address(const struct driver_ring *ring, uint16_t id)
{
	return ring->tables_guest_address + id * ring->table_bytes;
}

static inline void *driver_ring_table(const struct driver_ring *ring, uint16_t id)
{
	return ring->tables + id * ring->table_bytes;
}

static inline int driver_ring_break(struct driver_ring *ring)
{
	ring->is_broken = true;
	return -EPROTO;
}

/* The chain that the back end says is done, or NULL if that cannot be. */
static inline struct driver_chain *driver_ring_used_chain(
	struct driver_ring *ring, uint32_t id, uint32_t size_bytes)
{
	struct driver_chain *chain;

	if (id >= ring->config.size)
		return NULL;
	chain = &ring->chains[id];
	if (chain->descriptor_count == 0 || size_bytes > chain->writable_bytes)
		return NULL;
	return chain;
}

#endif
