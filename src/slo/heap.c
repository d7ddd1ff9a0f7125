#include "slo/heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ARITY 4u
#define LINE_BYTES 64u
/* The children of entry i are 4i+1 to 4i+4: three empty places in front put 4i+1 on a line's start. */
#define OFFSET 3u

int heap_reserve(struct heap *heap, unsigned capacity)
{
	struct heap_entry *array;
	size_t size_bytes = ((size_t)capacity + OFFSET) * sizeof *array;

	if (capacity <= heap->capacity)
		return 0;
	size_bytes = (size_bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
	array = aligned_alloc(LINE_BYTES, size_bytes);
	if (!array)
		return -ENOMEM;
	if (heap->count)
		memcpy(array + OFFSET, heap->entries, heap->count * sizeof *array);
	if (heap->entries)
		free(heap->entries - OFFSET);
	heap->entries = array + OFFSET;
	heap->capacity = capacity;
	return 0;
}

void heap_free(struct heap *heap)
{
	if (heap->entries)
		free(heap->entries - OFFSET);
	*heap = (struct heap){0};
}

static void sift_up(struct heap *heap, unsigned index, struct heap_entry entry)
{
	while (index > 0) {
		unsigned parent = (index - 1) / ARITY;

		if (heap->entries[parent].key <= entry.key)
			break;
		heap->entries[index] = heap->entries[parent];
		index = parent;
	}
	heap->entries[index] = entry;
}

/* The child of an entry that has the smallest key; `first` exists. */
static unsigned smallest_child(const struct heap *heap, unsigned first)
{
	unsigned last = first + ARITY <= heap->count ? first + ARITY : heap->count;
	unsigned smallest = first;

	for (unsigned child = first + 1; child < last; child++)
		smallest =
			heap->entries[child].key < heap->entries[smallest].key ? child : smallest;
	return smallest;
}

static void sift_down(struct heap *heap, unsigned index, struct heap_entry entry)
{
	while (index * ARITY + 1 < heap->count) {
		unsigned child = smallest_child(heap, index * ARITY + 1);

		if (heap->entries[child].key >= entry.key)
			break;
		heap->entries[index] = heap->entries[child];
		index = child;
	}
	heap->entries[index] = entry;
}

void heap_push(struct heap *heap, uint64_t key, void *item)
{
	assert(heap->count < heap->capacity);
	sift_up(heap, heap->count++, (struct heap_entry){key, item});
}

void heap_change_top(struct heap *heap, uint64_t key)
{
	sift_down(heap, 0, (struct heap_entry){key, heap->entries[0].item});
}

void heap_pop(struct heap *heap)
{
	heap->count--;
	if (heap->count)
		sift_down(heap, 0, heap->entries[heap->count]);
}

void heap_remove(struct heap *heap, const void *item)
{
	for (unsigned index = 0; index < heap->count; index++) {
		if (heap->entries[index].item != item)
			continue;
		heap->entries[index] = heap->entries[--heap->count];
		heap_rebuild(heap);
		return;
	}
}

void heap_rebuild(struct heap *heap)
{
	for (unsigned index = heap->count / ARITY + 1; index-- > 0;)
		if (index < heap->count)
			sift_down(heap, index, heap->entries[index]);
}
