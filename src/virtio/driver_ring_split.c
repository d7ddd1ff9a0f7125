/* The driver's side of split virtqueues: virtio 1.2, section 2.7. */
#include "virtio/driver_ring.h"

#include <string.h>

#include "virtio/driver_ring_private.h"

/* used_event follows the available ring's entries, avail_event the used ring's. */
static size_t available_bytes(unsigned size)
{
	return sizeof(struct vring_avail) + (size + 1u) * sizeof(uint16_t);
}

static size_t used_bytes(unsigned size)
{
	return sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + sizeof(uint16_t);
}

static uint16_t *used_event(const struct driver_ring *ring)
{
	return &((struct vring_avail *)ring->driver_area)->ring[ring->config.size];
}

static uint16_t *avail_event(const struct driver_ring *ring)
{
	struct vring_used *used = ring->device_area;

	return (uint16_t *)&used->ring[ring->config.size];
}

static size_t split_memory_bytes(const struct driver_ring_config *config)
{
	return driver_ring_align(config->size * sizeof(struct vring_desc)) +
	       driver_ring_align(available_bytes(config->size)) +
	       driver_ring_align(used_bytes(config->size));
}

static void split_lay_out(struct driver_ring *ring)
{
	const unsigned size = ring->config.size;

	ring->descriptor_area = ring->memory;
	ring->driver_area =
		(char *)ring->memory + driver_ring_align(size * sizeof(struct vring_desc));
	ring->device_area = (char *)ring->driver_area + driver_ring_align(available_bytes(size));
}

/* Leave an unchanged descriptor in the other core's cache. */
static void write_descriptor(struct vring_desc *descriptor, struct vring_desc value)
{
	if (memcmp(descriptor, &value, sizeof(value)) != 0)
		*descriptor = value;
}

static void write_table(struct driver_ring *ring, uint16_t head,
	const struct driver_segment *segments, unsigned readable, unsigned writable)
{
	struct vring_desc *ring_descriptors = ring->descriptor_area;
	struct vring_desc *table = driver_ring_table(ring, head);
	const unsigned count = readable + writable;

	for (unsigned i = 0; i < count; i++) {
		const bool is_last = i + 1 == count;

		write_descriptor(&table[i],
			(struct vring_desc){
				.addr = segments[i].guest_address,
				.len = segments[i].size_bytes,
				.flags = (uint16_t)((is_last ? 0 : VRING_DESC_F_NEXT) |
						    (i >= readable ? VRING_DESC_F_WRITE : 0)),
				.next = (uint16_t)(is_last ? 0 : i + 1),
			});
	}
	write_descriptor(&ring_descriptors[head],
		(struct vring_desc){
			.addr = driver_ring_table_address(ring, head),
			.len = (uint32_t)(count * sizeof(struct vring_desc)),
			.flags = VRING_DESC_F_INDIRECT,
		});
}

static void write_chain(struct driver_ring *ring, uint16_t head,
	const struct driver_segment *segments, unsigned readable, unsigned writable)
{
	struct vring_desc *descriptors = ring->descriptor_area;
	const unsigned count = readable + writable;
	uint16_t at = head;

	for (unsigned i = 0; i < count; i++) {
		const bool is_last = i + 1 == count;
		const uint16_t next = ring->chains[at].next_free;

		write_descriptor(&descriptors[at],
			(struct vring_desc){
				.addr = segments[i].guest_address,
				.len = segments[i].size_bytes,
				.flags = (uint16_t)((is_last ? 0 : VRING_DESC_F_NEXT) |
						    (i >= readable ? VRING_DESC_F_WRITE : 0)),
				.next = is_last ? 0 : next,
			});
		at = next;
	}
}

/* The links of taken descriptors stay as they are, so that the chain goes back in one piece. */
static void take_descriptors(struct driver_ring *ring, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		ring->free_head = ring->chains[ring->free_head].next_free;
	ring->free_descriptors = (uint16_t)(ring->free_descriptors - count);
}

static void give_back_descriptors(struct driver_ring *ring, uint16_t head, unsigned count)
{
	uint16_t tail = head;

	for (unsigned i = 1; i < count; i++)
		tail = ring->chains[tail].next_free;
	ring->chains[tail].next_free = ring->free_head;
	ring->free_head = head;
	ring->free_descriptors = (uint16_t)(ring->free_descriptors + count);
}

static int split_add(struct driver_ring *ring, const struct driver_segment *segments,
	unsigned readable, unsigned writable, void *token)
{
	const int needed = driver_ring_descriptors_for(ring, readable + writable);
	struct vring_avail *avail = ring->driver_area;
	const uint16_t head = ring->free_head;
	struct driver_chain *chain;

	if (needed < 0)
		return needed;
	chain = &ring->chains[head];
	chain->token = token;
	chain->writable_bytes = driver_ring_sum_bytes(segments + readable, writable);
	chain->descriptor_count = (uint16_t)needed;
	if (readable + writable > ring->config.indirect_above)
		write_table(ring, head, segments, readable, writable);
	else
		write_chain(ring, head, segments, readable, writable);
	take_descriptors(ring, (unsigned)needed);
	shared_write(avail->ring[ring->next_avail & (ring->config.size - 1)], head);
	ring->next_avail++;
	ring->added++;
	ring->in_flight++;
	return 0;
}

static bool split_publish(struct driver_ring *ring)
{
	struct vring_avail *avail = ring->driver_area;
	struct vring_used *used = ring->device_area;
	const uint16_t from = (uint16_t)(ring->next_avail - ring->added);

	shared_write_release(avail->idx, ring->next_avail);
	ring->added = 0;
	shared_fence();
	if (ring->config.has_event_index)
		return driver_ring_event_is_due(
			shared_read(*avail_event(ring)), ring->next_avail, from);
	return !(shared_read(used->flags) & VRING_USED_F_NO_NOTIFY);
}

static int split_poll(struct driver_ring *ring, struct driver_completion *done, unsigned max)
{
	struct vring_used *used = ring->device_area;
	unsigned pending = (uint16_t)(shared_read_acquire(used->idx) - ring->next_used);
	unsigned count = pending < max ? pending : max;

	if (ring->is_broken || pending > ring->in_flight)
		return driver_ring_break(ring);
	for (unsigned i = 0; i < count; i++) {
		struct vring_used_elem *slot =
			&used->ring[ring->next_used & (ring->config.size - 1)];
		const uint32_t id = shared_read(slot->id);
		const uint32_t size_bytes = shared_read(slot->len);
		struct driver_chain *chain = driver_ring_used_chain(ring, id, size_bytes);

		if (!chain)
			return driver_ring_break(ring);
		done[i] = (struct driver_completion){chain->token, size_bytes};
		give_back_descriptors(ring, (uint16_t)id, chain->descriptor_count);
		chain->descriptor_count = 0;
		ring->next_used++;
		ring->in_flight--;
	}
	return (int)count;
}

static bool split_enable_calls(struct driver_ring *ring)
{
	struct vring_avail *avail = ring->driver_area;
	struct vring_used *used = ring->device_area;

	shared_write(*used_event(ring), ring->next_used);
	shared_write(avail->flags, (uint16_t)0);
	shared_fence();
	return shared_read(used->idx) != ring->next_used;
}

/* An index cannot be further away than half its range; it is reached once in 32,768 completions. */
static void split_disable_calls(struct driver_ring *ring)
{
	struct vring_avail *avail = ring->driver_area;

	shared_write(*used_event(ring), (uint16_t)(ring->next_used + 0x8000u));
	shared_write(avail->flags,
		(uint16_t)(ring->config.has_event_index ? 0 : VRING_AVAIL_F_NO_INTERRUPT));
}

static uint32_t split_base(const struct driver_ring *ring)
{
	return (uint16_t)(ring->next_avail - ring->added - ring->in_flight);
}

const struct driver_ring_ops driver_ring_split = {
	.memory_bytes = split_memory_bytes,
	.lay_out = split_lay_out,
	.add = split_add,
	.publish = split_publish,
	.poll = split_poll,
	.enable_calls = split_enable_calls,
	.disable_calls = split_disable_calls,
	.base = split_base,
};
