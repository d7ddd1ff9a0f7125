/* What the files of the lock table share. Everything here is called with the table's mutex. */
#ifndef SLUICE_STORE_LOCK_TABLE_PRIVATE_H
#define SLUICE_STORE_LOCK_TABLE_PRIVATE_H

#include "lock_table.h"

/* Of a key: it exists while somebody has it or waits for it. */
struct lock {
	struct key_map_node node;
	struct lock_hold *holds;
	struct lock_waiter *waiters;
	size_t key_bytes;
	char key[]; /* and a byte 0, which makes the end of its interval */
};

/* The key, and nothing behind it. */
static inline struct interval lock_interval(const struct lock *lock)
{
	return (struct interval){.lower = {.data = lock->key, .bytes = lock->key_bytes},
		.upper = {.data = lock->key, .bytes = lock->key_bytes + 1}};
}

struct lock_range {
	struct interval_node node;    /* of the table's `ranges` */
	struct interval_node ordered; /* the same, of its owner's */
	struct lock_owner *owner;
	enum lock_mode mode;
	bool is_kept;	     /* see lock_keep_ranges */
	char *lower, *upper; /* the interval's memory */
	TAILQ_ENTRY(lock_range) link;
};

struct lock_waiter {
	struct lock_owner *owner;
	enum lock_mode mode;
	const struct interval *interval;
	/* For a key: */
	struct lock *lock;
	struct lock_hold *hold; /* to be linked, unless it is an upgrade */
	bool is_upgrade;
	struct lock_waiter *next; /* of the lock's */
	/* Or for an interval: */
	struct lock_range *range; /* to be linked */

	uint64_t arrival;
	bool is_granted;
	pthread_cond_t granted;
	TAILQ_ENTRY(lock_waiter) link; /* of all */
};

static inline bool lock_table_has_ranges(const struct lock_table *table)
{
	return table->range_count || table->waiting_range_count;
}

/* ---- lock_conflict.c: who is in whose way ---- */

/* Whether it would have to wait, or to go on waiting. */
bool lock_is_blocked(struct lock_table *table, const struct lock_waiter *waiter);

/* Whether it waits, in the end, for itself. It stands in its queue. */
bool lock_is_deadlock(struct lock_table *table, struct lock_waiter *waiter);

/* ---- lock_wait.c ---- */

/*
 * Get what the waiter says, which is linked then; now, or by waiting.
 *
 * Returns 0, -EDEADLK, -ETIMEDOUT or -ECANCELED.
 */
int lock_get(struct lock_table *table, struct lock_waiter *waiter, uint32_t timeout_ms);

/* Somebody has made way at a lock; where there are intervals, see lock_grant_all. */
void lock_grant_waiters(struct lock_table *table, struct lock *lock);

/* The same for what everybody waits for. */
void lock_grant_all(struct lock_table *table);

/* ---- lock_table.c and lock_range.c ---- */

/* An owner has so many bytes of locks more, or fewer. */
void lock_owner_add(struct lock_table *table, struct lock_owner *owner, size_t bytes);
void lock_owner_remove(struct lock_table *table, struct lock_owner *owner, size_t bytes);

/* Put a key in order among its owner's. */
void lock_order_hold(struct lock_hold *hold);

/* An owner has it from now on, or has it exclusive. */
void lock_link_hold(struct lock_table *table, struct lock *lock, struct lock_hold *hold);
void lock_upgrade_hold(struct lock_table *table, struct lock_hold *hold);
void lock_link_range(struct lock_table *table, struct lock_range *range);

/* It has it no more, and the memory is free. Others are not told. */
void lock_range_release(struct lock_table *table, struct lock_range *range);

#endif
