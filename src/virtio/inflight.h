/*
 * In-flight tracking: what a device has popped and not yet given back, in shared memory that the front
 * end keeps while a back end is restarted ("Inflight I/O tracking" in the vhost-user specification).
 *
 * Theory of operation. A process killed at any instruction leaves either "in flight" or "given back"
 * for each chain, never something in between:
 *  - Split: each head has a flag. Giving back a batch links its heads, moves the ring's used index, and
 *    then clears the flags and notes the index. A successor that finds the two indexes apart knows
 *    that the process died between these, and clears the flags of the linked heads itself.
 *  - Packed: used descriptors overwrite available ones, so each descriptor popped is copied. Copies
 *    live in entries of a list whose head is updated last (`old_free_head`), so a half-copied chain
 *    is still free; and `old_used_idx` says in the same way whether a batch was given back. The end of
 *    a batch is noted before the first of its flags is written, so that a successor can take them back.
 *
 * A region with version 0 is new: the ring's base comes from the front end. In any other the base
 * follows from what the region and the ring say, since a front end that lost its back end without
 * warning does not know it.
 *
 * The front end can scribble over the region at any time: indexes read from it are checked.
 */
#ifndef SLUICE_VIRTIO_INFLIGHT_H
#define SLUICE_VIRTIO_INFLIGHT_H

#include <stddef.h>
#include <stdint.h>

#include "virtio/virtqueue.h"

struct inflight_split_entry {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct inflight_split_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct inflight_split_entry entries[];
};

struct inflight_packed_entry {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

/* A word of its own, so that a process is never killed with only a part of it changed. */
struct inflight_packed_position {
	uint16_t used_idx;
	uint16_t old_used_idx;
	uint8_t used_wrap_counter;
	uint8_t old_used_wrap_counter;
	uint8_t padding[2];
} __attribute__((aligned(8)));

struct inflight_packed_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	struct inflight_packed_position position;
	uint8_t padding[8];
	struct inflight_packed_entry entries[];
};

_Static_assert(sizeof(struct inflight_split_entry) == 16, "DescStateSplit");
_Static_assert(offsetof(struct inflight_split_region, entries) == 16, "QueueRegionSplit");
_Static_assert(sizeof(struct inflight_packed_entry) == 32, "DescStatePacked");
_Static_assert(sizeof(struct inflight_packed_position) == sizeof(uint64_t), "one store");
_Static_assert(offsetof(struct inflight_packed_region, position) == 16, "QueueRegionPacked");
_Static_assert(offsetof(struct inflight_packed_region, entries) == 32, "QueueRegionPacked");

/* Bytes of one queue's part of a region, a multiple of a cache line. */
size_t inflight_queue_bytes(bool is_packed, uint16_t queue_size);

/* Order the chains to do again as they were popped at first; `counters[i]` belongs to `slots[i]`. */
void inflight_sort(uint16_t *slots, uint64_t *counters, uint16_t count);

/* ---- split ---- */

/* Take up a region: finds next_available and what to resubmit. Uses queue->next_used. */
void inflight_split_attach(struct virtqueue *queue);

/* A chain has been popped. */
void inflight_split_begin(struct virtqueue *queue, uint16_t head);

/* A chain will be given back with the batch, whose used index is not visible yet. */
void inflight_split_add_to_batch(struct virtqueue *queue, uint16_t head);

/* The batch is visible to the driver. */
void inflight_split_end_batch(struct virtqueue *queue);

/* ---- packed ---- */

/* Take up a region: finds both ring positions and what to resubmit. Returns 0 or -EINVAL. */
int inflight_packed_attach(struct virtqueue *queue, struct error *error);

/*
 * A chain is about to be copied, descriptor by descriptor, and then committed, which returns the slot
 * of its copy, or abandoned.
 *
 * @ring_slots: how many descriptors of the ring the chain takes up
 */
void inflight_packed_begin(struct virtqueue *queue);
void inflight_packed_record(struct virtqueue *queue, const struct descriptor *descriptor);
uint16_t inflight_packed_commit(struct virtqueue *queue, uint16_t ring_slots);
void inflight_packed_abandon(struct virtqueue *queue);

/* Pop a chain from its copy. Returns 1, or -EPROTO with the queue broken. */
int inflight_packed_resubmit(
	struct virtqueue *queue, uint16_t slot, struct descriptor_chain *chain);

/* Before and after a batch becomes visible to the driver. */
void inflight_packed_prepare_batch(struct virtqueue *queue);
void inflight_packed_end_batch(struct virtqueue *queue);

/* Provided by virtqueue_packed.c: append a descriptor's buffers to a chain. */
const char *packed_chain_append(struct virtqueue *queue, const struct descriptor *descriptor,
	struct descriptor_chain *chain);

#endif
