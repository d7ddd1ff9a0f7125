#include "../cmocka_all.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/key_map.h"

#define THINGS 5000u

struct thing {
	uint64_t key;
	struct key_map_node node;
};

static struct thing things[THINGS];

static struct thing *find(const struct key_map *map, uint64_t key)
{
	struct key_map_node *node = key_map_find(map, &key, sizeof key);

	return node ? container_of(node, struct thing, node) : NULL;
}

static void fill(struct key_map *map)
{
	for (unsigned i = 0; i < THINGS; i++) {
		things[i].key = (uint64_t)i * i;
		assert_int_equal(
			key_map_add(map, &things[i].node, &things[i].key, sizeof things[i].key), 0);
	}
}

static void empty(struct key_map *map)
{
	struct key_map_node *node;

	while ((node = key_map_next(map, NULL)))
		key_map_remove(map, node);
}

static void what_is_added_is_found(void **state)
{
	struct key_map map = {0};

	fill(&map);
	assert_int_equal(key_map_count(&map), THINGS);
	for (unsigned i = 0; i < THINGS; i++)
		assert_ptr_equal(find(&map, (uint64_t)i * i), &things[i]);
	assert_null(find(&map, 3));
	empty(&map);
}

static void what_is_removed_is_not(void **state)
{
	struct key_map map = {0};

	fill(&map);
	for (unsigned i = 0; i < THINGS; i += 2)
		key_map_remove(&map, &things[i].node);
	for (unsigned i = 0; i < THINGS; i++)
		assert_ptr_equal(find(&map, (uint64_t)i * i), i % 2 ? &things[i] : NULL);
	empty(&map);
}

static void all_are_visited_in_order(void **state)
{
	struct key_map map = {0};
	unsigned count = 0;

	fill(&map);
	for (struct key_map_node *node = NULL; (node = key_map_next(&map, node)); count++)
		assert_ptr_equal(node, &things[count].node);
	assert_int_equal(count, THINGS);
	empty(&map);
	assert_null(map.nodes);
	assert_int_equal(key_map_count(&map), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_found),
		cmocka_unit_test(what_is_removed_is_not),
		cmocka_unit_test(all_are_visited_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
