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

/* ---- keys of somebody who knows the hash ---- */

#define WORDS 3u

/* Back through a round of the mixing of uthash's own hash, by Bob Jenkins. */
static void unmix(uint32_t *a, uint32_t *b, uint32_t *c)
{
	static const unsigned shifts[WORDS][WORDS] = {{3, 10, 15}, {12, 16, 5}, {13, 8, 13}};

	for (unsigned round = 0; round < WORDS; round++) {
		*c = (*c ^ (*b >> shifts[round][2])) + *b + *a;
		*b = (*b ^ (*a << shifts[round][1])) + *a + *c;
		*a = (*a ^ (*c >> shifts[round][0])) + *c + *b;
	}
}

/* An address whose hash, by that, is 0. */
static void collide(uint32_t key[4], uint32_t number)
{
	uint32_t a = number, b = 0, c = 0;

	unmix(&a, &b, &c);
	key[3] = a;
	a = 0;
	c -= 4 * sizeof *key;
	unmix(&a, &b, &c);
	key[0] = a - 0x9e3779b9u;
	key[1] = b - 0x9e3779b9u;
	key[2] = c - 0xfeedbeefu;
}

static void nobody_can_choose_keys_that_collide(void **state)
{
	static struct {
		uint32_t key[4];
		struct key_map_node node;
	} chosen[100];
	struct key_map map = {0};
	unsigned collisions = 0;

	for (unsigned i = 0; i < sizeof chosen / sizeof *chosen; i++) {
		collide(chosen[i].key, i);
		assert_int_equal(
			key_map_add(&map, &chosen[i].node, chosen[i].key, sizeof chosen[i].key), 0);
		collisions += chosen[i].node.hh.hashv == chosen[0].node.hh.hashv;
	}
	assert_int_equal(collisions, 1);
	empty(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_added_is_found),
		cmocka_unit_test(what_is_removed_is_not),
		cmocka_unit_test(all_are_visited_in_order),
		cmocka_unit_test(nobody_can_choose_keys_that_collide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
