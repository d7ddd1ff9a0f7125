/*
 * The device's side of a virtqueue, split or packed (virtio 1.2, sections 2.7 and 2.8).
 *
 * Theory of operation. The owner pops chains, works on them in any order, pushes each when done,
 * and publishes what it has pushed; publishing in batches saves cache-line traffic between the
 * cores. The two ring formats are two implementations behind one table of operations.
 *
 * The driver is hostile. Whatever is read from the ring is read once and checked; a ring that breaks
 * the protocol is marked broken with the reason, pops nothing more, and everything else goes on.
 *
 * With an in-flight region (vhost-user's VHOST_USER_GET_INFLIGHT_FD) every chain is recorded in
 * shared memory from pop to publish, so that a successor of this process finds what it must do again;
 * those chains are popped first.
 */
#ifndef SLUICE_VIRTIO_VIRTQUEUE_H
#define SLUICE_VIRTIO_VIRTQUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/descriptor_chain.h"
#include "virtio/guest_memory.h"

#define VIRTQUEUE_SIZE_MAX 1024u
#define VIRTQUEUE_BATCH_MAX 64u

/* Where a ring is and where it stands, as the front end says. Addresses are the front end's own. */
struct virtqueue_setup {
	uint16_t size;
	bool is_packed;
	bool has_event_index;
	bool logs_used_ring; /* the used ring's writes belong in the dirty log, at log_address */
	uint64_t descriptor_address;
	uint64_t driver_address; /* split: available ring; packed: driver event suppression */
	uint64_t device_address; /* split: used ring; packed: device event suppression */
	uint64_t log_address;
	/*
	 * As in SET_VRING_BASE. Split: the next available index. Packed: that (15 bits), its wrap
	 * counter, and the same 16 bits for used above them.
	 */
	uint32_t base;
	struct guest_memory *memory; /* outlives the virtqueue's use */
	void *inflight;		     /* this queue's part of the in-flight region, or NULL */
	size_t inflight_bytes;	     /* of that part */
};

struct virtqueue_operations;

struct virtqueue {
	const struct virtqueue_operations *operations;
	struct guest_memory *memory;
	const char *broken; /* why the ring is stopped; NULL: it is not */
	uint16_t size;
	bool has_event_index;
	bool available_wrap; /* packed */
	bool used_wrap;	     /* packed */
	uint16_t next_available;
	uint16_t known_available; /* split: the driver's index when last read */
	uint16_t next_used;
	uint16_t unsignalled;  /* ring slots used since a call was last settled */
	uint16_t in_flight;    /* chains popped and not pushed */
	uint16_t slots_in_use; /* packed: ring slots of those chains */

	/* Pushed and not published. */
	uint16_t batch_count;
	uint16_t batch_tracking[VIRTQUEUE_BATCH_MAX];
	uint16_t batch_slots[VIRTQUEUE_BATCH_MAX]; /* packed: where each goes */
	uint16_t batch_spans[VIRTQUEUE_BATCH_MAX]; /* packed: how many ring slots it takes up */
	uint64_t batch_words[VIRTQUEUE_BATCH_MAX]; /* packed: what shows it to the driver */

	union {
		struct {
			const struct vring_desc *descriptors;
			const struct vring_avail *available;
			struct vring_used *used;
		} split;
		struct {
			struct vring_packed_desc *descriptors;
			const struct vring_packed_desc_event *driver_event;
			struct vring_packed_desc_event *device_event;
		} packed;
	};

	uint64_t log_address;
	bool logs_used_ring;

	/* In-flight tracking; see inflight.h. */
	void *inflight;
	uint64_t inflight_counter;
	uint16_t resubmit_count;
	uint16_t resubmit_next;
	uint16_t resubmit[VIRTQUEUE_SIZE_MAX];
	uint16_t resubmit_slots; /* packed: ring slots of those not popped again yet */
	uint16_t tracking_free;	 /* packed: first free entry; beyond the size: none */
	uint16_t tracking_head;	 /* packed: first entry of the chain being copied */
	uint16_t tracking_last;	 /* packed: its last entry so far */
	uint64_t in_flight_ids[VIRTQUEUE_SIZE_MAX / 64]; /* split: heads that are in flight */
};

struct virtqueue_operations {
	int (*attach)(
		struct virtqueue *queue, const struct virtqueue_setup *setup, struct error *error);
	int (*pop)(struct virtqueue *queue, struct descriptor_chain *chain);
	void (*unpop)(struct virtqueue *queue, const struct descriptor_chain *chain);
	void (*push)(struct virtqueue *queue, const struct descriptor_chain *chain,
		uint32_t written_bytes);
	void (*publish)(struct virtqueue *queue);
	bool (*needs_call)(const struct virtqueue *queue);
	bool (*enable_kicks)(struct virtqueue *queue);
	void (*disable_kicks)(struct virtqueue *queue);
	uint32_t (*base)(const struct virtqueue *queue);
};

/*
 * Attach to a ring in guest memory, and find what a predecessor left in flight.
 *
 * Returns 0, or -EINVAL with `error` set: impossible size, addresses outside of the memory, an
 * in-flight region that contradicts the ring or is too small for it.
 */
int virtqueue_attach(
	struct virtqueue *queue, const struct virtqueue_setup *setup, struct error *error);

/*
 * Take the next chain that the driver has made available.
 *
 * @chain: filled in; kept by the owner until it is pushed
 * Returns 1, 0 if there is none, or -EPROTO if the ring is broken (queue->broken says why).
 */
static inline int virtqueue_pop(struct virtqueue *queue, struct descriptor_chain *chain)
{
	return queue->operations->pop(queue, chain);
}

/*
 * Put back the chain that was popped last, as if it had not been; of several, the last first. Not on a
 * ring with in-flight tracking.
 */
static inline void virtqueue_unpop(struct virtqueue *queue, const struct descriptor_chain *chain)
{
	queue->operations->unpop(queue, chain);
}

/*
 * Give a chain back with the number of bytes written into its writable segments. The driver sees it
 * with the next publish, at the latest when VIRTQUEUE_BATCH_MAX have been pushed.
 */
static inline void virtqueue_push(
	struct virtqueue *queue, const struct descriptor_chain *chain, uint32_t written_bytes)
{
	queue->operations->push(queue, chain, written_bytes);
}

/*
 * A chain will not be given back: nobody waits for it. It stays in the in-flight region; the ring can
 * only be stopped after this, and its base means nothing.
 */
static inline void virtqueue_forget(struct virtqueue *queue)
{
	queue->in_flight--;
}

/* Let the driver see what has been pushed. */
static inline void virtqueue_publish(struct virtqueue *queue)
{
	if (queue->batch_count)
		queue->operations->publish(queue);
}

/*
 * Does the driver want a call, as of now, for what has been published since a call was last settled? Nothing may
 * be pushed and unpublished.
 */
static inline bool virtqueue_needs_call(const struct virtqueue *queue)
{
	return queue->unsignalled && queue->operations->needs_call(queue);
}

/* It is called for all that has been published, or need not be. */
static inline void virtqueue_settle_call(struct virtqueue *queue)
{
	queue->unsignalled = 0;
}

/* Are there chains which a predecessor left in flight, and which are not popped again yet? */
static inline bool virtqueue_has_resubmissions(const struct virtqueue *queue)
{
	return queue->resubmit_next < queue->resubmit_count;
}

/* Ask the driver to kick. Returns true if chains are available already: then nobody may kick. */
static inline bool virtqueue_enable_kicks(struct virtqueue *queue)
{
	return queue->operations->enable_kicks(queue) || virtqueue_has_resubmissions(queue);
}

/* Ask the driver not to kick. */
static inline void virtqueue_disable_kicks(struct virtqueue *queue)
{
	queue->operations->disable_kicks(queue);
}

/* Where the ring stands, as GET_VRING_BASE wants it; nothing may be in flight. */
static inline uint32_t virtqueue_base(const struct virtqueue *queue)
{
	return queue->operations->base(queue);
}

/* Stop popping, for a reason. Returns -EPROTO. */
int virtqueue_break(struct virtqueue *queue, const char *reason);

extern const struct virtqueue_operations virtqueue_split_operations;
extern const struct virtqueue_operations virtqueue_packed_operations;

#endif
