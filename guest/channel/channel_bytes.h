/* What both sides of a module channel do with the bytes of a ring. The caller has checked that they are within it. */
#ifndef SLUICE_GUEST_CHANNEL_BYTES_H
#define SLUICE_GUEST_CHANNEL_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "module_channel.h"

struct channel_bytes {
	uint8_t *data;
	uint32_t size; /* a power of two */
};

/* How much of a ring a record with so much data takes; `bytes` is less than 2^32 - 16. */
static inline uint32_t channel_record_room(uint32_t bytes)
{
	const uint32_t align = SLUICE_CHANNEL_RECORD_ALIGNMENT;

	return (uint32_t)sizeof(struct sluice_channel_record) + (bytes + align - 1) / align * align;
}

/* The most data that one record should have, so that a ring holds several and both sides work at once. */
static inline uint32_t channel_fragment_bytes(const struct channel_bytes *ring)
{
	return ring->size / 4 - (uint32_t)sizeof(struct sluice_channel_record);
}

static inline size_t channel_bytes_before_end(
	const struct channel_bytes *ring, uint32_t position, size_t bytes)
{
	const size_t left = ring->size - (position & (ring->size - 1));

	return bytes < left ? bytes : left;
}

static inline void channel_bytes_put(
	const struct channel_bytes *ring, uint32_t position, const void *from, size_t bytes)
{
	const size_t first = channel_bytes_before_end(ring, position, bytes);

	memcpy(ring->data + (position & (ring->size - 1)), from, first);
	if (bytes > first)
		memcpy(ring->data, (const uint8_t *)from + first, bytes - first);
}

static inline void channel_bytes_take(
	const struct channel_bytes *ring, uint32_t position, void *to, size_t bytes)
{
	const size_t first = channel_bytes_before_end(ring, position, bytes);

	memcpy(to, ring->data + (position & (ring->size - 1)), first);
	if (bytes > first)
		memcpy((uint8_t *)to + first, ring->data, bytes - first);
}

static inline uint64_t *channel_record_at(const struct channel_bytes *ring, uint32_t position)
{
	return (uint64_t *)(void *)(ring->data + (position & (ring->size - 1)));
}

/* A record's head is read once: the other side may write it again. */
static inline struct sluice_channel_record channel_record_take(
	const struct channel_bytes *ring, uint32_t position)
{
	const uint64_t head = __atomic_load_n(channel_record_at(ring, position), __ATOMIC_RELAXED);
	struct sluice_channel_record record;

	memcpy(&record, &head, sizeof record);
	return record;
}

static inline void channel_record_put(
	const struct channel_bytes *ring, uint32_t position, struct sluice_channel_record record)
{
	uint64_t head;

	memcpy(&head, &record, sizeof head);
	__atomic_store_n(channel_record_at(ring, position), head, __ATOMIC_RELAXED);
}

#endif
