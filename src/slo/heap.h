/*
 * A priority queue with a fixed capacity: a 4-ary heap of (key, item), smallest key first.
 *
 * The four children of an entry share a cache line, so that a step down costs one miss. Only the top
 * can be changed or removed quickly; items don't know where they are, and nothing but the heap's own array
 * is touched. Entries with equal keys come in no particular order.
 */
#ifndef SLUICE_SLO_HEAP_H
#define SLUICE_SLO_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_entry {
	uint64_t key;
	void *item;
};

struct heap {
	struct heap_entry *entries; /* NULL while nothing is reserved */
	unsigned count;
	unsigned capacity;
};

/* Make room for `capacity` entries in all; entries stay. Returns 0 or -ENOMEM. */
int heap_reserve(struct heap *heap, unsigned capacity);
void heap_free(struct heap *heap);

/* Add an entry; there must be room. */
void heap_push(struct heap *heap, uint64_t key, void *item);

/* The entry with the smallest key, NULL if there is none. */
static inline struct heap_entry *heap_top(const struct heap *heap)
{
	return heap->count ? heap->entries : NULL;
}

/* Give the top entry another key, which moves it to where that belongs. */
void heap_change_top(struct heap *heap, uint64_t key);

/* Remove the top entry. */
void heap_pop(struct heap *heap);

/* Remove an item wherever it is, which takes time in proportion to `count`; it need not be there. */
void heap_remove(struct heap *heap, const void *item);

/* Restore the order after any number of keys have been changed in place. */
void heap_rebuild(struct heap *heap);

#endif
