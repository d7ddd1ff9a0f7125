/*
 * One request as a driver has put it into a ring: a chain of buffers, first those that the device
 * reads, then those that it writes, as pointers into the guest's memory that have been checked.
 */
#ifndef SLUICE_VIRTIO_DESCRIPTOR_CHAIN_H
#define SLUICE_VIRTIO_DESCRIPTOR_CHAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "virtio/guest_memory.h"

#define DESCRIPTOR_BYTES ((size_t)16) /* in both ring formats, and in indirect tables */

/* Data segments of the largest request, a header and a status byte. */
#define DESCRIPTOR_CHAIN_SEGMENTS_MAX 130u

/*
 * Descriptors of a chain, empty ones included: a bound on the time that it takes to follow it. No more
 * than twice that of the largest honest request, as all disks of a sidecore pay for it.
 */
#define DESCRIPTOR_CHAIN_LENGTH_MAX 256u

struct descriptor_chain {
	uint16_t id;		/* split: index of the head descriptor; packed: the buffer id */
	uint16_t ring_slots;	/* packed: descriptors of the ring that the chain takes up */
	uint16_t tracking_slot; /* where in-flight tracking has it */
	uint16_t readable_count;
	uint16_t writable_count;
	struct iovec segments[DESCRIPTOR_CHAIN_SEGMENTS_MAX];
};

/* A descriptor, copied out of shared memory: the same for both ring formats. */
struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags;
	uint16_t next_or_id; /* split: next; packed: the buffer id */
};

/* Forget the segments. */
static inline void descriptor_chain_reset(struct descriptor_chain *chain)
{
	chain->readable_count = 0;
	chain->writable_count = 0;
}

/* An indirect table may be at any address. */
typedef volatile uint64_t __attribute__((aligned(1))) unaligned_word;

/* Copy a descriptor out of shared memory, reading each byte of it once. */
static inline struct descriptor descriptor_read(const void *shared)
{
	const unaligned_word *words = shared;
	uint64_t meta = words[1];

	return (struct descriptor){
		.address = words[0],
		.length = (uint32_t)meta,
		.flags = (uint16_t)(meta >> 32),
		.next_or_id = (uint16_t)(meta >> 48),
	};
}

/*
 * Append the buffer of a descriptor; one that spans memory regions becomes several segments, an empty
 * one none.
 *
 * Returns NULL, or what is wrong with it: outside of the guest's memory, readable after writable,
 * too many segments.
 */
const char *descriptor_chain_append(struct descriptor_chain *chain, struct guest_memory *memory,
	const struct descriptor *descriptor);

/* The table of an indirect descriptor: where it is and how many descriptors it has. */
struct indirect_table {
	const uint8_t *entries; /* of DESCRIPTOR_BYTES */
	uint32_t count;
};

/* Find the table. Returns NULL, or what is wrong with it. */
const char *indirect_table_find(struct guest_memory *memory, const struct descriptor *descriptor,
	struct indirect_table *table);

#endif
