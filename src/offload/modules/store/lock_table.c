#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "lock_table_private.h"

#define GIVEN_UP_AT_ONCE 256u /* locks, with the mutex */

int lock_table_init(struct lock_table *table, struct budget *budget)
{
	pthread_mutexattr_t attributes;
	int error;

	*table = (struct lock_table){.budget = budget};
	TAILQ_INIT(&table->owners);
	TAILQ_INIT(&table->waiting);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
	error = pthread_mutex_init(&table->mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return -error;
}

void lock_table_destroy(struct lock_table *table)
{
	pthread_mutex_destroy(&table->mutex);
}

/* ---- locks come and go ---- */

static struct lock *create_lock(struct bytes key)
{
	struct lock *lock = malloc(sizeof *lock + key.bytes + 1);

	if (!lock)
		return NULL;
	*lock = (struct lock){.key_bytes = key.bytes};
	memcpy(lock->key, key.data, key.bytes);
	lock->key[key.bytes] = '\0';
	return lock;
}

static struct lock *find_or_create(struct lock_table *table, struct bytes key)
{
	struct key_map_node *node = key_map_find(&table->locks, key.data, key.bytes);
	struct lock *lock;

	if (node)
		return container_of(node, struct lock, node);
	lock = create_lock(key);
	if (!lock)
		return NULL;
	if (key_map_add(&table->locks, &lock->node, lock->key, key.bytes)) {
		free(lock);
		return NULL;
	}
	return lock;
}

static void drop_if_unused(struct lock_table *table, struct lock *lock)
{
	if (lock->holds || lock->waiters)
		return;
	key_map_remove(&table->locks, &lock->node);
	free(lock);
}

static size_t charge_bytes(const struct lock *lock)
{
	return sizeof *lock + sizeof(struct lock_hold) + lock->key_bytes;
}

void lock_owner_add(struct lock_table *table, struct lock_owner *owner, size_t bytes)
{
	if (!owner->bytes)
		TAILQ_INSERT_HEAD(&table->owners, owner, link);
	owner->bytes += bytes;
}

void lock_owner_remove(struct lock_table *table, struct lock_owner *owner, size_t bytes)
{
	owner->bytes -= bytes;
	if (!owner->bytes)
		TAILQ_REMOVE(&table->owners, owner, link);
}

static struct interval_tree *order_of(const struct lock_hold *hold)
{
	return &hold->owner->has[hold->mode].keys;
}

void lock_order_hold(struct lock_hold *hold)
{
	hold->ordered.interval = lock_interval(hold->lock);
	interval_tree_add(order_of(hold), &hold->ordered);
}

void lock_upgrade_hold(struct lock_table *table, struct lock_hold *hold)
{
	if (table->has_order)
		interval_tree_remove(order_of(hold), &hold->ordered);
	hold->mode = LOCK_EXCLUSIVE;
	if (table->has_order)
		interval_tree_add(order_of(hold), &hold->ordered);
}

void lock_link_hold(struct lock_table *table, struct lock *lock, struct lock_hold *hold)
{
	hold->next_of_lock = lock->holds;
	lock->holds = hold;
	hold->older_of_owner = hold->owner->newest;
	hold->owner->newest = hold;
	lock_owner_add(table, hold->owner, charge_bytes(lock));
	if (table->has_order)
		lock_order_hold(hold);
}

static struct lock_hold *hold_of(struct lock *lock, const struct lock_owner *owner)
{
	struct lock_hold *hold = lock->holds;

	while (hold && hold->owner != owner)
		hold = hold->next_of_lock;
	return hold;
}

/* `hold` is the owner's already, or to be linked. */
static int get(struct lock_table *table, struct lock_hold *hold, bool is_upgrade,
	enum lock_mode mode, uint32_t timeout_ms)
{
	const struct interval interval = lock_interval(hold->lock);
	struct lock_waiter waiter = {.owner = hold->owner,
		.mode = mode,
		.interval = &interval,
		.lock = hold->lock,
		.hold = hold,
		.is_upgrade = is_upgrade};

	return lock_get(table, &waiter, timeout_ms);
}

static int acquire_new(struct lock_table *table, struct lock_owner *owner, struct lock *lock,
	enum lock_mode mode, uint32_t timeout_ms, struct lock_hold **acquired)
{
	struct lock_hold *hold;
	int error = -EDQUOT;

	if (!budget_take(table->budget, charge_bytes(lock)))
		return error;
	hold = malloc(sizeof *hold);
	if (!hold) {
		error = -ENOMEM;
		goto fail;
	}
	*hold = (struct lock_hold){.lock = lock, .owner = owner, .mode = mode};
	error = get(table, hold, false, mode, timeout_ms);
	if (error)
		goto fail;
	*acquired = hold;
	return 0;

fail:
	free(hold);
	budget_return(table->budget, charge_bytes(lock));
	return error;
}

static int acquire(struct lock_table *table, struct lock_owner *owner, struct bytes key,
	enum lock_mode mode, uint32_t timeout_ms, struct lock_hold **acquired)
{
	struct lock *lock = find_or_create(table, key);
	struct lock_hold *hold;
	int error;

	if (!lock)
		return -ENOMEM;
	hold = hold_of(lock, owner);
	if (!hold) {
		error = acquire_new(table, owner, lock, mode, timeout_ms, acquired);
		if (error)
			drop_if_unused(table, lock);
		return error;
	}
	*acquired = hold;
	return hold->mode >= mode ? 0 : get(table, hold, true, mode, timeout_ms);
}

int lock_acquire(struct lock_table *table, struct lock_owner *owner, struct bytes key,
	enum lock_mode mode, uint32_t timeout_ms, struct lock_hold **hold)
{
	int error;

	pthread_mutex_lock(&table->mutex);
	error = acquire(table, owner, key, mode, timeout_ms, hold);
	pthread_mutex_unlock(&table->mutex);
	return error;
}

/* ---- giving up ---- */

/* Where there are intervals, others are told when all is given up. */
static void release_newest(struct lock_table *table, struct lock_owner *owner, bool has_ranges)
{
	struct lock_hold *hold = owner->newest;
	struct lock *lock = hold->lock;
	struct lock_hold **at = &lock->holds;

	while (*at != hold)
		at = &(*at)->next_of_lock;
	*at = hold->next_of_lock;
	owner->newest = hold->older_of_owner;
	if (table->has_order)
		interval_tree_remove(order_of(hold), &hold->ordered);
	lock_owner_remove(table, owner, charge_bytes(lock));
	budget_return(table->budget, charge_bytes(lock));
	free(hold);
	if (!has_ranges)
		lock_grant_waiters(table, lock);
	drop_if_unused(table, lock);
}

struct giving_up {
	struct lock_owner *owner;
	struct lock_hold *oldest;
	bool is_undo;
	bool has_ranges;
};

/* Returns false if there is nothing more to give up. */
static bool give_up_one(struct lock_table *table, const struct giving_up *giving_up)
{
	struct lock_owner *owner = giving_up->owner;
	struct lock_range *range = TAILQ_FIRST(&owner->ranges);

	if (owner->newest != giving_up->oldest)
		release_newest(table, owner, giving_up->has_ranges);
	else if (range && !(giving_up->is_undo && range->is_kept))
		lock_range_release(table, range);
	else
		return false;
	return true;
}

/* Returns false if there is nothing more to give up. */
static bool give_up_some(struct lock_table *table, struct giving_up *giving_up)
{
	unsigned count = 0;

	giving_up->has_ranges |= lock_table_has_ranges(table);
	while (count < GIVEN_UP_AT_ONCE && give_up_one(table, giving_up))
		count++;
	return count == GIVEN_UP_AT_ONCE;
}

/* Others need not wait until all is given up: what is had of it still is as good a lock as before. */
static void give_up(
	struct lock_table *table, struct lock_owner *owner, struct lock_hold *oldest, bool is_undo)
{
	struct giving_up giving_up = {.owner = owner, .oldest = oldest, .is_undo = is_undo};

	pthread_mutex_lock(&table->mutex);
	while (give_up_some(table, &giving_up)) {
		pthread_mutex_unlock(&table->mutex);
		pthread_mutex_lock(&table->mutex);
	}
	if (giving_up.has_ranges)
		lock_grant_all(table);
	pthread_mutex_unlock(&table->mutex);
}

static bool has_new_range(const struct lock_owner *owner)
{
	const struct lock_range *newest = TAILQ_FIRST(&owner->ranges);

	return newest && !newest->is_kept;
}

void lock_undo(struct lock_table *table, struct lock_owner *owner, struct lock_hold *oldest)
{
	if (owner->newest != oldest || has_new_range(owner))
		give_up(table, owner, oldest, true);
}

void lock_release(struct lock_table *table, struct lock_owner *owner)
{
	if (owner->newest || !TAILQ_EMPTY(&owner->ranges))
		give_up(table, owner, NULL, false);
}

/* ---- interrupting ---- */

void lock_interrupt(struct lock_table *table, struct lock_interrupt *interrupt)
{
	pthread_mutex_lock(&table->mutex);
	__atomic_store_n(&interrupt->is_set, true, __ATOMIC_RELAXED);
	if (interrupt->waiter)
		pthread_cond_signal(&interrupt->waiter->granted);
	pthread_mutex_unlock(&table->mutex);
}

void lock_interrupt_clear(struct lock_table *table, struct lock_interrupt *interrupt)
{
	pthread_mutex_lock(&table->mutex);
	__atomic_store_n(&interrupt->is_set, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&table->mutex);
}

void lock_table_count(struct lock_table *table, struct lock_counts *counts)
{
	pthread_mutex_lock(&table->mutex);
	*counts = (struct lock_counts){.locks = key_map_count(&table->locks),
		.ranges = table->range_count,
		.waits = table->waits,
		.deadlocks = table->deadlocks,
		.timeouts = table->timeouts};
	pthread_mutex_unlock(&table->mutex);
}
