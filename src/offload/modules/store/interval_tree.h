/*
 * Intervals of keys, found by where they lie.
 *
 * Theory of operation. A balanced tree (Adelson-Velsky and Landis') in the order in which intervals begin. Each node knows where the last
 * interval of its subtree ends, so that a search leaves out subtrees that end before it begins (Cormen et al., "Interval trees"). It
 * allocates nothing, and no order of keys makes it slow: clients choose them.
 */
#ifndef SLUICE_STORE_INTERVAL_TREE_H
#define SLUICE_STORE_INTERVAL_TREE_H

#include "message.h"

/* The keys k with lower <= k < upper. */
struct interval {
	struct bytes lower, upper;
};

/* Embedded in what has the interval, whose keys stay as they are while the node is in a tree. */
struct interval_node {
	struct interval interval;
	struct interval_node *parent, *children[2];
	struct bytes furthest; /* end of the subtree's intervals */
	unsigned height;
};

struct interval_tree {
	struct interval_node *root;
};

void interval_tree_add(struct interval_tree *tree, struct interval_node *node);
void interval_tree_remove(struct interval_tree *tree, struct interval_node *node);

/* The first of those that overlap or touch the interval, and the one after `node` of them; NULL: there is none. */
struct interval_node *interval_tree_first(
	const struct interval_tree *tree, const struct interval *interval);
struct interval_node *interval_tree_next(
	const struct interval_node *node, const struct interval *interval);

/* Whether one of them overlaps the interval. */
bool interval_tree_overlaps(const struct interval_tree *tree, const struct interval *interval);

static inline bool interval_is_empty(const struct interval *interval)
{
	return bytes_compare(interval->lower, interval->upper) >= 0;
}

static inline bool interval_overlaps(const struct interval *one, const struct interval *other)
{
	return bytes_compare(one->lower, other->upper) < 0 &&
	       bytes_compare(other->lower, one->upper) < 0;
}

static inline bool interval_contains(const struct interval *outer, const struct interval *inner)
{
	return bytes_compare(outer->lower, inner->lower) <= 0 &&
	       bytes_compare(inner->upper, outer->upper) <= 0;
}

#endif
