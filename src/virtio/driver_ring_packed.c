/*
 * The driver's side of packed virtqueues: virtio 1.2, section 2.8.
 *
 * A descriptor is available when its flags say so, and the back end takes them in order. So all
 * chains of a batch but the first are written out completely, and the first chain's head, which
 * `publish` writes last, hides them until then.
 */
#include "virtio/driver_ring.h"

#include <string.h>

#include "virtio/driver_ring_private.h"

#define FLAG_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED (1u << VRING_PACKED_DESC_F_USED)
#define WRAP_BIT (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static size_t packed_memory_bytes(const struct driver_ring_config *config)
{
	return driver_ring_align(config->size * sizeof(struct vring_packed_desc)) +
	       2 * driver_ring_align(sizeof(struct vring_packed_desc_event));
}

static void packed_lay_out(struct driver_ring *ring)
{
	ring->descriptor_area = ring->memory;
	ring->driver_area = (char *)ring->memory +
			    driver_ring_align(ring->config.size * sizeof(struct vring_packed_desc));
	ring->device_area = (char *)ring->driver_area + DRIVER_RING_ALIGNMENT;
	ring->avail_wrap = true;
	ring->used_wrap = true;
}

/* Take a free identifier; there is one whenever there is a free descriptor. */
static uint16_t take_id(struct driver_ring *ring)
{
	const uint16_t id = ring->free_head;

	ring->free_head = ring->chains[id].next_free;
	return id;
}

static void give_back_id(struct driver_ring *ring, uint16_t id)
{
	ring->chains[id].next_free = ring->free_head;
	ring->free_head = id;
}

static uint16_t avail_flags(const struct driver_ring *ring)
{
	return ring->avail_wrap ? FLAG_AVAIL : FLAG_USED;
}

/* Write the descriptor at the next position; the first of a batch stays hidden. */
static void write_next(struct driver_ring *ring, struct vring_packed_desc value)
{
	struct vring_packed_desc *descriptors = ring->descriptor_area;
	struct vring_packed_desc *to = &descriptors[ring->next_avail];
	const uint16_t flags = value.flags | avail_flags(ring);

	to->addr = value.addr;
	to->len = value.len;
	to->id = value.id;
	if (ring->added == 0) {
		ring->batch_head = ring->next_avail;
		ring->batch_head_flags = flags;
	} else {
		shared_write(to->flags, flags);
	}
	ring->added++;
	ring->next_avail++;
	if (ring->next_avail == ring->config.size) {
		ring->next_avail = 0;
		ring->avail_wrap = !ring->avail_wrap;
	}
}

/* Tables are not written by the back end: leave an unchanged entry in its core's cache. */
static void write_table_entry(struct vring_packed_desc *entry, struct vring_packed_desc value)
{
	if (memcmp(entry, &value, sizeof(value)) != 0)
		*entry = value;
}

static void write_table(struct driver_ring *ring, uint16_t id,
	const struct driver_segment *segments, unsigned readable, unsigned writable)
{
	struct vring_packed_desc *table = driver_ring_table(ring, id);
	const unsigned count = readable + writable;

	for (unsigned i = 0; i < count; i++)
		write_table_entry(
			&table[i], (struct vring_packed_desc){
					   .addr = segments[i].guest_address,
					   .len = segments[i].size_bytes,
					   .flags = i >= readable ? VRING_DESC_F_WRITE : 0,
				   });
	write_next(ring, (struct vring_packed_desc){
				 .addr = driver_ring_table_address(ring, id),
				 .len = (uint32_t)(count * sizeof(struct vring_packed_desc)),
				 .id = id,
				 .flags = VRING_DESC_F_INDIRECT,
			 });
}

static void write_chain(struct driver_ring *ring, uint16_t id,
	const struct driver_segment *segments, unsigned readable, unsigned writable)
{
	const unsigned count = readable + writable;

	for (unsigned i = 0; i < count; i++)
		write_next(
			ring, (struct vring_packed_desc){
				      .addr = segments[i].guest_address,
				      .len = segments[i].size_bytes,
				      .id = id,
				      .flags = (uint16_t)((i + 1 < count ? VRING_DESC_F_NEXT : 0) |
							  (i >= readable ? VRING_DESC_F_WRITE : 0)),
			      });
}

static int packed_add(struct driver_ring *ring, const struct driver_segment *segments,
	unsigned readable, unsigned writable, void *token)
{
	const int needed = driver_ring_descriptors_for(ring, readable + writable);
	struct driver_chain *chain;
	uint16_t id;

	if (needed < 0)
		return needed;
	id = take_id(ring);
	chain = &ring->chains[id];
	chain->token = token;
	chain->writable_bytes = driver_ring_sum_bytes(segments + readable, writable);
	chain->descriptor_count = (uint16_t)needed;
	if (readable + writable > ring->config.indirect_above)
		write_table(ring, id, segments, readable, writable);
	else
		write_chain(ring, id, segments, readable, writable);
	ring->free_descriptors = (uint16_t)(ring->free_descriptors - needed);
	ring->in_flight++;
	return 0;
}

/* The event's position is in the back end's lap; bring it into the one of next_avail (2.8.10). */
static bool kick_is_wanted(const struct driver_ring *ring, uint16_t from)
{
	struct vring_packed_desc_event *event = ring->device_area;
	const uint16_t flags = shared_read(event->flags);
	uint16_t position;

	if (!ring->config.has_event_index || flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	position = shared_read(event->off_wrap);
	if (!(position & WRAP_BIT) == ring->avail_wrap)
		position = (uint16_t)((position & ~WRAP_BIT) - ring->config.size);
	else
		position &= (uint16_t)~WRAP_BIT;
	return driver_ring_event_is_due(position, ring->next_avail, from);
}

static bool packed_publish(struct driver_ring *ring)
{
	struct vring_packed_desc *descriptors = ring->descriptor_area;
	const uint16_t from = (uint16_t)(ring->next_avail - ring->added);

	shared_write_release(descriptors[ring->batch_head].flags, ring->batch_head_flags);
	ring->added = 0;
	shared_fence();
	return kick_is_wanted(ring, from);
}

static bool next_is_used(const struct driver_ring *ring)
{
	struct vring_packed_desc *descriptors = ring->descriptor_area;
	const uint16_t flags = shared_read_acquire(descriptors[ring->next_used].flags);
	const bool is_avail = flags & FLAG_AVAIL;
	const bool is_used = flags & FLAG_USED;

	return is_avail == is_used && is_used == ring->used_wrap;
}

static void skip_used(struct driver_ring *ring, unsigned descriptor_count)
{
	unsigned next = ring->next_used + descriptor_count;

	if (next >= ring->config.size) {
		next -= ring->config.size;
		ring->used_wrap = !ring->used_wrap;
	}
	ring->next_used = (uint16_t)next;
}

/* Take the completion at next_used, which is one; NULL if it is nonsense. */
static struct driver_chain *take_used(struct driver_ring *ring, uint32_t *size_bytes)
{
	struct vring_packed_desc *descriptors = ring->descriptor_area;
	const uint16_t id = shared_read(descriptors[ring->next_used].id);
	struct driver_chain *chain;

	*size_bytes = shared_read(descriptors[ring->next_used].len);
	chain = driver_ring_used_chain(ring, id, *size_bytes);
	if (!chain)
		return NULL;
	skip_used(ring, chain->descriptor_count);
	ring->free_descriptors = (uint16_t)(ring->free_descriptors + chain->descriptor_count);
	chain->descriptor_count = 0;
	give_back_id(ring, id);
	ring->in_flight--;
	return chain;
}

static int packed_poll(struct driver_ring *ring, struct driver_completion *done, unsigned max)
{
	unsigned count = 0;

	if (ring->is_broken)
		return -EPROTO;
	while (count < max && next_is_used(ring)) {
		struct driver_chain *chain = take_used(ring, &done[count].size_bytes);

		if (!chain)
			return driver_ring_break(ring);
		done[count++].token = chain->token;
	}
	return (int)count;
}

static bool packed_enable_calls(struct driver_ring *ring)
{
	struct vring_packed_desc_event *event = ring->driver_area;
	const unsigned wrap = ring->used_wrap ? WRAP_BIT : 0;

	if (ring->config.has_event_index) {
		shared_write(event->off_wrap, (uint16_t)(ring->next_used | wrap));
		shared_write_release(event->flags, (uint16_t)VRING_PACKED_EVENT_FLAG_DESC);
	} else {
		shared_write(event->flags, (uint16_t)VRING_PACKED_EVENT_FLAG_ENABLE);
	}
	shared_fence();
	return next_is_used(ring);
}

static void packed_disable_calls(struct driver_ring *ring)
{
	struct vring_packed_desc_event *event = ring->driver_area;

	shared_write(event->flags, (uint16_t)VRING_PACKED_EVENT_FLAG_DISABLE);
}

static uint32_t packed_base(const struct driver_ring *ring)
{
	const uint32_t position = ring->next_used | (ring->used_wrap ? WRAP_BIT : 0);

	return position | position << 16;
}

const struct driver_ring_ops driver_ring_packed = {
	.memory_bytes = packed_memory_bytes,
	.lay_out = packed_lay_out,
	.add = packed_add,
	.publish = packed_publish,
	.poll = packed_poll,
	.enable_calls = packed_enable_calls,
	.disable_calls = packed_disable_calls,
	.base = packed_base,
};
