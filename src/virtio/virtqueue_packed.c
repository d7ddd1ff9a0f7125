/* Packed virtqueues: virtio 1.2, section 2.8. */
#include <errno.h>

#include "virtio/inflight.h"
#include "virtio/packed_position.h"
#include "virtio/virtqueue.h"

#define FLAG_AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED (1u << VRING_PACKED_DESC_F_USED)
#define WRAP_BIT VRING_PACKED_EVENT_F_WRAP_CTR

/* ---- attaching ---- */

static bool find_rings(struct virtqueue *queue, const struct virtqueue_setup *setup)
{
	queue->packed.descriptors = guest_memory_at_user_address(setup->memory,
		setup->descriptor_address, setup->size * sizeof(struct vring_packed_desc));
	queue->packed.driver_event = guest_memory_at_user_address(
		setup->memory, setup->driver_address, sizeof(struct vring_packed_desc_event));
	queue->packed.device_event = guest_memory_at_user_address(
		setup->memory, setup->device_address, sizeof(struct vring_packed_desc_event));
	return queue->packed.descriptors && queue->packed.driver_event &&
	       queue->packed.device_event;
}

static bool rings_are_aligned(const struct virtqueue *queue)
{
	return (uintptr_t)queue->packed.descriptors % VRING_DESC_ALIGN_SIZE == 0 &&
	       (uintptr_t)queue->packed.driver_event % sizeof(uint32_t) == 0 &&
	       (uintptr_t)queue->packed.device_event % sizeof(uint32_t) == 0;
}

static int packed_attach(
	struct virtqueue *queue, const struct virtqueue_setup *setup, struct error *error)
{
	if (!find_rings(queue, setup))
		return error_set(error, -EINVAL, "a ring lies outside of the shared memory");
	if (!rings_are_aligned(queue))
		return error_set(error, -EINVAL, "a ring is not aligned");
	queue->next_available = setup->base & 0x7fff;
	queue->available_wrap = setup->base >> 15 & 1;
	queue->next_used = setup->base >> 16 & 0x7fff;
	queue->used_wrap = setup->base >> 31 & 1;
	if (queue->inflight) {
		int result = inflight_packed_attach(queue, error);

		if (result < 0)
			return result;
	}
	if (queue->next_available >= queue->size || queue->next_used >= queue->size)
		return error_set(error, -EINVAL, "the ring's base is beyond its size");
	if (!queue->inflight)
		packed_position_correct(queue);
	return 0;
}

static uint32_t packed_base(const struct virtqueue *queue)
{
	return queue->next_available | (uint32_t)queue->available_wrap << 15 |
	       (uint32_t)queue->next_used << 16 | (uint32_t)queue->used_wrap << 31;
}

/* ---- popping ---- */

static void advance(const struct virtqueue *queue, uint16_t *index, bool *wrap, uint16_t slots)
{
	*index += slots;
	if (*index >= queue->size) {
		*index -= queue->size;
		*wrap = !*wrap;
	}
}

/* Available to the device: the two bits differ, and "available" is the device's wrap counter. */
static bool next_is_available(const struct virtqueue *queue)
{
	const struct vring_packed_desc *next = &queue->packed.descriptors[queue->next_available];
	uint16_t flags = __atomic_load_n(&next->flags, __ATOMIC_ACQUIRE);

	return !!(flags & FLAG_AVAILABLE) == queue->available_wrap &&
	       !!(flags & FLAG_USED) != queue->available_wrap;
}

/* Vring's packed descriptor has id and flags where the split one has flags and next. */
static struct descriptor packed_descriptor_read(const void *shared)
{
	struct descriptor descriptor = descriptor_read(shared);
	uint16_t id = descriptor.flags;

	descriptor.flags = descriptor.next_or_id;
	descriptor.next_or_id = id;
	return descriptor;
}

/* In an indirect table only the WRITE flag counts, and descriptors follow each other (2.8.7). */
static const char *collect_indirect(
	struct virtqueue *queue, const struct descriptor *indirect, struct descriptor_chain *chain)
{
	struct indirect_table table;
	const char *problem = indirect_table_find(queue->memory, indirect, &table);

	if (!problem && table.count > DESCRIPTOR_CHAIN_LENGTH_MAX)
		return "a chain has more descriptors than the device's limit";
	for (uint32_t i = 0; !problem && i < table.count; i++) {
		struct descriptor descriptor =
			packed_descriptor_read(table.entries + i * DESCRIPTOR_BYTES);

		problem = descriptor_chain_append(chain, queue->memory, &descriptor);
	}
	return problem;
}

const char *packed_chain_append(struct virtqueue *queue, const struct descriptor *descriptor,
	struct descriptor_chain *chain)
{
	if (!(descriptor->flags & VRING_DESC_F_INDIRECT))
		return descriptor_chain_append(chain, queue->memory, descriptor);
	if (chain->ring_slots > 0)
		return "an indirect descriptor follows another";
	return collect_indirect(queue, descriptor, chain);
}

static const char *collect_chain(struct virtqueue *queue, struct descriptor_chain *chain)
{
	uint16_t index = queue->next_available;
	struct descriptor descriptor;
	const char *problem;

	descriptor_chain_reset(chain);
	chain->ring_slots = 0;
	do {
		if (queue->slots_in_use + chain->ring_slots == queue->size)
			return "more descriptors are available than the ring has";
		descriptor = packed_descriptor_read(&queue->packed.descriptors[index]);
		problem = packed_chain_append(queue, &descriptor, chain);
		if (problem)
			return problem;
		if (queue->inflight)
			inflight_packed_record(queue, &descriptor);
		chain->ring_slots++;
		if (++index == queue->size)
			index = 0;
	} while (descriptor.flags & VRING_DESC_F_NEXT);
	chain->id = descriptor.next_or_id;
	return NULL;
}

static int pop_new(struct virtqueue *queue, struct descriptor_chain *chain)
{
	const char *problem;

	if (!next_is_available(queue))
		return 0;
	if (queue->inflight)
		inflight_packed_begin(queue);
	problem = collect_chain(queue, chain);
	if (problem) {
		inflight_packed_abandon(queue);
		return virtqueue_break(queue, problem);
	}
	if (queue->inflight)
		chain->tracking_slot = inflight_packed_commit(queue, chain->ring_slots);
	queue->slots_in_use += chain->ring_slots;
	advance(queue, &queue->next_available, &queue->available_wrap, chain->ring_slots);
	return 1;
}

static int packed_pop(struct virtqueue *queue, struct descriptor_chain *chain)
{
	int result;

	if (queue->broken)
		return -EPROTO;
	if (virtqueue_has_resubmissions(queue))
		result = inflight_packed_resubmit(
			queue, queue->resubmit[queue->resubmit_next++], chain);
	else
		result = pop_new(queue, chain);
	if (result > 0)
		queue->in_flight++;
	return result;
}

static void packed_unpop(struct virtqueue *queue, const struct descriptor_chain *chain)
{
	if (queue->next_available < chain->ring_slots) {
		queue->next_available += queue->size;
		queue->available_wrap = !queue->available_wrap;
	}
	queue->next_available -= chain->ring_slots;
	queue->slots_in_use -= chain->ring_slots;
	queue->in_flight--;
}

/* ---- pushing ---- */

/* Length, id and flags of a used descriptor are one word, so that it is shown whole or not at all. */
static uint64_t used_word(uint32_t written_bytes, uint16_t id, uint16_t flags)
{
	return written_bytes | (uint64_t)id << 32 | (uint64_t)flags << 48;
}

static void show_used(struct virtqueue *queue, unsigned index)
{
	uint16_t slot = queue->batch_slots[index];
	uint64_t word = queue->batch_words[index];
	struct vring_packed_desc *used = &queue->packed.descriptors[slot];

	if (!queue->inflight)
		packed_position_mark(
			queue, slot, queue->batch_spans[index], word >> 48 & FLAG_USED);
	__atomic_store_n((uint64_t *)&used->len, word, __ATOMIC_RELEASE);
	if (queue->logs_used_ring)
		dirty_log_mark(&queue->memory->log,
			queue->log_address + slot * sizeof(struct vring_packed_desc),
			sizeof(struct vring_packed_desc));
}

/* The driver looks at used descriptors in order, so holding back the first holds back the batch. */
static void packed_publish(struct virtqueue *queue)
{
	if (queue->inflight)
		inflight_packed_prepare_batch(queue);
	for (unsigned i = queue->batch_count; i-- > 0;)
		show_used(queue, i);
	if (queue->inflight)
		inflight_packed_end_batch(queue);
	queue->batch_count = 0;
}

static void packed_push(
	struct virtqueue *queue, const struct descriptor_chain *chain, uint32_t written_bytes)
{
	uint16_t flags = queue->used_wrap ? FLAG_AVAILABLE | FLAG_USED : 0;

	if (written_bytes)
		flags |= VRING_DESC_F_WRITE;
	queue->batch_slots[queue->batch_count] = queue->next_used;
	queue->batch_spans[queue->batch_count] = chain->ring_slots;
	queue->batch_words[queue->batch_count] = used_word(written_bytes, chain->id, flags);
	queue->batch_tracking[queue->batch_count] = chain->tracking_slot;
	queue->batch_count++;
	advance(queue, &queue->next_used, &queue->used_wrap, chain->ring_slots);
	queue->unsignalled += chain->ring_slots;
	queue->slots_in_use -= chain->ring_slots;
	queue->in_flight--;
	if (queue->batch_count == VIRTQUEUE_BATCH_MAX)
		packed_publish(queue);
}

/* ---- notifications: 2.8.10 ---- */

static bool packed_needs_call(const struct virtqueue *queue)
{
	uint16_t old = (uint16_t)(queue->next_used - queue->unsignalled);
	uint16_t flags, off_wrap, event;

	/* The used descriptors must be visible before we read what the driver waits for. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	flags = __atomic_load_n(&queue->packed.driver_event->flags, __ATOMIC_ACQUIRE);
	if (!queue->has_event_index || flags != VRING_PACKED_EVENT_FLAG_DESC)
		return flags != VRING_PACKED_EVENT_FLAG_DISABLE;
	off_wrap = __atomic_load_n(&queue->packed.driver_event->off_wrap, __ATOMIC_RELAXED);
	event = off_wrap & ((1u << WRAP_BIT) - 1);
	if (off_wrap >> WRAP_BIT != queue->used_wrap)
		event -= queue->size;
	return vring_need_event(event, queue->next_used, old);
}

static bool packed_enable_kicks(struct virtqueue *queue)
{
	uint16_t off_wrap = (uint16_t)(queue->next_available | queue->available_wrap << WRAP_BIT);
	uint16_t flags = VRING_PACKED_EVENT_FLAG_ENABLE;

	if (queue->has_event_index) {
		flags = VRING_PACKED_EVENT_FLAG_DESC;
		__atomic_store_n(&queue->packed.device_event->off_wrap, off_wrap, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&queue->packed.device_event->flags, flags, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return next_is_available(queue);
}

static void packed_disable_kicks(struct virtqueue *queue)
{
	__atomic_store_n(&queue->packed.device_event->flags, VRING_PACKED_EVENT_FLAG_DISABLE,
		__ATOMIC_RELAXED);
}

const struct virtqueue_operations virtqueue_packed_operations = {
	.attach = packed_attach,
	.pop = packed_pop,
	.unpop = packed_unpop,
	.push = packed_push,
	.publish = packed_publish,
	.needs_call = packed_needs_call,
	.enable_kicks = packed_enable_kicks,
	.disable_kicks = packed_disable_kicks,
	.base = packed_base,
};
