#include <errno.h>

#include "virtio/inflight.h"

#define REGION_VERSION 1u
#define FLAG_AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED (1u << VRING_PACKED_DESC_F_USED)

static struct inflight_packed_region *region_of(const struct virtqueue *queue)
{
	return queue->inflight;
}

static struct inflight_packed_entry *entry_of(const struct virtqueue *queue, uint16_t slot)
{
	return &region_of(queue)->entries[slot];
}

/* Links in the region end with anything that is not an entry; the front end may have written it. */
static uint16_t next_of(const struct virtqueue *queue, uint16_t slot)
{
	uint16_t next = __atomic_load_n(&entry_of(queue, slot)->next, __ATOMIC_RELAXED);

	return next < queue->size ? next : queue->size;
}

static struct inflight_packed_position read_position(const struct virtqueue *queue)
{
	struct inflight_packed_position position;

	__atomic_load(&region_of(queue)->position, &position, __ATOMIC_ACQUIRE);
	return position;
}

static void write_position(struct virtqueue *queue, struct inflight_packed_position position)
{
	__atomic_store(&region_of(queue)->position, &position, __ATOMIC_RELEASE);
}

/* ---- taking up a region ---- */

static void start_new_region(struct virtqueue *queue)
{
	struct inflight_packed_region *region = region_of(queue);

	__atomic_store_n(&region->version, 0, __ATOMIC_RELEASE);
	for (uint16_t i = 0; i < queue->size; i++)
		region->entries[i] = (struct inflight_packed_entry){.next = i + 1};
	region->features = 0;
	region->desc_num = queue->size;
	region->free_head = region->old_free_head = 0;
	write_position(queue, (struct inflight_packed_position){
				      .used_idx = queue->next_used,
				      .old_used_idx = queue->next_used,
				      .used_wrap_counter = queue->used_wrap,
				      .old_used_wrap_counter = queue->used_wrap,
			      });
	__atomic_store_n(&region->version, REGION_VERSION, __ATOMIC_RELEASE);
}

/* Between these two stores the batch looks unfinished, and a successor makes them both again. */
static void commit_batch(struct virtqueue *queue)
{
	struct inflight_packed_region *region = region_of(queue);
	struct inflight_packed_position position = read_position(queue);

	__atomic_store_n(&region->old_free_head, region->free_head, __ATOMIC_RELEASE);
	position.old_used_idx = position.used_idx;
	position.old_used_wrap_counter = position.used_wrap_counter;
	write_position(queue, position);
}

static void roll_back_batch(struct virtqueue *queue)
{
	struct inflight_packed_region *region = region_of(queue);
	struct inflight_packed_position position = read_position(queue);

	position.used_idx = position.old_used_idx;
	position.used_wrap_counter = position.old_used_wrap_counter;
	write_position(queue, position);
	region->free_head = region->old_free_head;
}

static bool has_batch(const struct inflight_packed_position *position)
{
	return position->used_idx != position->old_used_idx ||
	       position->used_wrap_counter != position->old_used_wrap_counter;
}

/* Did the driver get to see the batch? Then its first slot is not available any more. */
static bool batch_was_published(
	struct virtqueue *queue, const struct inflight_packed_position *position)
{
	bool wrap = position->old_used_wrap_counter & 1;
	uint16_t flags;

	if (position->old_used_idx >= queue->size)
		return false;
	flags = __atomic_load_n(
		&queue->packed.descriptors[position->old_used_idx].flags, __ATOMIC_ACQUIRE);
	return !(!!(flags & FLAG_AVAILABLE) == wrap && !!(flags & FLAG_USED) != wrap);
}

static void hide_slot(struct virtqueue *queue, uint16_t slot, bool wrap)
{
	uint16_t *shared = &queue->packed.descriptors[slot].flags;
	uint16_t flags = __atomic_load_n(shared, __ATOMIC_RELAXED);

	if (!!(flags & FLAG_AVAILABLE) == wrap && !!(flags & FLAG_USED) == wrap)
		__atomic_store_n(shared, flags ^ FLAG_USED, __ATOMIC_RELEASE);
}

/*
 * All but the first of a batch that the driver did not see may be marked as used. The driver would
 * believe that as soon as something else is used before them.
 */
static void hide_batch(struct virtqueue *queue, const struct inflight_packed_position *position)
{
	uint16_t slot = position->old_used_idx;
	bool wrap = position->old_used_wrap_counter & 1;

	for (unsigned steps = 0; steps < queue->size && slot < queue->size; steps++) {
		if (slot == position->used_idx && wrap == (position->used_wrap_counter & 1))
			return;
		hide_slot(queue, slot, wrap);
		if (++slot == queue->size) {
			slot = 0;
			wrap = !wrap;
		}
	}
}

/* Finish or undo the batch that the predecessor was giving back when it died. */
static void settle_last_batch(struct virtqueue *queue)
{
	struct inflight_packed_position position = read_position(queue);

	if (has_batch(&position) && batch_was_published(queue, &position)) {
		commit_batch(queue);
	} else {
		hide_batch(queue, &position);
		roll_back_batch(queue);
	}
}

/* What is in the free list is not in flight, whatever its flag says: chains half copied. */
static void clear_free_entries(struct virtqueue *queue)
{
	uint16_t slot = region_of(queue)->free_head;

	for (unsigned steps = 0; slot < queue->size && steps < queue->size; steps++) {
		entry_of(queue, slot)->inflight = 0;
		slot = next_of(queue, slot);
	}
}

static void find_resubmissions(struct virtqueue *queue)
{
	uint64_t counters[VIRTQUEUE_SIZE_MAX];
	unsigned slots = 0;

	for (uint16_t slot = 0; slot < queue->size; slot++) {
		const struct inflight_packed_entry *entry = entry_of(queue, slot);
		const uint16_t count = __atomic_load_n(&entry->num, __ATOMIC_RELAXED);
		const uint64_t counter = __atomic_load_n(&entry->counter, __ATOMIC_RELAXED);

		if (!entry->inflight || count == 0 || slots + count > queue->size)
			continue;
		counters[queue->resubmit_count] = counter;
		queue->resubmit[queue->resubmit_count++] = slot;
		slots += count;
		if (counter >= queue->inflight_counter)
			queue->inflight_counter = counter + 1;
	}
	inflight_sort(queue->resubmit, counters, queue->resubmit_count);
	queue->slots_in_use = queue->resubmit_slots = (uint16_t)slots;
}

/* Between what is used and what is next lie exactly the slots in flight. */
static void find_positions(struct virtqueue *queue)
{
	struct inflight_packed_position position = read_position(queue);

	queue->next_used = position.used_idx;
	queue->used_wrap = position.used_wrap_counter & 1;
	queue->next_available = queue->next_used + queue->slots_in_use;
	queue->available_wrap = queue->used_wrap;
	if (queue->next_available >= queue->size) {
		queue->next_available -= queue->size;
		queue->available_wrap = !queue->available_wrap;
	}
}

int inflight_packed_attach(struct virtqueue *queue, struct error *error)
{
	struct inflight_packed_region *region = region_of(queue);

	if (region->version != REGION_VERSION || region->desc_num != queue->size) {
		start_new_region(queue);
		queue->tracking_free = 0;
		return 0;
	}
	settle_last_batch(queue);
	clear_free_entries(queue);
	find_resubmissions(queue);
	find_positions(queue);
	queue->tracking_free = __atomic_load_n(&region->free_head, __ATOMIC_RELAXED);
	if (queue->tracking_free > queue->size || queue->next_used >= queue->size)
		return error_set(error, -EINVAL, "the in-flight region contradicts itself");
	return 0;
}

/* ---- popping ---- */

void inflight_packed_begin(struct virtqueue *queue)
{
	struct inflight_packed_entry *head;

	queue->tracking_head = queue->tracking_free;
	queue->tracking_last = queue->tracking_free;
	if (queue->tracking_head >= queue->size)
		return;
	head = entry_of(queue, queue->tracking_head);
	head->num = 0;
	head->counter = queue->inflight_counter++;
	__atomic_store_n(&head->inflight, 1, __ATOMIC_RELEASE);
}

void inflight_packed_record(struct virtqueue *queue, const struct descriptor *descriptor)
{
	struct inflight_packed_entry *entry;

	/* There are as many entries as slots, so the list can only run out if somebody cut it. */
	if (queue->tracking_free >= queue->size)
		return;
	entry = entry_of(queue, queue->tracking_free);
	entry->addr = descriptor->address;
	entry->len = descriptor->length;
	entry->flags = descriptor->flags;
	entry->id = descriptor->next_or_id;
	queue->tracking_last = queue->tracking_free;
	queue->tracking_free = next_of(queue, queue->tracking_free);
}

uint16_t inflight_packed_commit(struct virtqueue *queue, uint16_t ring_slots)
{
	struct inflight_packed_region *region = region_of(queue);
	struct inflight_packed_entry *head;

	if (queue->tracking_head >= queue->size)
		return queue->size;
	head = entry_of(queue, queue->tracking_head);
	head->last = queue->tracking_last;
	head->num = ring_slots;
	region->free_head = queue->tracking_free;
	/* From here on the chain is not in the free list, and so in flight. */
	__atomic_store_n(&region->old_free_head, queue->tracking_free, __ATOMIC_RELEASE);
	return queue->tracking_head;
}

/* The copies are in the free list still, where nobody looks at them. */
void inflight_packed_abandon(struct virtqueue *queue)
{
	queue->tracking_free = queue->tracking_head;
}

int inflight_packed_resubmit(struct virtqueue *queue, uint16_t slot, struct descriptor_chain *chain)
{
	uint16_t count = __atomic_load_n(&entry_of(queue, slot)->num, __ATOMIC_RELAXED);

	/* It was counted when attaching; the front end may have changed it since. */
	if (count == 0 || count > queue->resubmit_slots)
		return virtqueue_break(queue, "the in-flight region contradicts itself");
	queue->resubmit_slots -= count;
	descriptor_chain_reset(chain);
	chain->tracking_slot = slot;
	for (chain->ring_slots = 0; chain->ring_slots < count; chain->ring_slots++) {
		struct inflight_packed_entry entry;
		struct descriptor descriptor;
		const char *problem;

		if (slot >= queue->size)
			return virtqueue_break(queue, "the in-flight region contradicts itself");
		entry = *entry_of(queue, slot);
		descriptor = (struct descriptor){entry.addr, entry.len, entry.flags, entry.id};
		problem = packed_chain_append(queue, &descriptor, chain);
		if (problem)
			return virtqueue_break(queue, problem);
		chain->id = entry.id;
		slot = next_of(queue, slot);
	}
	return 1;
}

/* ---- giving back ---- */

void inflight_packed_prepare_batch(struct virtqueue *queue)
{
	struct inflight_packed_position position = read_position(queue);

	for (unsigned i = 0; i < queue->batch_count; i++) {
		uint16_t slot = queue->batch_tracking[i];
		uint16_t last;

		if (slot >= queue->size)
			continue;
		last = __atomic_load_n(&entry_of(queue, slot)->last, __ATOMIC_RELAXED);
		if (last < queue->size)
			entry_of(queue, last)->next = queue->tracking_free;
		queue->tracking_free = slot;
	}
	region_of(queue)->free_head = queue->tracking_free;
	position.used_idx = queue->next_used;
	position.used_wrap_counter = queue->used_wrap;
	write_position(queue, position);
}

void inflight_packed_end_batch(struct virtqueue *queue)
{
	for (unsigned i = 0; i < queue->batch_count; i++)
		if (queue->batch_tracking[i] < queue->size)
			__atomic_store_n(&entry_of(queue, queue->batch_tracking[i])->inflight, 0,
				__ATOMIC_RELEASE);
	commit_batch(queue);
}
