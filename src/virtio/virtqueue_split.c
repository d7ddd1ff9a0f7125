/* Split virtqueues: virtio 1.2, section 2.7. */
#include <errno.h>

#include "virtio/inflight.h"
#include "virtio/virtqueue.h"

/* ---- attaching ---- */

static bool find_rings(struct virtqueue *queue, const struct virtqueue_setup *setup)
{
	size_t size = setup->size;
	size_t event_bytes = sizeof(uint16_t);

	queue->split.descriptors = guest_memory_at_user_address(
		setup->memory, setup->descriptor_address, size * sizeof(struct vring_desc));
	queue->split.available = guest_memory_at_user_address(setup->memory, setup->driver_address,
		sizeof(struct vring_avail) + size * sizeof(uint16_t) + event_bytes);
	queue->split.used = guest_memory_at_user_address(setup->memory, setup->device_address,
		sizeof(struct vring_used) + size * sizeof(struct vring_used_elem) + event_bytes);
	return queue->split.descriptors && queue->split.available && queue->split.used;
}

static bool rings_are_aligned(const struct virtqueue *queue)
{
	return (uintptr_t)queue->split.descriptors % VRING_DESC_ALIGN_SIZE == 0 &&
	       (uintptr_t)queue->split.available % VRING_AVAIL_ALIGN_SIZE == 0 &&
	       (uintptr_t)queue->split.used % VRING_USED_ALIGN_SIZE == 0;
}

static int split_attach(
	struct virtqueue *queue, const struct virtqueue_setup *setup, struct error *error)
{
	if (setup->size & (setup->size - 1))
		return error_set(
			error, -EINVAL, "split queue size %u is not a power of two", setup->size);
	if (!find_rings(queue, setup))
		return error_set(error, -EINVAL, "a ring lies outside of the shared memory");
	if (!rings_are_aligned(queue))
		return error_set(error, -EINVAL, "a ring is not aligned");
	queue->next_available = (uint16_t)setup->base;
	queue->next_used = __atomic_load_n(&queue->split.used->idx, __ATOMIC_ACQUIRE);
	if (queue->inflight)
		inflight_split_attach(queue);
	queue->known_available = queue->next_available;
	return 0;
}

static uint32_t split_base(const struct virtqueue *queue)
{
	return queue->next_available;
}

/* ---- popping ---- */

static bool is_in_flight(const struct virtqueue *queue, uint16_t head)
{
	return queue->in_flight_ids[head / 64] >> head % 64 & 1;
}

/* Follow a chain through one table, to its end or to an indirect descriptor, left in `*indirect`. */
static const char *walk_table(struct virtqueue *queue, const void *table, uint32_t count,
	uint32_t index, struct descriptor_chain *chain, struct descriptor *indirect)
{
	const uint8_t *entries = table;

	for (uint32_t steps = 0; steps < count; steps++) {
		struct descriptor descriptor;
		const char *problem;

		if (index >= count)
			return "a descriptor index is out of range";
		if (steps == DESCRIPTOR_CHAIN_LENGTH_MAX)
			return "a chain has more descriptors than the device's limit";
		descriptor = descriptor_read(entries + index * DESCRIPTOR_BYTES);
		if (descriptor.flags & VRING_DESC_F_INDIRECT) {
			*indirect = descriptor;
			return NULL;
		}
		problem = descriptor_chain_append(chain, queue->memory, &descriptor);
		if (problem || !(descriptor.flags & VRING_DESC_F_NEXT))
			return problem;
		index = descriptor.next_or_id;
	}
	return "a chain of descriptors has a loop";
}

/* Normal descriptors may be followed by one indirect one (2.7.5.3.2), which may not nest. */
static const char *collect_chain(
	struct virtqueue *queue, uint16_t head, struct descriptor_chain *chain)
{
	struct descriptor indirect = {0}, nested = {0};
	struct indirect_table table;
	const char *problem;

	descriptor_chain_reset(chain);
	problem = walk_table(queue, queue->split.descriptors, queue->size, head, chain, &indirect);
	if (problem || !indirect.flags)
		return problem;
	problem = indirect_table_find(queue->memory, &indirect, &table);
	if (problem)
		return problem;
	problem = walk_table(queue, table.entries, table.count, 0, chain, &nested);
	if (!problem && nested.flags)
		return "an indirect table has an indirect descriptor";
	return problem;
}

/* How many chains the driver has made available that we know of; looks again when there are none. */
static int available_chains(struct virtqueue *queue)
{
	uint16_t available;

	if (queue->known_available != queue->next_available)
		return 1;
	available = __atomic_load_n(&queue->split.available->idx, __ATOMIC_ACQUIRE);
	if (available == queue->next_available)
		return 0;
	if ((uint16_t)(available - queue->next_available) > queue->size)
		return virtqueue_break(queue, "the available index jumped");
	queue->known_available = available;
	return 1;
}

/* The next chain that no predecessor has popped. */
static int next_new_head(struct virtqueue *queue, uint16_t *head)
{
	int result = available_chains(queue);

	if (result <= 0)
		return result;
	*head = __atomic_load_n(
		&queue->split.available->ring[queue->next_available & (queue->size - 1)],
		__ATOMIC_RELAXED);
	if (*head >= queue->size)
		return virtqueue_break(queue, "a head index is out of range");
	if (is_in_flight(queue, *head))
		return virtqueue_break(queue, "a chain in flight was made available again");
	return 1;
}

static int split_pop(struct virtqueue *queue, struct descriptor_chain *chain)
{
	const bool is_new = !virtqueue_has_resubmissions(queue);
	const char *problem;
	uint16_t head;
	int result = 1;

	if (queue->broken)
		return -EPROTO;
	if (is_new)
		result = next_new_head(queue, &head);
	else
		head = queue->resubmit[queue->resubmit_next++];
	if (result <= 0)
		return result;
	problem = collect_chain(queue, head, chain);
	if (problem)
		return virtqueue_break(queue, problem);
	if (is_new)
		queue->next_available++;
	chain->id = head;
	chain->tracking_slot = head;
	queue->in_flight_ids[head / 64] |= 1ull << head % 64;
	queue->in_flight++;
	if (queue->inflight && is_new)
		inflight_split_begin(queue, head);
	return 1;
}

static void split_unpop(struct virtqueue *queue, const struct descriptor_chain *chain)
{
	queue->next_available--;
	queue->in_flight_ids[chain->id / 64] &= ~(1ull << chain->id % 64);
	queue->in_flight--;
}

/* ---- pushing ---- */

static void log_used_ring(struct virtqueue *queue, uint64_t offset, uint64_t size_bytes)
{
	if (queue->logs_used_ring)
		dirty_log_mark(&queue->memory->log, queue->log_address + offset, size_bytes);
}

static void split_publish(struct virtqueue *queue)
{
	__atomic_store_n(&queue->split.used->idx, queue->next_used, __ATOMIC_RELEASE);
	log_used_ring(queue, 0, sizeof(struct vring_used));
	queue->unsignalled += queue->batch_count;
	if (queue->inflight)
		inflight_split_end_batch(queue);
	queue->batch_count = 0;
}

static void split_push(
	struct virtqueue *queue, const struct descriptor_chain *chain, uint32_t written_bytes)
{
	uint16_t slot = queue->next_used & (queue->size - 1);
	struct vring_used_elem *element = &queue->split.used->ring[slot];

	element->id = chain->id;
	element->len = written_bytes;
	log_used_ring(
		queue, offsetof(struct vring_used, ring) + slot * sizeof *element, sizeof *element);
	queue->next_used++;
	queue->in_flight_ids[chain->id / 64] &= ~(1ull << chain->id % 64);
	queue->in_flight--;
	queue->batch_tracking[queue->batch_count++] = chain->tracking_slot;
	if (queue->inflight)
		inflight_split_add_to_batch(queue, chain->tracking_slot);
	if (queue->batch_count == VIRTQUEUE_BATCH_MAX)
		split_publish(queue);
}

/* ---- notifications: 2.7.7 and 2.7.10 ---- */

/* The last element of each ring is the other side's event index. */
static uint16_t used_event(const struct virtqueue *queue)
{
	return __atomic_load_n(&queue->split.available->ring[queue->size], __ATOMIC_RELAXED);
}

static uint16_t *available_event(struct virtqueue *queue)
{
	return (uint16_t *)&queue->split.used->ring[queue->size];
}

static bool split_needs_call(const struct virtqueue *queue)
{
	uint16_t old = (uint16_t)(queue->next_used - queue->unsignalled);

	/* The used index must be visible before we read what the driver waits for. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (queue->has_event_index)
		return vring_need_event(used_event(queue), queue->next_used, old);
	return !(__atomic_load_n(&queue->split.available->flags, __ATOMIC_RELAXED) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}

static bool split_enable_kicks(struct virtqueue *queue)
{
	if (queue->has_event_index)
		__atomic_store_n(available_event(queue), queue->next_available, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&queue->split.used->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&queue->split.available->idx, __ATOMIC_ACQUIRE) !=
	       queue->next_available;
}

/* With event indexes: an event that lies behind never comes. */
static void split_disable_kicks(struct virtqueue *queue)
{
	if (queue->has_event_index)
		__atomic_store_n(available_event(queue), (uint16_t)(queue->next_available - 1),
			__ATOMIC_RELAXED);
	else
		__atomic_store_n(
			&queue->split.used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
}

const struct virtqueue_operations virtqueue_split_operations = {
	.attach = split_attach,
	.pop = split_pop,
	.unpop = split_unpop,
	.push = split_push,
	.publish = split_publish,
	.needs_call = split_needs_call,
	.enable_kicks = split_enable_kicks,
	.disable_kicks = split_disable_kicks,
	.base = split_base,
};
