#include "write_set.h"

#define LEVEL_ODDS_BITS 2 /* one in four is a level higher */

void write_set_init(struct write_set *set, struct budget *budget)
{
	*set = (struct write_set){.random = 2463534242u};
	arena_init(&set->arena, budget);
}

void write_set_clear(struct write_set *set)
{
	memset(set->heads, 0, sizeof set->heads);
	set->newest = NULL;
	set->protected_number = set->number;
	arena_clear(&set->arena);
}

void write_set_free(struct write_set *set)
{
	arena_free(&set->arena);
}

static size_t node_bytes(unsigned level_count, size_t key_bytes)
{
	return sizeof(struct write_node) + level_count * sizeof(struct write_node *) + key_bytes;
}

size_t write_set_bytes(size_t key_bytes, size_t value_bytes)
{
	/* Twice seven bytes for alignment. */
	return node_bytes(WRITE_LEVELS, key_bytes) + sizeof(struct write_version) + value_bytes +
	       14;
}

int write_set_reserve(struct write_set *set, size_t bytes)
{
	return arena_reserve(&set->arena, bytes);
}

/* ---- the skip list ---- */

/* xorshift */
static unsigned random_level_count(struct write_set *set)
{
	uint32_t random = set->random;
	unsigned count = 1;

	random ^= random << 13;
	random ^= random >> 17;
	random ^= random << 5;
	set->random = random;
	while (count < WRITE_LEVELS && !(random & ((1u << LEVEL_ODDS_BITS) - 1))) {
		count++;
		random >>= LEVEL_ODDS_BITS;
	}
	return count;
}

/*
 * Find, on every level, the link to the first node whose key is not less; `links` may be NULL. Returns the last whose key is less.
 */
static struct write_node *find_links(
	struct write_set *set, struct bytes key, struct write_node **links[WRITE_LEVELS])
{
	struct write_node *before = NULL;

	for (int level = WRITE_LEVELS - 1; level >= 0; level--) {
		struct write_node **link = before ? &before->next[level] : &set->heads[level];

		while (*link && bytes_compare(write_node_key(*link), key) < 0) {
			before = *link;
			link = &before->next[level];
		}
		if (links)
			links[level] = link;
	}
	return before;
}

struct write_node *write_set_seek_before(const struct write_set *set, struct bytes key)
{
	return find_links((struct write_set *)set, key, NULL);
}

struct write_node *write_set_seek(const struct write_set *set, struct bytes key)
{
	struct write_node *before = write_set_seek_before(set, key);

	return before ? before->next[0] : set->heads[0];
}

struct write_node *write_set_find(const struct write_set *set, struct bytes key)
{
	struct write_node *node;

	if (write_set_is_empty(set))
		return NULL;
	node = write_set_seek(set, key);
	return node && !bytes_compare(write_node_key(node), key) ? node : NULL;
}

static struct write_node *add_node(struct write_set *set, const struct write_change *change,
	struct write_node **links[WRITE_LEVELS])
{
	const unsigned level_count = random_level_count(set);
	struct write_node *node =
		arena_take(&set->arena, node_bytes(level_count, change->key.bytes));

	*node = (struct write_node){.generation = change->generation,
		.key_bytes = (uint32_t)change->key.bytes,
		.level_count = (uint16_t)level_count,
		.was_there = change->was_there,
		.is_row = change->is_row};
	memcpy(&node->next[level_count], change->key.data, change->key.bytes);
	for (unsigned level = 0; level < level_count; level++) {
		node->next[level] = *links[level];
		*links[level] = node;
	}
	return node;
}

static void remove_node(struct write_set *set, const struct write_node *node)
{
	struct write_node **links[WRITE_LEVELS];

	find_links(set, write_node_key(node), links);
	for (unsigned level = 0; level < node->level_count; level++)
		*links[level] = node->next[level];
}

/* ---- versions ---- */

static bool can_overwrite(const struct write_set *set, const struct write_version *version,
	const struct write_change *change)
{
	return version && version->number > set->protected_number &&
	       version->capacity_bytes >= change->value.bytes;
}

static struct write_version *add_version(
	struct write_set *set, struct write_node *node, size_t value_bytes)
{
	struct write_version *version = arena_take(&set->arena, sizeof *version + value_bytes);

	*version = (struct write_version){.older = node->newest,
		.previous = set->newest,
		.node = node,
		.number = ++set->number,
		.capacity_bytes = (uint32_t)value_bytes};
	node->newest = version;
	set->newest = version;
	return version;
}

void write_set_change(struct write_set *set, const struct write_change *change)
{
	struct write_node **links[WRITE_LEVELS];
	struct write_version *version;
	struct write_node *node;

	find_links(set, change->key, links);
	node = *links[0];
	if (!node || bytes_compare(write_node_key(node), change->key))
		node = add_node(set, change, links);
	version = node->newest;
	if (!can_overwrite(set, version, change))
		version = add_version(set, node, change->value.bytes);
	version->is_put = change->is_put;
	version->value_bytes = (uint32_t)change->value.bytes;
	if (change->value.bytes)
		memcpy(version->value, change->value.data, change->value.bytes);
}

struct write_mark write_set_mark(struct write_set *set)
{
	set->protected_number = set->number;
	return (struct write_mark){.newest = set->newest, .arena = arena_mark(&set->arena)};
}

void write_set_undo(struct write_set *set, struct write_mark mark)
{
	while (set->newest != mark.newest) {
		struct write_version *version = set->newest;

		version->node->newest = version->older;
		if (!version->older)
			remove_node(set, version->node);
		set->newest = version->previous;
	}
	arena_reset(&set->arena, mark.arena);
}
