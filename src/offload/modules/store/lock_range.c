/* Locks of intervals: see lock_table.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "lock_table_private.h"

static size_t charge_bytes(const struct interval *interval)
{
	return sizeof(struct lock_range) + interval->lower.bytes + interval->upper.bytes;
}

static struct interval_tree *order_of(const struct lock_range *range)
{
	return &range->owner->has[range->mode].ranges;
}

void lock_link_range(struct lock_table *table, struct lock_range *range)
{
	struct lock_owner *owner = range->owner;

	interval_tree_add(&table->ranges, &range->node);
	interval_tree_add(order_of(range), &range->ordered);
	if (range->is_kept)
		TAILQ_INSERT_TAIL(&owner->ranges, range, link);
	else
		TAILQ_INSERT_HEAD(&owner->ranges, range, link);
	lock_owner_add(table, owner, charge_bytes(&range->node.interval));
	table->range_count++;
}

static void unlink_range(struct lock_table *table, struct lock_range *range)
{
	struct lock_owner *owner = range->owner;

	interval_tree_remove(&table->ranges, &range->node);
	interval_tree_remove(order_of(range), &range->ordered);
	TAILQ_REMOVE(&owner->ranges, range, link);
	lock_owner_remove(table, owner, charge_bytes(&range->node.interval));
	table->range_count--;
}

/* ---- memory ---- */

static void destroy(struct lock_table *table, struct lock_range *range)
{
	budget_return(table->budget, charge_bytes(&range->node.interval));
	free(range->lower);
	free(range->upper);
	free(range);
}

static char *copy(struct bytes bytes)
{
	char *copied = malloc(bytes.bytes + 1);

	if (copied && bytes.bytes)
		memcpy(copied, bytes.data, bytes.bytes);
	return copied;
}

static void set_bounds(struct lock_range *range, struct bytes lower, struct bytes upper)
{
	range->node.interval =
		(struct interval){.lower = {.data = range->lower, .bytes = lower.bytes},
			.upper = {.data = range->upper, .bytes = upper.bytes}};
	range->ordered.interval = range->node.interval;
}

static int create(
	struct lock_table *table, const struct interval *interval, struct lock_range **created)
{
	struct lock_range *range;

	if (!budget_take(table->budget, charge_bytes(interval)))
		return -EDQUOT;
	range = calloc(1, sizeof *range);
	if (!range) {
		budget_return(table->budget, charge_bytes(interval));
		return -ENOMEM;
	}
	range->lower = copy(interval->lower);
	range->upper = copy(interval->upper);
	set_bounds(range, interval->lower, interval->upper);
	if (!range->lower || !range->upper) {
		destroy(table, range);
		return -ENOMEM;
	}
	*created = range;
	return 0;
}

void lock_range_release(struct lock_table *table, struct lock_range *range)
{
	unlink_range(table, range);
	destroy(table, range);
}

/* ---- acquiring ---- */

/* From the first interval on, what owners have is kept in order. */
static void order_keys(struct lock_table *table)
{
	struct lock_owner *owner;
	struct lock_hold *hold;

	if (table->has_order)
		return;
	table->has_order = true;
	TAILQ_FOREACH (owner, &table->owners, link) {
		for (hold = owner->newest; hold; hold = hold->older_of_owner)
			lock_order_hold(hold);
	}
}

static bool is_contained(const struct interval_tree *ranges, const struct interval *interval)
{
	const struct interval_node *node = interval_tree_first(ranges, interval);

	for (; node && bytes_compare(node->interval.lower, interval->lower) <= 0;
		node = interval_tree_next(node, interval)) {
		if (interval_contains(&node->interval, interval))
			return true;
	}
	return false;
}

static bool has_already(
	const struct lock_owner *owner, const struct interval *interval, enum lock_mode mode)
{
	return is_contained(&owner->has[LOCK_EXCLUSIVE].ranges, interval) ||
	       (mode == LOCK_SHARED && is_contained(&owner->has[LOCK_SHARED].ranges, interval));
}

static int acquire(struct lock_table *table, struct lock_owner *owner,
	const struct interval *interval, enum lock_mode mode, uint32_t timeout_ms)
{
	struct lock_waiter waiter = {.owner = owner, .mode = mode};
	int error;

	order_keys(table);
	if (!TAILQ_EMPTY(&owner->ranges) && has_already(owner, interval, mode))
		return 0;
	error = create(table, interval, &waiter.range);
	if (error)
		return error;
	waiter.range->owner = owner;
	waiter.range->mode = mode;
	waiter.interval = &waiter.range->node.interval;
	error = lock_get(table, &waiter, timeout_ms);
	if (error)
		destroy(table, waiter.range);
	return error;
}

int lock_acquire_range(struct lock_table *table, struct lock_owner *owner,
	const struct interval *interval, enum lock_mode mode, uint32_t timeout_ms)
{
	int error;

	if (interval_is_empty(interval))
		return 0;
	pthread_mutex_lock(&table->mutex);
	error = acquire(table, owner, interval, mode, timeout_ms);
	pthread_mutex_unlock(&table->mutex);
	return error;
}

/* ---- intervals that touch become one ---- */

/* Another one of these, which touches it or is in it. */
static struct lock_range *find_other(
	const struct interval_tree *ranges, const struct lock_range *range, bool is_inner)
{
	const struct interval *interval = &range->node.interval;
	struct interval_node *node = interval_tree_first(ranges, interval);

	for (; node; node = interval_tree_next(node, interval)) {
		if (node != &range->ordered &&
			(!is_inner || interval_contains(interval, &node->interval)))
			return container_of(node, struct lock_range, ordered);
	}
	return NULL;
}

/* Another one of the same owner that can be one with this, or adds nothing to it. */
static struct lock_range *find_neighbour(const struct lock_range *range)
{
	struct lock_range *other = find_other(order_of(range), range, false);

	if (other || range->mode == LOCK_SHARED)
		return other;
	return find_other(&range->owner->has[LOCK_SHARED].ranges, range, true);
}

static void swap(char **one, char **other)
{
	char *kept = *one;

	*one = *other;
	*other = kept;
}

/* Take the wider bounds; what is left is given back with the other one. */
static void absorb(struct lock_table *table, struct lock_range *range, struct lock_range *other)
{
	struct interval mine = range->node.interval, its = other->node.interval;
	const bool is_lower = bytes_compare(its.lower, mine.lower) < 0;
	const bool is_upper = bytes_compare(its.upper, mine.upper) > 0;

	unlink_range(table, other);
	unlink_range(table, range);
	if (is_lower)
		swap(&range->lower, &other->lower);
	if (is_upper)
		swap(&range->upper, &other->upper);
	set_bounds(range, is_lower ? its.lower : mine.lower, is_upper ? its.upper : mine.upper);
	set_bounds(other, is_lower ? mine.lower : its.lower, is_upper ? mine.upper : its.upper);
	destroy(table, other);
	lock_link_range(table, range);
}

static void keep(struct lock_table *table, struct lock_range *range)
{
	struct lock_range *other;

	TAILQ_REMOVE(&range->owner->ranges, range, link);
	TAILQ_INSERT_TAIL(&range->owner->ranges, range, link);
	range->is_kept = true;
	while ((other = find_neighbour(range)))
		absorb(table, range, other);
}

void lock_keep_ranges(struct lock_table *table, struct lock_owner *owner)
{
	struct lock_range *range = TAILQ_FIRST(&owner->ranges);

	if (!range || range->is_kept)
		return;
	pthread_mutex_lock(&table->mutex);
	while ((range = TAILQ_FIRST(&owner->ranges)) && !range->is_kept)
		keep(table, range);
	pthread_mutex_unlock(&table->mutex);
}
