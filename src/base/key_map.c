/* NOLINTBEGIN: what uthash's macros expand to is nobody's style, and hides from the analyzer what it frees. */
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, bytes, hash) ((hash) = hash_of(key, bytes))

#include "base/key_map.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>

static unsigned char secret[crypto_shorthash_KEYBYTES];

/* Before there are threads. Without randomness it is a hash like any other. */
__attribute__((constructor)) static void choose_secret(void)
{
	(void)!getrandom(secret, sizeof secret, 0);
}

/* Keys come from outside: who could choose ones that collide would make a map a list. */
static unsigned hash_of(const void *key, size_t bytes)
{
	unsigned char whole[crypto_shorthash_BYTES];
	unsigned hash;

	crypto_shorthash(whole, key, bytes, secret);
	memcpy(&hash, whole, sizeof hash);
	return hash;
}

int key_map_add(struct key_map *map, struct key_map_node *node, const void *key, size_t key_bytes)
{
	node->hh.tbl = NULL;
	HASH_ADD_KEYPTR(hh, map->nodes, key, key_bytes, node);
	return node->hh.tbl ? 0 : -ENOMEM;
}

struct key_map_node *key_map_find(const struct key_map *map, const void *key, size_t key_bytes)
{
	struct key_map_node *node;

	HASH_FIND(hh, map->nodes, key, key_bytes, node);
	return node;
}

void key_map_remove(struct key_map *map, struct key_map_node *node)
{
	HASH_DEL(map->nodes, node);
}

struct key_map_node *key_map_next(const struct key_map *map, const struct key_map_node *node)
{
	return node ? node->hh.next : map->nodes;
}

size_t key_map_count(const struct key_map *map)
{
	return HASH_COUNT(map->nodes);
}
/* NOLINTEND */
