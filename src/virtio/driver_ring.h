/*
 * The driver's side of a virtqueue: what a guest does, for programs that talk to a back end without
 * one. Both formats of virtio 1.2 (2.7 split, 2.8 packed), indirect descriptors, event index.
 *
 * Theory of operation. Chains are added in batches and become visible with one `publish`, so that
 * the cache lines which both sides write cross between their cores once per batch. Descriptors are
 * recycled last in, first out, and one that would be stored with the content it already has is not
 * stored: a caller that recycles its request slots the same way keeps split descriptors and
 * indirect tables unchanged, and so in the other core's cache.
 *
 * The back end is not trusted: all bookkeeping is in private memory, and what it writes to the ring
 * is read once and checked. A ring whose back end breaks the protocol is broken for good.
 *
 * One thread per ring.
 */
#ifndef SLUICE_VIRTIO_DRIVER_RING_H
#define SLUICE_VIRTIO_DRIVER_RING_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVER_RING_SIZE_MAX 32768u
#define DRIVER_RING_SEGMENTS_MAX 1024u
#define DRIVER_RING_NEVER_INDIRECT UINT16_MAX

struct driver_ring_config {
	uint16_t size;		 /* descriptors; a power of two for split rings */
	uint16_t segments_max;	 /* longest chain */
	uint16_t indirect_above; /* longer chains go into an indirect table */
	bool is_packed;
	bool has_event_index;
};

/* A part of a request's memory, as the back end will address it. */
struct driver_segment {
	uint64_t guest_address;
	uint32_t size_bytes;
};

struct driver_completion {
	void *token; /* what was added */
	uint32_t
		size_bytes; /* written by the back end; checked against the chain's writable bytes */
};

/* A chain that the back end has, by its identifier (split: the head descriptor). */
struct driver_chain {
	void *token;
	uint64_t writable_bytes;
	uint16_t descriptor_count; /* 0: not in flight */
	uint16_t next_free;	   /* split: also the links inside chains */
};

struct driver_ring;

struct driver_ring_ops {
	size_t (*memory_bytes)(const struct driver_ring_config *config);
	void (*lay_out)(struct driver_ring *ring);
	int (*add)(struct driver_ring *ring, const struct driver_segment *segments,
		unsigned readable, unsigned writable, void *token);
	bool (*publish)(struct driver_ring *ring);
	int (*poll)(struct driver_ring *ring, struct driver_completion *done, unsigned max);
	bool (*enable_calls)(struct driver_ring *ring);
	void (*disable_calls)(struct driver_ring *ring);
	uint32_t (*base)(const struct driver_ring *ring);
};

struct driver_ring {
	const struct driver_ring_ops *ops;
	struct driver_ring_config config;
	struct driver_chain *chains;
	unsigned in_flight; /* chains */
	uint16_t free_descriptors;
	uint16_t free_head; /* of the list of free identifiers */
	uint16_t added;	    /* split: chains, packed: descriptors, since the last publish */
	bool is_broken;

	/* The three areas of the virtqueue, which SET_VRING_ADDR wants to know. */
	void *memory;
	void *descriptor_area;
	void *driver_area;
	void *device_area;

	/* Indirect tables, one per identifier. */
	char *tables;
	uint64_t tables_guest_address;
	size_t table_bytes;

	uint16_t next_avail; /* split: free-running, packed: position */
	uint16_t next_used;
	bool avail_wrap; /* packed */
	bool used_wrap;
	uint16_t batch_head; /* packed: the chain that hides the batch until it is published */
	uint16_t batch_head_flags;
};

/* Bytes of shared memory that a ring needs, aligned to DRIVER_RING_ALIGNMENT. */
#define DRIVER_RING_ALIGNMENT 64u
size_t driver_ring_memory_bytes(const struct driver_ring_config *config);

/*
 * Set up an empty ring.
 *
 * @memory: driver_ring_memory_bytes() of zeroed memory, aligned to DRIVER_RING_ALIGNMENT; the caller's
 * @guest_address: where the back end finds that memory
 * Returns 0, -EINVAL for a size or limits that virtio does not allow, -ENOMEM.
 */
int driver_ring_init(struct driver_ring *ring, const struct driver_ring_config *config,
	void *memory, uint64_t guest_address);

void driver_ring_free(struct driver_ring *ring);

/*
 * Add a chain: first its readable (by the back end), then its writable segments.
 *
 * The back end may see it at once, and will have been shown it after `driver_ring_publish`.
 * Returns 0, -ENOSPC if the ring has too few free descriptors, -EINVAL for a chain longer than
 * configured or empty.
 */
static inline int driver_ring_add(struct driver_ring *ring, const struct driver_segment *segments,
	unsigned readable, unsigned writable, void *token)
{
	return ring->ops->add(ring, segments, readable, writable, token);
}

/* Show all added chains to the back end. Returns whether it wants to be kicked. */
static inline bool driver_ring_publish(struct driver_ring *ring)
{
	return ring->added > 0 && ring->ops->publish(ring);
}

/*
 * Collect up to `max` completed chains, in the order of completion.
 *
 * Returns how many, or -EPROTO if the back end has written nonsense: an identifier out of range or
 * not in flight, more completions than requests, a length beyond the chain's writable bytes.
 */
static inline int driver_ring_poll(
	struct driver_ring *ring, struct driver_completion *done, unsigned max)
{
	return ring->ops->poll(ring, done, max);
}

/* Ask to be called at the next completion. Returns true if there is one already: look again. */
static inline bool driver_ring_enable_calls(struct driver_ring *ring)
{
	return ring->ops->enable_calls(ring);
}

/* Calls are not needed (a hint: one may come nevertheless). The state of a new ring. */
static inline void driver_ring_disable_calls(struct driver_ring *ring)
{
	ring->ops->disable_calls(ring);
}

/* For SET_VRING_BASE: where a back end that has completed all but what is in flight goes on. */
static inline uint32_t driver_ring_base(const struct driver_ring *ring)
{
	return ring->ops->base(ring);
}

/* Whether an event index asks for a notification when an index moves from `from` to `to` (2.7.7.1). */
static inline bool driver_ring_event_is_due(uint16_t event, uint16_t to, uint16_t from)
{
	return (uint16_t)(to - event - 1) < (uint16_t)(to - from);
}

/* The formats, for driver_ring_init. */
extern const struct driver_ring_ops driver_ring_split;
extern const struct driver_ring_ops driver_ring_packed;

#endif
