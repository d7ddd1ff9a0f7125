#include "interval_tree.h"

enum {
	LEFT,
	RIGHT,
};

static unsigned height_of(const struct interval_node *node)
{
	return node ? node->height : 0;
}

/* What a node knows of its subtree. */
static void refresh(struct interval_node *node)
{
	const unsigned left = height_of(node->children[LEFT]),
		       right = height_of(node->children[RIGHT]);

	node->height = 1 + (left > right ? left : right);
	node->furthest = node->interval.upper;
	for (int side = LEFT; side <= RIGHT; side++) {
		const struct interval_node *child = node->children[side];

		if (child && bytes_compare(child->furthest, node->furthest) > 0)
			node->furthest = child->furthest;
	}
}

/* ---- shape ---- */

static void set_child(struct interval_node *node, int side, struct interval_node *child)
{
	node->children[side] = child;
	if (child)
		child->parent = node;
}

/* Put `by`, which may be NULL, where `node` is. */
static void replace(
	struct interval_tree *tree, struct interval_node *node, struct interval_node *by)
{
	struct interval_node *parent = node->parent;

	if (parent)
		set_child(parent, parent->children[RIGHT] == node, by);
	else
		tree->root = by;
	if (by)
		by->parent = parent;
}

/* Let a child take its parent's place. */
static struct interval_node *raise_child(
	struct interval_tree *tree, struct interval_node *node, int side)
{
	struct interval_node *child = node->children[side];

	replace(tree, node, child);
	set_child(node, side, child->children[!side]);
	set_child(child, !side, node);
	refresh(node);
	refresh(child);
	return child;
}

/* Returns what is at the place of the node then. */
static struct interval_node *balance(struct interval_tree *tree, struct interval_node *node)
{
	refresh(node);
	for (int side = LEFT; side <= RIGHT; side++) {
		struct interval_node *child = node->children[side];

		if (height_of(child) <= height_of(node->children[!side]) + 1)
			continue;
		if (height_of(child->children[!side]) > height_of(child->children[side]))
			raise_child(tree, child, !side);
		return raise_child(tree, node, side);
	}
	return node;
}

/* All above a node, and itself, has changed. */
static void balance_from(struct interval_tree *tree, struct interval_node *node)
{
	while (node)
		node = balance(tree, node)->parent;
}

static bool is_before(const struct interval_node *one, const struct interval_node *other)
{
	return bytes_compare(one->interval.lower, other->interval.lower) < 0;
}

void interval_tree_add(struct interval_tree *tree, struct interval_node *node)
{
	struct interval_node *parent = NULL, *at = tree->root;
	int side = LEFT;

	while (at) {
		parent = at;
		side = is_before(node, at) ? LEFT : RIGHT;
		at = at->children[side];
	}
	node->parent = parent;
	node->children[LEFT] = node->children[RIGHT] = NULL;
	if (parent)
		parent->children[side] = node;
	else
		tree->root = node;
	balance_from(tree, node);
}

void interval_tree_remove(struct interval_tree *tree, struct interval_node *node)
{
	struct interval_node *successor = node->children[RIGHT], *lowest;

	if (!node->children[LEFT] || !successor) {
		lowest = node->parent;
		replace(tree, node, successor ? successor : node->children[LEFT]);
		balance_from(tree, lowest);
		return;
	}
	while (successor->children[LEFT])
		successor = successor->children[LEFT];
	lowest = successor->parent == node ? successor : successor->parent;
	replace(tree, successor, successor->children[RIGHT]);
	set_child(successor, LEFT, node->children[LEFT]);
	set_child(successor, RIGHT, node->children[RIGHT]);
	replace(tree, node, successor);
	balance_from(tree, lowest);
}

/* ---- searching ---- */

static bool reaches(const struct interval_node *node, const struct interval *interval)
{
	return node && bytes_compare(node->furthest, interval->lower) >= 0;
}

static bool begins_behind(const struct interval_node *node, const struct interval *interval)
{
	return bytes_compare(node->interval.lower, interval->upper) > 0;
}

static bool ends_before(const struct interval_node *node, const struct interval *interval)
{
	return bytes_compare(node->interval.upper, interval->lower) < 0;
}

/* Of a subtree. Where the left one reaches the interval, what does so first is there, or nothing begins early enough. */
static struct interval_node *first_below(
	struct interval_node *node, const struct interval *interval)
{
	while (reaches(node, interval)) {
		if (reaches(node->children[LEFT], interval)) {
			node = node->children[LEFT];
			continue;
		}
		if (begins_behind(node, interval))
			return NULL;
		if (!ends_before(node, interval))
			return node;
		node = node->children[RIGHT];
	}
	return NULL;
}

struct interval_node *interval_tree_first(
	const struct interval_tree *tree, const struct interval *interval)
{
	return first_below(tree->root, interval);
}

struct interval_node *interval_tree_next(
	const struct interval_node *node, const struct interval *interval)
{
	struct interval_node *parent;

	for (;;) {
		if (reaches(node->children[RIGHT], interval))
			return first_below(node->children[RIGHT], interval);
		for (parent = node->parent; parent && parent->children[RIGHT] == node;
			parent = node->parent)
			node = parent;
		if (!parent || begins_behind(parent, interval))
			return NULL;
		if (!ends_before(parent, interval))
			return parent;
		node = parent;
	}
}

/* Those that only touch it are few where intervals that touch become one. */
bool interval_tree_overlaps(const struct interval_tree *tree, const struct interval *interval)
{
	const struct interval_node *node = interval_tree_first(tree, interval);

	while (node && !interval_overlaps(&node->interval, interval))
		node = interval_tree_next(node, interval);
	return node;
}
