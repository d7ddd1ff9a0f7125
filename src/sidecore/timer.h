/*
 * One-shot timers of a sidecore: a binary heap, earliest first, in memory that never grows after
 * `timer_heap_init`.
 */
#ifndef SLUICE_SIDECORE_TIMER_H
#define SLUICE_SIDECORE_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
	void (*expire)(struct timer *timer, uint64_t now_ns);
	uint64_t at_ns;
	uint32_t position; /* in the heap, 1-based; 0: not set */
};

struct timer_heap {
	struct timer **timers;
	uint32_t count;
	uint32_t capacity;
};

/* Make room for `capacity` timers set at one time. Returns 0 or -ENOMEM. */
int timer_heap_init(struct timer_heap *heap, uint32_t capacity);
void timer_heap_destroy(struct timer_heap *heap);

/*
 * Let `timer` expire at `at_ns`, in place of any time set before.
 *
 * Returns 0, or -ENOSPC when `capacity` timers are set already.
 */
int timer_heap_set(struct timer_heap *heap, struct timer *timer, uint64_t at_ns);

/* Forget a timer; one that is not set is left alone. */
void timer_heap_cancel(struct timer_heap *heap, struct timer *timer);

/* When the earliest timer expires; UINT64_MAX if none is set. */
uint64_t timer_heap_next_ns(const struct timer_heap *heap);

/*
 * Expire every timer that is due; an expiring timer may set itself again, later than `now_ns`.
 * Returns how many expired.
 */
unsigned timer_heap_run(struct timer_heap *heap, uint64_t now_ns);

#endif
