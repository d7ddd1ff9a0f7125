#include "lock_table.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/container.h"

struct lock_waiter {
	struct lock *lock;
	struct lock_owner *owner;
	enum lock_mode mode;
	bool is_upgrade;
	struct lock_hold *hold; /* to be linked, unless it is an upgrade */
	bool is_granted;
	pthread_cond_t granted;
	struct lock_waiter *next;
};

struct lock {
	struct key_map_node node;
	struct lock_hold *holds;
	struct lock_waiter *waiters;
	size_t key_bytes;
	char key[];
};

int lock_table_init(struct lock_table *table, struct budget *budget)
{
	pthread_mutexattr_t attributes;
	int error;

	*table = (struct lock_table){.budget = budget};
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

/* ---- what is in whose way ---- */

static bool is_compatible(enum lock_mode a, enum lock_mode b)
{
	return a == LOCK_SHARED && b == LOCK_SHARED;
}

static bool can_be_granted(
	const struct lock *lock, const struct lock_owner *owner, enum lock_mode mode)
{
	for (const struct lock_hold *hold = lock->holds; hold; hold = hold->next_of_lock) {
		if (hold->owner != owner && !is_compatible(hold->mode, mode))
			return false;
	}
	return true;
}

struct search {
	struct lock_table *table;
	struct lock_owner *to_visit;
};

static void visit_later(struct search *search, struct lock_owner *owner)
{
	if (owner->search == search->table->search)
		return;
	owner->search = search->table->search;
	owner->next_to_visit = search->to_visit;
	search->to_visit = owner;
}

/* Those that a waiter waits for: holders, and who stands before it. */
static void visit_blockers(struct search *search, const struct lock_waiter *waiter)
{
	for (struct lock_hold *hold = waiter->lock->holds; hold; hold = hold->next_of_lock) {
		if (hold->owner != waiter->owner && !is_compatible(hold->mode, waiter->mode))
			visit_later(search, hold->owner);
	}
	for (struct lock_waiter *other = waiter->lock->waiters; other != waiter;
		other = other->next) {
		if (!is_compatible(other->mode, waiter->mode))
			visit_later(search, other->owner);
	}
}

/* The waiter stands in its queue. */
static bool is_deadlock(struct lock_table *table, struct lock_waiter *waiter)
{
	struct search search = {.table = table};

	table->search++;
	visit_blockers(&search, waiter);
	while (search.to_visit) {
		struct lock_owner *owner = search.to_visit;

		if (owner == waiter->owner)
			return true;
		search.to_visit = owner->next_to_visit;
		if (owner->waiter)
			visit_blockers(&search, owner->waiter);
	}
	return false;
}

/* ---- locks come and go ---- */

static struct lock *find_or_create(struct lock_table *table, struct bytes key)
{
	struct key_map_node *node = key_map_find(&table->locks, key.data, key.bytes);
	struct lock *lock;

	if (node)
		return container_of(node, struct lock, node);
	lock = malloc(sizeof *lock + key.bytes);
	if (!lock)
		return NULL;
	*lock = (struct lock){.key_bytes = key.bytes};
	memcpy(lock->key, key.data, key.bytes);
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

static void link_hold(struct lock *lock, struct lock_hold *hold)
{
	hold->next_of_lock = lock->holds;
	lock->holds = hold;
	hold->older_of_owner = hold->owner->newest;
	hold->owner->newest = hold;
	hold->owner->bytes += charge_bytes(lock);
}

static struct lock_hold *hold_of(struct lock *lock, const struct lock_owner *owner)
{
	struct lock_hold *hold = lock->holds;

	while (hold && hold->owner != owner)
		hold = hold->next_of_lock;
	return hold;
}

static void unlink_waiter(struct lock_waiter *waiter)
{
	struct lock_waiter **at = &waiter->lock->waiters;

	while (*at != waiter)
		at = &(*at)->next;
	*at = waiter->next;
	waiter->owner->waiter = NULL;
}

static void enqueue(struct lock_waiter *waiter)
{
	struct lock_waiter **at = &waiter->lock->waiters;

	while (*at && (!waiter->is_upgrade || (*at)->is_upgrade))
		at = &(*at)->next;
	waiter->next = *at;
	*at = waiter;
	waiter->owner->waiter = waiter;
}

static void grant(struct lock_waiter *waiter)
{
	unlink_waiter(waiter);
	if (waiter->is_upgrade)
		waiter->hold->mode = LOCK_EXCLUSIVE;
	else
		link_hold(waiter->lock, waiter->hold);
	waiter->is_granted = true;
	pthread_cond_signal(&waiter->granted);
}

/* Somebody has made way. */
static void grant_waiters(struct lock *lock)
{
	while (lock->waiters && can_be_granted(lock, lock->waiters->owner, lock->waiters->mode))
		grant(lock->waiters);
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

/* Returns 0 with the lock, or -EDEADLK, -ETIMEDOUT or -ECANCELED, out of the queue. */
static int wait_in_queue(struct lock_table *table, struct lock_waiter *waiter, uint32_t timeout_ms)
{
	int error = -EDEADLK;

	init_condition(&waiter->granted);
	enqueue(waiter);
	table->waits++;
	if (!is_deadlock(table, waiter))
		error = wait_for_grant(table, waiter, timeout_ms);
	if (error) {
		table->deadlocks += error == -EDEADLK;
		table->timeouts += error == -ETIMEDOUT;
		unlink_waiter(waiter);
		grant_waiters(waiter->lock);
	}
	pthread_cond_destroy(&waiter->granted);
	return error;
}

/* `hold` is the owner's already, or to be linked. */
static int get(struct lock_table *table, struct lock *lock, struct lock_hold *hold, bool is_upgrade,
	enum lock_mode mode, uint32_t timeout_ms)
{
	struct lock_waiter waiter = {.lock = lock,
		.owner = hold->owner,
		.mode = mode,
		.is_upgrade = is_upgrade,
		.hold = hold};

	if (can_be_granted(lock, hold->owner, mode) && (is_upgrade || !lock->waiters)) {
		hold->mode = mode;
		if (!is_upgrade)
			link_hold(lock, hold);
		return 0;
	}
	return timeout_ms ? wait_in_queue(table, &waiter, timeout_ms) : -ETIMEDOUT;
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
	error = get(table, lock, hold, false, mode, timeout_ms);
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
	return hold->mode >= mode ? 0 : get(table, lock, hold, true, mode, timeout_ms);
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

static void release_newest(struct lock_table *table, struct lock_owner *owner)
{
	struct lock_hold *hold = owner->newest;
	struct lock *lock = hold->lock;
	struct lock_hold **at = &lock->holds;

	while (*at != hold)
		at = &(*at)->next_of_lock;
	*at = hold->next_of_lock;
	owner->newest = hold->older_of_owner;
	owner->bytes -= charge_bytes(lock);
	budget_return(table->budget, charge_bytes(lock));
	free(hold);
	grant_waiters(lock);
	drop_if_unused(table, lock);
}

void lock_release(struct lock_table *table, struct lock_owner *owner, struct lock_hold *oldest)
{
	if (owner->newest == oldest)
		return;
	pthread_mutex_lock(&table->mutex);
	while (owner->newest != oldest)
		release_newest(table, owner);
	pthread_mutex_unlock(&table->mutex);
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
		.waits = table->waits,
		.deadlocks = table->deadlocks,
		.timeouts = table->timeouts};
	pthread_mutex_unlock(&table->mutex);
}
