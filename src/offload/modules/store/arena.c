#include "arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define CHUNK_BYTES_MIN 4096u
#define CHUNK_BYTES_USUAL_MAX (256u << 10)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size_bytes, used_bytes;
	uint64_t data[];
};

bool budget_take(struct budget *budget, size_t bytes)
{
	if (__atomic_add_fetch(&budget->used_bytes, bytes, __ATOMIC_RELAXED) <= budget->bytes_max)
		return true;
	budget_return(budget, bytes);
	return false;
}

void budget_return(struct budget *budget, size_t bytes)
{
	__atomic_sub_fetch(&budget->used_bytes, bytes, __ATOMIC_RELAXED);
}

void arena_init(struct arena *arena, struct budget *budget)
{
	*arena = (struct arena){.budget = budget};
}

static size_t chunk_bytes(const struct arena *arena, size_t bytes)
{
	size_t usual = arena->allocated_bytes;

	if (usual < CHUNK_BYTES_MIN)
		usual = CHUNK_BYTES_MIN;
	if (usual > CHUNK_BYTES_USUAL_MAX)
		usual = CHUNK_BYTES_USUAL_MAX;
	return bytes > usual ? bytes : usual;
}

int arena_reserve(struct arena *arena, size_t bytes)
{
	struct arena_chunk *chunk = arena->newest;
	const size_t size_bytes = chunk_bytes(arena, bytes);

	if (chunk && chunk->size_bytes - chunk->used_bytes >= bytes)
		return 0;
	if (!budget_take(arena->budget, size_bytes))
		return -EDQUOT;
	chunk = malloc(sizeof *chunk + size_bytes);
	if (!chunk) {
		budget_return(arena->budget, size_bytes);
		return -ENOMEM;
	}
	*chunk = (struct arena_chunk){.older = arena->newest, .size_bytes = size_bytes};
	arena->newest = chunk;
	arena->allocated_bytes += size_bytes;
	return 0;
}

void *arena_take(struct arena *arena, size_t bytes)
{
	struct arena_chunk *chunk = arena->newest;
	void *taken = (char *)chunk->data + chunk->used_bytes;

	chunk->used_bytes += (bytes + 7) & ~(size_t)7;
	return taken;
}

struct arena_mark arena_mark(const struct arena *arena)
{
	const struct arena_chunk *chunk = arena->newest;

	return (struct arena_mark){
		.chunk = arena->newest, .used_bytes = chunk ? chunk->used_bytes : 0};
}

static void drop_newest(struct arena *arena)
{
	struct arena_chunk *chunk = arena->newest;

	arena->newest = chunk->older;
	arena->allocated_bytes -= chunk->size_bytes;
	budget_return(arena->budget, chunk->size_bytes);
	free(chunk);
}

void arena_reset(struct arena *arena, struct arena_mark mark)
{
	while (arena->newest != mark.chunk)
		drop_newest(arena);
	if (arena->newest)
		arena->newest->used_bytes = mark.used_bytes;
}

void arena_clear(struct arena *arena)
{
	while (arena->newest &&
		(arena->newest->older || arena->newest->size_bytes > CHUNK_BYTES_MIN))
		drop_newest(arena);
	if (arena->newest)
		arena->newest->used_bytes = 0;
}

void arena_free(struct arena *arena)
{
	while (arena->newest)
		drop_newest(arena);
}
