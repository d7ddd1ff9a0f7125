/* Waiting for a lock, and being given it: see lock_table.h. */
#include <errno.h>
#include <time.h>

#include "lock_table_private.h"

/* ---- the queues ---- */

static void enqueue_at_lock(struct lock_waiter *waiter)
{
	struct lock_waiter **at = &waiter->lock->waiters;

	while (*at && (!waiter->is_upgrade || (*at)->is_upgrade))
		at = &(*at)->next;
	waiter->next = *at;
	*at = waiter;
}

static void unlink_from_lock(struct lock_waiter *waiter)
{
	struct lock_waiter **at = &waiter->lock->waiters;

	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
}

static void enqueue(struct lock_table *table, struct lock_waiter *waiter)
{
	if (waiter->lock)
		enqueue_at_lock(waiter);
	else
		table->waiting_range_count++;
	TAILQ_INSERT_TAIL(&table->waiting, waiter, link);
	waiter->owner->waiter = waiter;
}

static void unlink_waiter(struct lock_table *table, struct lock_waiter *waiter)
{
	if (waiter->lock)
		unlink_from_lock(waiter);
	else
		table->waiting_range_count--;
	TAILQ_REMOVE(&table->waiting, waiter, link);
	waiter->owner->waiter = NULL;
}

/* ---- granting ---- */

static void give(struct lock_table *table, struct lock_waiter *waiter)
{
	if (!waiter->lock)
		lock_link_range(table, waiter->range);
	else if (waiter->is_upgrade)
		lock_upgrade_hold(table, waiter->hold);
	else
		lock_link_hold(table, waiter->lock, waiter->hold);
}

static void grant(struct lock_table *table, struct lock_waiter *waiter)
{
	unlink_waiter(table, waiter);
	give(table, waiter);
	waiter->is_granted = true;
	pthread_cond_signal(&waiter->granted);
}

void lock_grant_waiters(struct lock_table *table, struct lock *lock)
{
	while (lock->waiters && !lock_is_blocked(table, lock->waiters))
		grant(table, lock->waiters);
}

/* Once is enough: who is granted something makes no way for others. */
void lock_grant_all(struct lock_table *table)
{
	struct lock_waiter *waiter = TAILQ_FIRST(&table->waiting), *next;

	for (; waiter; waiter = next) {
		next = TAILQ_NEXT(waiter, link);
		if (!lock_is_blocked(table, waiter))
			grant(table, waiter);
	}
}

/* ---- waiting ---- */

static struct timespec deadline_after(uint32_t timeout_ms)
{
	struct timespec deadline;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_nsec -= 1000000000;
		deadline.tv_sec++;
	}
	return deadline;
}

static void init_condition(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

static bool is_interrupted(const struct lock_owner *owner)
{
	return owner->interrupt && lock_interrupt_is_set(owner->interrupt);
}

static void announce_waiter(struct lock_owner *owner, struct lock_waiter *waiter)
{
	if (owner->interrupt)
		owner->interrupt->waiter = waiter;
}

static int wait_for_grant(struct lock_table *table, struct lock_waiter *waiter, uint32_t timeout_ms)
{
	const struct timespec deadline = deadline_after(timeout_ms);
	int error = 0;

	announce_waiter(waiter->owner, waiter);
	while (!waiter->is_granted && !error && !is_interrupted(waiter->owner))
		error = pthread_cond_timedwait(&waiter->granted, &table->mutex, &deadline);
	announce_waiter(waiter->owner, NULL);
	if (waiter->is_granted)
		return 0;
	return error ? -ETIMEDOUT : -ECANCELED;
}

/* Others may have stood behind it. */
static void leave_queue(struct lock_table *table, struct lock_waiter *waiter)
{
	const bool has_ranges = lock_table_has_ranges(table);

	unlink_waiter(table, waiter);
	if (has_ranges)
		lock_grant_all(table);
	else
		lock_grant_waiters(table, waiter->lock);
}

/* Returns 0 with the lock, or -EDEADLK, -ETIMEDOUT or -ECANCELED, out of the queue. */
static int wait_in_queue(struct lock_table *table, struct lock_waiter *waiter, uint32_t timeout_ms)
{
	int error = -EDEADLK;

	init_condition(&waiter->granted);
	enqueue(table, waiter);
	table->waits++;
	if (!lock_is_deadlock(table, waiter))
		error = wait_for_grant(table, waiter, timeout_ms);
	if (error) {
		table->deadlocks += error == -EDEADLK;
		table->timeouts += error == -ETIMEDOUT;
		leave_queue(table, waiter);
	}
	pthread_cond_destroy(&waiter->granted);
	return error;
}

int lock_get(struct lock_table *table, struct lock_waiter *waiter, uint32_t timeout_ms)
{
	waiter->arrival = ++table->arrivals;
	if (!lock_is_blocked(table, waiter)) {
		give(table, waiter);
		return 0;
	}
	return timeout_ms ? wait_in_queue(table, waiter, timeout_ms) : -ETIMEDOUT;
}
