/*
 * A map from keys of fixed size to the structures that embed its nodes: uthash, behind functions, so
 * that its macros are expanded in one place.
 *
 * A node's key is part of the structure it is embedded in, and must not change while it is in a map.
 * Adding allocates (the table of buckets); nothing else does.
 */
#ifndef SLUICE_BASE_KEY_MAP_H
#define SLUICE_BASE_KEY_MAP_H

#include <stddef.h>
#include <uthash.h>

struct key_map_node {
	UT_hash_handle hh;
};

/* Starts as zeroes: empty. */
struct key_map {
	struct key_map_node *nodes;
};

/* Add a node whose key is not there yet. Returns 0 or -ENOMEM. */
int key_map_add(struct key_map *map, struct key_map_node *node, const void *key, size_t key_bytes);

/* The node of that key, or NULL. */
struct key_map_node *key_map_find(const struct key_map *map, const void *key, size_t key_bytes);

/* Remove a node, which stays as it is otherwise. An empty map owns no memory. */
void key_map_remove(struct key_map *map, struct key_map_node *node);

/* The node after one, or the first after NULL, in the order in which they were added; NULL at the end. */
struct key_map_node *key_map_next(const struct key_map *map, const struct key_map_node *node);

size_t key_map_count(const struct key_map *map);

#endif
