/*
 * Memory that is given back from the end: what a transaction has written.
 *
 * A budget is what several arenas and lock owners may have together, and each of them alone.
 */
#ifndef SLUICE_STORE_ARENA_H
#define SLUICE_STORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

/* Shared by all threads. */
struct budget {
	size_t used_bytes;
	size_t bytes_max;
};

/* Returns false, and takes nothing, if that is too much. */
bool budget_take(struct budget *budget, size_t bytes);
void budget_return(struct budget *budget, size_t bytes);

struct arena_chunk;

struct arena {
	struct budget *budget;
	struct arena_chunk *newest;
	size_t allocated_bytes; /* of chunks */
};

struct arena_mark {
	struct arena_chunk *chunk;
	size_t used_bytes;
};

void arena_init(struct arena *arena, struct budget *budget);

/* Make sure that `bytes` bytes can be had in one or more pieces, whose sizes are multiples of 8. Returns 0, -ENOMEM or -EDQUOT. */
int arena_reserve(struct arena *arena, size_t bytes);

/* A piece of what was reserved, aligned to 8 bytes. */
void *arena_take(struct arena *arena, size_t bytes);

struct arena_mark arena_mark(const struct arena *arena);

/* Give back what was taken since. */
void arena_reset(struct arena *arena, struct arena_mark mark);

/* Give back all of it, but keep a small chunk for the next transaction. */
void arena_clear(struct arena *arena);

void arena_free(struct arena *arena);

#endif
