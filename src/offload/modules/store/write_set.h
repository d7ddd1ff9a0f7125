/*
 * What a transaction has written and not committed: ordered by key, and undone from the end.
 *
 * Theory of operation. A skip list of keys, each with the versions it has had, newest first. All versions are chained in the order in which
 * they came, too: undoing to a mark takes off those behind it, and takes keys out that have none left. Memory is an arena's, so
 * what is undone is given back. A version that no savepoint protects is overwritten where it is, if the new one fits.
 */
#ifndef SLUICE_STORE_WRITE_SET_H
#define SLUICE_STORE_WRITE_SET_H

#include <stdint.h>

#include "arena.h"
#include "dictionary.h"
#include "message.h"

#define WRITE_LEVELS 12

struct write_version {
	struct write_version *older;	/* of this key */
	struct write_version *previous; /* of all keys */
	struct write_node *node;
	uint64_t number; /* grows from one to the next */
	uint32_t capacity_bytes, value_bytes;
	bool is_put; /* or the key was deleted */
	char value[];
};

struct write_node {
	struct generation *generation;
	struct write_version *newest;
	uint32_t key_bytes;
	uint16_t level_count;
	bool was_there;		   /* before the transaction, as far as is known */
	bool is_row;		   /* it is of space 0 */
	struct write_node *next[]; /* level_count of them, then the key */
};

struct write_set {
	struct arena arena;
	struct write_node *heads[WRITE_LEVELS];
	struct write_version *newest;
	uint64_t number;	   /* of the newest version ever */
	uint64_t protected_number; /* savepoints protect versions up to this */
	uint32_t random;
};

struct write_mark {
	struct write_version *newest;
	struct arena_mark arena;
};

void write_set_init(struct write_set *set, struct budget *budget);

/* Forget all. */
void write_set_clear(struct write_set *set);
void write_set_free(struct write_set *set);

/* How many bytes at most one change takes. */
size_t write_set_bytes(size_t key_bytes, size_t value_bytes);

/* Make room for changes of that many bytes altogether. Returns 0, -ENOMEM or -EDQUOT. */
int write_set_reserve(struct write_set *set, size_t bytes);

struct write_change {
	struct generation *generation; /* which must live as long */
	struct bytes key;
	struct bytes value;
	bool is_put;
	bool was_there;
	bool is_row;
};

/* Write into what was reserved. */
void write_set_change(struct write_set *set, const struct write_change *change);

/* What is written from here on can be undone without what was before. */
struct write_mark write_set_mark(struct write_set *set);
void write_set_undo(struct write_set *set, struct write_mark mark);

static inline bool write_set_is_empty(const struct write_set *set)
{
	return !set->newest;
}

static inline struct bytes write_node_key(const struct write_node *node)
{
	return (struct bytes){
		.data = (const char *)&node->next[node->level_count], .bytes = node->key_bytes};
}

/* NULL if there is none. */
struct write_node *write_set_find(const struct write_set *set, struct bytes key);

/* The first whose key is not less. */
struct write_node *write_set_seek(const struct write_set *set, struct bytes key);

/* The last whose key is less. */
struct write_node *write_set_seek_before(const struct write_set *set, struct bytes key);

#endif
