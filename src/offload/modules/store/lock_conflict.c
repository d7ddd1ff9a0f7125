/* Who is in whose way: see lock_table.h. */
#include "base/container.h"
#include "lock_table_private.h"

/* A walk over those whom somebody has to wait for. */
struct blockers {
	struct lock_table *table;
	const struct lock_waiter *waiter;
	/* Returns whether that is enough. */
	bool (*visit)(struct blockers *blockers, struct lock_owner *owner);
	struct lock_owner *to_visit;
};

static bool is_compatible(enum lock_mode a, enum lock_mode b)
{
	return a == LOCK_SHARED && b == LOCK_SHARED;
}

/* Neither the waiter nor anybody who was visited in this search. */
static bool is_new(const struct blockers *blockers, const struct lock_owner *owner)
{
	return owner != blockers->waiter->owner && owner->search != blockers->table->search;
}

static bool visit_if_in_way(
	struct blockers *blockers, struct lock_owner *owner, enum lock_mode mode)
{
	return is_new(blockers, owner) && !is_compatible(mode, blockers->waiter->mode) &&
	       blockers->visit(blockers, owner);
}

/* ---- who has it ---- */

static bool overlaps(const struct lock_order *order, const struct interval *interval)
{
	return interval_tree_overlaps(&order->keys, interval) ||
	       interval_tree_overlaps(&order->ranges, interval);
}

/* Where there are intervals. The waiter is another's. */
static bool is_in_way(const struct lock_owner *owner, const struct lock_waiter *waiter)
{
	return overlaps(&owner->has[LOCK_EXCLUSIVE], waiter->interval) ||
	       (waiter->mode == LOCK_EXCLUSIVE &&
		       overlaps(&owner->has[LOCK_SHARED], waiter->interval));
}

static bool visit_holds(struct blockers *blockers, const struct lock *lock)
{
	for (const struct lock_hold *hold = lock->holds; hold; hold = hold->next_of_lock) {
		if (visit_if_in_way(blockers, hold->owner, hold->mode))
			return true;
	}
	return false;
}

/* Of a key: those that have it are one or two of each owner. */
static bool visit_ranges(struct blockers *blockers)
{
	const struct interval *interval = blockers->waiter->interval;
	struct interval_node *node = interval_tree_first(&blockers->table->ranges, interval);

	for (; node; node = interval_tree_next(node, interval)) {
		const struct lock_range *range = container_of(node, struct lock_range, node);

		if (interval_overlaps(&node->interval, interval) &&
			visit_if_in_way(blockers, range->owner, range->mode))
			return true;
	}
	return false;
}

/* Who is in one's way is in others', too: it is looked at first from now on. */
static void move_to_front(struct lock_owner_list *owners, struct lock_owner *owner)
{
	TAILQ_REMOVE(owners, owner, link);
	TAILQ_INSERT_HEAD(owners, owner, link);
}

static bool visit_all(struct blockers *blockers)
{
	struct lock_owner_list *owners = &blockers->table->owners;
	struct lock_owner *owner;

	TAILQ_FOREACH (owner, owners, link) {
		if (is_new(blockers, owner) && is_in_way(owner, blockers->waiter) &&
			blockers->visit(blockers, owner)) {
			move_to_front(owners, owner);
			return true;
		}
	}
	return false;
}

static bool visit_owners(struct blockers *blockers)
{
	const struct lock *lock = blockers->waiter->lock;

	if (!lock)
		return visit_all(blockers);
	return visit_holds(blockers, lock) ||
	       (blockers->table->range_count && visit_ranges(blockers));
}

/* ---- who waits for it, and goes first ---- */

static bool goes_first(
	struct lock_table *table, const struct lock_waiter *other, const struct lock_waiter *waiter)
{
	if (other->is_upgrade != waiter->is_upgrade)
		return other->is_upgrade;
	return other->arrival < waiter->arrival &&
	       !(lock_table_has_ranges(table) && is_in_way(waiter->owner, other));
}

static bool visit_waiter(struct blockers *blockers, const struct lock_waiter *other)
{
	return is_new(blockers, other->owner) &&
	       !is_compatible(other->mode, blockers->waiter->mode) &&
	       goes_first(blockers->table, other, blockers->waiter) &&
	       blockers->visit(blockers, other->owner);
}

static bool visit_queue(struct blockers *blockers, const struct lock *lock)
{
	for (const struct lock_waiter *other = lock->waiters; other; other = other->next) {
		if (visit_waiter(blockers, other))
			return true;
	}
	return false;
}

/* Those whom no lock's queue has in common with the waiter. */
static bool visit_waiting(struct blockers *blockers)
{
	const struct lock_waiter *waiter = blockers->waiter, *other;

	TAILQ_FOREACH (other, &blockers->table->waiting, link) {
		if ((!other->lock || !waiter->lock) &&
			interval_overlaps(other->interval, waiter->interval) &&
			visit_waiter(blockers, other))
			return true;
	}
	return false;
}

static bool visit_earlier(struct blockers *blockers)
{
	const struct lock *lock = blockers->waiter->lock;

	if (lock && visit_queue(blockers, lock))
		return true;
	return (!lock || blockers->table->waiting_range_count) && visit_waiting(blockers);
}

/* ---- */

static bool visit_any(struct blockers *blockers, struct lock_owner *owner)
{
	return true;
}

bool lock_is_blocked(struct lock_table *table, const struct lock_waiter *waiter)
{
	struct blockers blockers = {.table = table, .waiter = waiter, .visit = visit_any};

	table->search++;
	return visit_owners(&blockers) || visit_earlier(&blockers);
}

static bool visit_later(struct blockers *blockers, struct lock_owner *owner)
{
	owner->search = blockers->table->search;
	owner->next_to_visit = blockers->to_visit;
	blockers->to_visit = owner;
	return false;
}

static void visit_blockers(struct blockers *blockers, const struct lock_waiter *waiter)
{
	blockers->waiter = waiter;
	(void)visit_owners(blockers);
	(void)visit_earlier(blockers);
}

bool lock_is_deadlock(struct lock_table *table, struct lock_waiter *waiter)
{
	struct blockers blockers = {.table = table, .visit = visit_later};

	table->search++;
	visit_blockers(&blockers, waiter);
	while (blockers.to_visit) {
		struct lock_owner *owner = blockers.to_visit;

		if (owner == waiter->owner)
			return true;
		blockers.to_visit = owner->next_to_visit;
		if (owner->waiter)
			visit_blockers(&blockers, owner->waiter);
	}
	return false;
}
