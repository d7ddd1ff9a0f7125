/*
 * Locks of keys and of intervals of keys, shared or exclusive, which transactions keep until they end.
 *
 * Theory of operation. A lock is of an interval; that of a key is one of the interval that has this key and no other. Two are in each
 * other's way if they overlap, have different owners, and one is exclusive. So who has an interval keeps others from writing, and thereby
 * from inserting, wherever in it. Of keys there are many, and they are found by a hash; from the first interval on that anybody asks for,
 * what each owner has is kept in order, too, so that who has none to do with intervals pays one branch for them. Whether an owner is in
 * somebody's way is one look at what it has, however much that is: one owner may have locked a million keys, and be asked about by
 * everybody who waits.
 *
 * Who waits stands in a queue and is given the lock by whoever makes way, in order of arrival, with two exceptions. Those who have a key
 * shared and want it exclusive go first, since they are in everybody's way. And where there are intervals, nobody stands behind one
 * who waits for what it has itself: that would be a deadlock by order alone. Before it waits, an owner looks whether those it would wait
 * for wait, in the end, for itself: then it is told so, and the cycle never closes.
 *
 * One mutex guards it all. Who gets a key's lock at once holds it for a few hundred instructions, and some more for each who waits for an
 * interval. Who wants an interval looks at each owner once; who has to wait, or makes way where there are intervals, looks at each owner
 * and at each who waits, for each who waits, at the most. How much anybody has locked does not matter, but for the first interval ever,
 * for which all keys are put in order. Who gives up much does that in portions.
 */
#ifndef SLUICE_STORE_LOCK_TABLE_H
#define SLUICE_STORE_LOCK_TABLE_H

#include <pthread.h>
#include <stdint.h>
#include <sys/queue.h>

#include "arena.h"
#include "base/key_map.h"
#include "interval_tree.h"

enum lock_mode {
	LOCK_SHARED,
	LOCK_EXCLUSIVE,
};

enum {
	LOCK_MODES = LOCK_EXCLUSIVE + 1,
};

TAILQ_HEAD(lock_waiter_list, lock_waiter);
TAILQ_HEAD(lock_range_list, lock_range);
TAILQ_HEAD(lock_owner_list, lock_owner);

struct lock_table {
	pthread_mutex_t mutex;
	struct key_map locks;	       /* of keys */
	struct interval_tree ranges;   /* intervals that owners have */
	struct lock_owner_list owners; /* that have something; in front, who was in the way last */
	struct lock_waiter_list waiting; /* in order of arrival */
	size_t range_count, waiting_range_count;
	bool has_order; /* what owners have is in order */
	struct budget *budget;
	uint64_t arrivals;
	uint64_t search; /* number of the search for who is in the way */
	uint64_t waits, deadlocks, timeouts;
};

struct lock;
struct lock_range;
struct lock_waiter;

/* A lock of a key that an owner has. */
struct lock_hold {
	struct lock *lock;
	struct lock_owner *owner;
	enum lock_mode mode;
	struct interval_node ordered; /* among its owner's, if the table `has_order` */
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

/* What an owner has in one mode, by where it lies. */
struct lock_order {
	struct interval_tree keys, ranges;
};

struct lock_owner {
	struct lock_hold *newest;
	struct lock_range_list ranges; /* first those that are not kept yet */
	struct lock_order has[LOCK_MODES];
	uint64_t bytes;		      /* of its locks */
	TAILQ_ENTRY(lock_owner) link; /* of those that have something */
	struct lock_waiter *waiter;
	struct lock_interrupt *interrupt; /* or NULL: nobody does that */
	/* For searches: */
	uint64_t search;
	struct lock_owner *next_to_visit;
};

int lock_table_init(struct lock_table *table, struct budget *budget);

static inline void lock_owner_init(struct lock_owner *owner)
{
	*owner = (struct lock_owner){.newest = NULL};
	TAILQ_INIT(&owner->ranges);
}

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

/*
 * Lock an interval: all its keys, whether or not they are there. As lock_acquire; one that is empty, or is the owner's already, takes
 * nothing.
 */
int lock_acquire_range(struct lock_table *table, struct lock_owner *owner,
	const struct interval *interval, enum lock_mode mode, uint32_t timeout_ms);

/* Keep the intervals acquired since the last call: from now on lock_undo leaves them. Those that touch become one. */
void lock_keep_ranges(struct lock_table *table, struct lock_owner *owner);

/*
 * Give up the locks of keys that were acquired after `oldest` (NULL: all) and the intervals that were not kept. A lock that was had before and
 * became exclusive since stays so.
 */
void lock_undo(struct lock_table *table, struct lock_owner *owner, struct lock_hold *oldest);

/* Give up all. */
void lock_release(struct lock_table *table, struct lock_owner *owner);

/* End the wait, if there is one, and those to come. Any thread. */
void lock_interrupt(struct lock_table *table, struct lock_interrupt *interrupt);

/* Waits to come are not interrupted. By the owner's thread. */
void lock_interrupt_clear(struct lock_table *table, struct lock_interrupt *interrupt);

static inline bool lock_interrupt_is_set(const struct lock_interrupt *interrupt)
{
	return __atomic_load_n(&interrupt->is_set, __ATOMIC_RELAXED);
}

struct lock_counts {
	uint64_t locks, ranges, waits, deadlocks, timeouts;
};

void lock_table_count(struct lock_table *table, struct lock_counts *counts);

#endif
