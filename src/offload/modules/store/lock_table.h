/*
 * Locks of keys, shared or exclusive, which transactions keep until they end.
 *
 * Theory of operation. A lock exists while somebody has it or waits for it. Who waits stands in a queue and is given the lock by
 * whoever makes way, in order of arrival, but for those who have it shared and want it exclusive: they go first, since they are
 * in everybody's way. Before it waits, an owner looks whether those it would wait for wait, in the end, for itself: then it is
 * told so, and the cycle never closes. One mutex guards it all, and is held for a few hundred instructions.
 */
#ifndef SLUICE_STORE_LOCK_TABLE_H
#define SLUICE_STORE_LOCK_TABLE_H

#include <pthread.h>
#include <stdint.h>

#include "arena.h"
#include "base/key_map.h"
#include "message.h"

enum lock_mode {
	LOCK_SHARED,
	LOCK_EXCLUSIVE,
};

struct lock_table {
	pthread_mutex_t mutex;
	struct key_map locks;
	struct budget *budget;
	uint64_t search; /* number of the search for a cycle */
	uint64_t waits, deadlocks, timeouts;
};

struct lock;
struct lock_waiter;

/* A lock that an owner has. */
struct lock_hold {
	struct lock *lock;
	struct lock_owner *owner;
	enum lock_mode mode;
	struct lock_hold *next_of_lock;
	struct lock_hold *older_of_owner;
	/* The owner's own: */
	uint64_t request; /* the last one that changed the key */
	bool is_put;	  /* and whether that put something there */
};

/* Ends a wait from outside. It lives as long as it is some owner's. */
struct lock_interrupt {
	bool is_set; /* atomic */
	struct lock_waiter *waiter;
};

struct lock_owner {
	struct lock_hold *newest;
	uint64_t bytes; /* of its locks */
	struct lock_waiter *waiter;
	struct lock_interrupt *interrupt; /* or NULL: nobody does that */
	/* For searches: */
	uint64_t search;
	struct lock_owner *next_to_visit;
};

int lock_table_init(struct lock_table *table, struct budget *budget);

/* Nobody has a lock any more. */
void lock_table_destroy(struct lock_table *table);

/*
 * Lock a key, or only look whether one has it.
 *
 * @timeout_ms: for how long to wait; 0: not at all
 *
 * Returns 0 with `*hold`, -ETIMEDOUT, -EDEADLK (only if it would have waited), -ECANCELED (interrupted), -ENOMEM, or
 * -EDQUOT: too many locks.
 */
int lock_acquire(struct lock_table *table, struct lock_owner *owner, struct bytes key,
	enum lock_mode mode, uint32_t timeout_ms, struct lock_hold **hold);

/* Give up all locks that were acquired after `oldest`; NULL: all. One that was had before and became exclusive since stays so. */
void lock_release(struct lock_table *table, struct lock_owner *owner, struct lock_hold *oldest);

/* End the wait, if there is one, and those to come. Any thread. */
void lock_interrupt(struct lock_table *table, struct lock_interrupt *interrupt);

/* Waits to come are not interrupted. By the owner's thread. */
void lock_interrupt_clear(struct lock_table *table, struct lock_interrupt *interrupt);

static inline bool lock_interrupt_is_set(const struct lock_interrupt *interrupt)
{
	return __atomic_load_n(&interrupt->is_set, __ATOMIC_RELAXED);
}

struct lock_counts {
	uint64_t locks, waits, deadlocks, timeouts;
};

void lock_table_count(struct lock_table *table, struct lock_counts *counts);

#endif
