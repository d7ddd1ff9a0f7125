#include "virtio/inflight.h"

#define REGION_VERSION 1u

static struct inflight_split_region *region_of(const struct virtqueue *queue)
{
	return queue->inflight;
}

/* ---- taking up a region ---- */

static void start_new_region(struct virtqueue *queue)
{
	struct inflight_split_region *region = region_of(queue);

	for (unsigned i = 0; i < queue->size; i++)
		region->entries[i] = (struct inflight_split_entry){0};
	region->features = 0;
	region->desc_num = queue->size;
	region->last_batch_head = 0;
	/* Not 0: a ring that has been used before would look like a batch cut short. */
	region->used_idx = queue->next_used;
	__atomic_store_n(&region->version, REGION_VERSION, __ATOMIC_RELEASE);
}

/* The predecessor died after it moved the used index: finish its work. */
static void finish_last_batch(struct virtqueue *queue, uint16_t batch_size)
{
	struct inflight_split_region *region = region_of(queue);
	uint16_t head = region->last_batch_head;

	for (; batch_size && head < queue->size; batch_size--) {
		region->entries[head].inflight = 0;
		head = __atomic_load_n(&region->entries[head].next, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&region->used_idx, queue->next_used, __ATOMIC_RELEASE);
}

static void find_resubmissions(struct virtqueue *queue)
{
	struct inflight_split_region *region = region_of(queue);
	uint64_t counters[VIRTQUEUE_SIZE_MAX];

	for (uint16_t head = 0; head < queue->size; head++) {
		uint64_t counter =
			__atomic_load_n(&region->entries[head].counter, __ATOMIC_RELAXED);

		if (!region->entries[head].inflight)
			continue;
		counters[queue->resubmit_count] = counter;
		queue->resubmit[queue->resubmit_count++] = head;
		if (counter >= queue->inflight_counter)
			queue->inflight_counter = counter + 1;
	}
	inflight_sort(queue->resubmit, counters, queue->resubmit_count);
	queue->next_available = (uint16_t)(queue->next_used + queue->resubmit_count);
}

void inflight_split_attach(struct virtqueue *queue)
{
	struct inflight_split_region *region = region_of(queue);
	uint16_t batch_size = (uint16_t)(queue->next_used - region->used_idx);

	/* A batch larger than the queue: the driver has reset its ring, and nothing is in flight. */
	if (region->version != REGION_VERSION || region->desc_num != queue->size ||
		batch_size > queue->size) {
		start_new_region(queue);
		return;
	}
	finish_last_batch(queue, batch_size);
	find_resubmissions(queue);
}

/* ---- keeping it ---- */

void inflight_split_begin(struct virtqueue *queue, uint16_t head)
{
	struct inflight_split_entry *entry = &region_of(queue)->entries[head];

	entry->counter = queue->inflight_counter++;
	__atomic_store_n(&entry->inflight, 1, __ATOMIC_RELEASE);
}

void inflight_split_add_to_batch(struct virtqueue *queue, uint16_t head)
{
	struct inflight_split_region *region = region_of(queue);

	region->entries[head].next = region->last_batch_head;
	__atomic_store_n(&region->last_batch_head, head, __ATOMIC_RELEASE);
}

void inflight_split_end_batch(struct virtqueue *queue)
{
	struct inflight_split_region *region = region_of(queue);

	for (unsigned i = 0; i < queue->batch_count; i++)
		__atomic_store_n(
			&region->entries[queue->batch_tracking[i]].inflight, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&region->used_idx, queue->next_used, __ATOMIC_RELEASE);
}
