#include "sidecore/timer.h"

#include <errno.h>
#include <stdlib.h>

/* Positions are 1-based, so that a timer with position 0 is one that is not set. */

int timer_heap_init(struct timer_heap *heap, uint32_t capacity)
{
	heap->timers = calloc((size_t)capacity + 1, sizeof *heap->timers);
	if (!heap->timers)
		return -ENOMEM;
	heap->count = 0;
	heap->capacity = capacity;
	return 0;
}

void timer_heap_destroy(struct timer_heap *heap)
{
	free(heap->timers);
	heap->timers = NULL;
}

static void place(struct timer_heap *heap, struct timer *timer, uint32_t position)
{
	heap->timers[position] = timer;
	timer->position = position;
}

static void sift_up(struct timer_heap *heap, struct timer *timer, uint32_t position)
{
	while (position > 1 && heap->timers[position / 2]->at_ns > timer->at_ns) {
		place(heap, heap->timers[position / 2], position);
		position /= 2;
	}
	place(heap, timer, position);
}

static void sift_down(struct timer_heap *heap, struct timer *timer, uint32_t position)
{
	uint32_t child;

	while ((child = 2 * position) <= heap->count) {
		if (child < heap->count &&
			heap->timers[child + 1]->at_ns < heap->timers[child]->at_ns)
			child++;
		if (heap->timers[child]->at_ns >= timer->at_ns)
			break;
		place(heap, heap->timers[child], position);
		position = child;
	}
	place(heap, timer, position);
}

void timer_heap_cancel(struct timer_heap *heap, struct timer *timer)
{
	uint32_t position = timer->position;
	struct timer *last;

	if (!position)
		return;
	timer->position = 0;
	last = heap->timers[heap->count--];
	if (last == timer)
		return;
	if (position > 1 && heap->timers[position / 2]->at_ns > last->at_ns)
		sift_up(heap, last, position);
	else
		sift_down(heap, last, position);
}

int timer_heap_set(struct timer_heap *heap, struct timer *timer, uint64_t at_ns)
{
	timer_heap_cancel(heap, timer);
	if (heap->count == heap->capacity)
		return -ENOSPC;
	timer->at_ns = at_ns;
	sift_up(heap, timer, ++heap->count);
	return 0;
}

uint64_t timer_heap_next_ns(const struct timer_heap *heap)
{
	return heap->count ? heap->timers[1]->at_ns : UINT64_MAX;
}

unsigned timer_heap_run(struct timer_heap *heap, uint64_t now_ns)
{
	unsigned expired;

	for (expired = 0; timer_heap_next_ns(heap) <= now_ns; expired++) {
		struct timer *timer = heap->timers[1];

		timer_heap_cancel(heap, timer);
		timer->expire(timer, now_ns);
	}
	return expired;
}
