/* Intervals are found by where they lie, whatever the order in which they come and go. */
#include "../cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/container.h"
#include "interval_tree.h"

#define INTERVALS 200u
#define STEPS 20000u
#define MANY 4096u
#define KEYS_END 60u

struct named {
	struct interval_node node;
	char lower[8], upper[8];
	bool is_in, was_found;
};

static struct named intervals[INTERVALS], many[MANY];
static unsigned seed = 1;

static unsigned below(unsigned limit)
{
	return (unsigned)rand_r(&seed) % limit;
}

static struct bytes key(char *text, unsigned number)
{
	return (struct bytes){.data = text, .bytes = (size_t)snprintf(text, 8, "%04u", number)};
}

static struct interval some_interval(char *lower, char *upper)
{
	const unsigned from = below(KEYS_END);

	return (struct interval){
		.lower = key(lower, from), .upper = key(upper, from + 1 + below(8))};
}

static void add_or_remove(struct interval_tree *tree, struct named *named)
{
	if (named->is_in) {
		interval_tree_remove(tree, &named->node);
	} else {
		named->node.interval = some_interval(named->lower, named->upper);
		interval_tree_add(tree, &named->node);
	}
	named->is_in = !named->is_in;
}

static bool touches(const struct interval *one, const struct interval *other)
{
	return bytes_compare(one->lower, other->upper) <= 0 &&
	       bytes_compare(other->lower, one->upper) <= 0;
}

static void check_search(const struct interval_tree *tree)
{
	char lower[8], upper[8];
	const struct interval wanted = some_interval(lower, upper);
	const struct interval_node *before = NULL;
	struct interval_node *node = interval_tree_first(tree, &wanted);

	for (; node; before = node, node = interval_tree_next(node, &wanted)) {
		struct named *named = container_of(node, struct named, node);

		assert_false(named->was_found);
		named->was_found = true;
		if (before)
			assert_true(
				bytes_compare(before->interval.lower, node->interval.lower) <= 0);
	}
	for (unsigned i = 0; i < INTERVALS; i++) {
		struct named *named = &intervals[i];

		assert_int_equal(
			named->was_found, named->is_in && touches(&named->node.interval, &wanted));
		named->was_found = false;
	}
}

static void a_search_finds_what_touches_and_nothing_else(void **state)
{
	struct interval_tree tree = {.root = NULL};

	for (unsigned step = 0; step < STEPS; step++) {
		add_or_remove(&tree, &intervals[below(INTERVALS)]);
		check_search(&tree);
	}
}

/* The order that a client chooses does not make a list of it. */
static void keys_that_come_in_order_make_no_deep_tree(void **state)
{
	struct interval_tree tree = {.root = NULL};

	for (unsigned i = 0; i < MANY; i++) {
		many[i].node.interval.lower = key(many[i].lower, i);
		many[i].node.interval.upper = key(many[i].upper, i + 1);
		interval_tree_add(&tree, &many[i].node);
	}
	assert_in_range(tree.root->height, 13, 17);
	for (unsigned i = 0; i < MANY - 16; i++)
		interval_tree_remove(&tree, &many[i].node);
	assert_in_range(tree.root->height, 5, 6);
	for (unsigned i = MANY - 16; i < MANY; i++)
		interval_tree_remove(&tree, &many[i].node);
	assert_null(tree.root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_search_finds_what_touches_and_nothing_else),
		cmocka_unit_test(keys_that_come_in_order_make_no_deep_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
