#include "virtio/packed_position.h"

#define FLAG_AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED (1u << VRING_PACKED_DESC_F_USED)

/* Of what is marked, for a successor: it follows another of its chain. Drivers do not look there. */
#define FLAG_FOLLOWS (1u << 3)

static uint16_t flags_at(const struct virtqueue *queue, uint16_t slot)
{
	return __atomic_load_n(&queue->packed.descriptors[slot].flags, __ATOMIC_ACQUIRE);
}

static bool lap_of(const struct virtqueue *queue, uint16_t slot)
{
	return flags_at(queue, slot) & FLAG_AVAILABLE;
}

static bool is_used(const struct virtqueue *queue, uint16_t slot, bool wrap)
{
	uint16_t flags = flags_at(queue, slot);

	return !!(flags & FLAG_AVAILABLE) == wrap && !!(flags & FLAG_USED) == wrap;
}

static bool is_available(const struct virtqueue *queue, uint16_t slot, bool wrap)
{
	uint16_t flags = flags_at(queue, slot);

	return !!(flags & FLAG_AVAILABLE) == wrap && !!(flags & FLAG_USED) != wrap;
}

static void set_flags(struct virtqueue *queue, uint16_t slot, unsigned flags)
{
	__atomic_store_n(&queue->packed.descriptors[slot].flags, (uint16_t)flags, __ATOMIC_RELEASE);
}

void packed_position_mark(struct virtqueue *queue, uint16_t slot, uint16_t count, bool wrap)
{
	for (uint16_t i = 1; i < count; i++) {
		if (++slot == queue->size) {
			slot = 0;
			wrap = !wrap;
		}
		set_flags(queue, slot,
			(flags_at(queue, slot) & ~FLAG_USED) | FLAG_FOLLOWS |
				(wrap ? FLAG_USED : 0));
	}
}

/* Is nothing behind the position used in this lap, nor anything before it in the next one? */
static bool is_plausible(const struct virtqueue *queue)
{
	for (uint16_t i = 0; i < queue->next_used && i < queue->size; i++)
		if (is_used(queue, i, !queue->used_wrap))
			return false;
	for (uint16_t i = queue->next_used; i < queue->size; i++)
		if (is_used(queue, i, queue->used_wrap))
			return false;
	return true;
}

static bool find_available(const struct virtqueue *queue, bool wrap, uint16_t *slot)
{
	for (*slot = 0; *slot < queue->size; (*slot)++)
		if (is_available(queue, *slot, wrap))
			return true;
	return false;
}

/* Nothing is available: the position is where the last lap begins, or the end of this one. */
static void find_boundary(const struct virtqueue *queue, uint16_t *slot, bool *wrap)
{
	*wrap = lap_of(queue, 0);
	for (*slot = 0; *slot < queue->size; (*slot)++)
		if (lap_of(queue, *slot) != *wrap)
			return;
	*slot = 0;
	*wrap = !*wrap;
}

/* A driver that is just writing a chain writes its first descriptor last. */
static void step_back_over_unwritten(const struct virtqueue *queue, uint16_t *slot, bool *wrap)
{
	uint16_t before = *slot ? *slot - 1 : queue->size - 1;
	bool wrap_before = *slot ? *wrap : !*wrap;

	if (!is_used(queue, before, !wrap_before))
		return;
	*slot = before;
	*wrap = wrap_before;
}

/*
 * A predecessor that died while it published a batch may have marked chains as used behind the first,
 * which is not; the driver would believe that later.
 */
static void hide_unpublished(struct virtqueue *queue, uint16_t position, bool position_wrap)
{
	bool is_followed = false;

	for (uint16_t i = queue->size; i-- > 0;) {
		uint16_t slot = (uint16_t)((position + i) % queue->size);
		bool wrap = slot >= position ? position_wrap : !position_wrap;
		unsigned flags = flags_at(queue, slot);

		if (!is_used(queue, slot, wrap)) {
			is_followed = false;
			continue;
		}
		/* What the driver had written there is gone from the first of a chain, but this. */
		if (is_followed && !(flags & FLAG_FOLLOWS))
			flags |= VRING_DESC_F_NEXT;
		is_followed = flags & FLAG_FOLLOWS;
		set_flags(queue, slot, (flags & ~FLAG_FOLLOWS) ^ FLAG_USED);
	}
}

/*
 * Is the ring as a device leaves it that marks whole chains, and stood there? From the position on is
 * what is available, with at most one batch in it that is marked already; then what was used before,
 * with at most the first descriptor of a chain that is being written in between.
 */
static bool is_ours(const struct virtqueue *queue, uint16_t position, bool position_wrap)
{
	unsigned earlier = 0, gaps = 0, batches = 0;
	bool is_in_batch = false;

	for (uint16_t i = 0; i < queue->size; i++) {
		uint16_t slot = (uint16_t)((position + i) % queue->size);
		bool wrap = slot >= position ? position_wrap : !position_wrap;

		if (is_available(queue, slot, !wrap))
			return false;
		if (is_used(queue, slot, !wrap)) {
			earlier++;
			continue;
		}
		gaps += earlier > 0;
		batches += !is_in_batch && is_used(queue, slot, wrap);
		is_in_batch = is_used(queue, slot, wrap);
		if (earlier > 1 || gaps > 1 || batches > 1)
			return false;
		earlier = 0;
	}
	return true;
}

void packed_position_correct(struct virtqueue *queue)
{
	bool wrap, has_available = true;
	uint16_t slot;

	/* Of two laps with something available, the earlier one has the end of the ring. */
	wrap = lap_of(queue, queue->size - 1);
	if (!find_available(queue, wrap, &slot)) {
		wrap = !wrap;
		has_available = find_available(queue, wrap, &slot);
	}
	if (has_available)
		step_back_over_unwritten(queue, &slot, &wrap);
	else
		find_boundary(queue, &slot, &wrap);
	if (!is_ours(queue, slot, wrap) || (!has_available && is_plausible(queue)))
		return;
	hide_unpublished(queue, slot, wrap);
	queue->next_available = queue->next_used = slot;
	queue->available_wrap = queue->used_wrap = wrap;
}
