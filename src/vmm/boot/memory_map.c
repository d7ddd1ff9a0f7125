#include "vmm/boot/memory_map.h"

#include "vmm/layout.h"

static void add(struct memory_map *map, uint64_t start, uint64_t end, enum memory_type type)
{
	if (start < end)
		map->entries[map->count++] = (struct memory_map_entry){
			.address = start, .size_bytes = end - start, .type = type};
}

void memory_map_describe(const struct vm_memory *memory, struct memory_map *map)
{
	const struct vm_memory_region *low = &memory->regions[0], *high = &memory->regions[1];

	map->count = 0;
	add(map, 0, LAYOUT_LEGACY_HOLE_START, MEMORY_RAM);
	add(map, LAYOUT_LEGACY_HOLE_START, LAYOUT_KERNEL, MEMORY_RESERVED);
	add(map, LAYOUT_KERNEL, low->size_bytes, MEMORY_RAM);
	add(map, LAYOUT_EXIT_RINGS, LAYOUT_EXIT_RINGS + LAYOUT_EXIT_RINGS_BYTES_MAX,
		MEMORY_RESERVED);
	if (memory->region_count > 1)
		add(map, high->guest_address, high->guest_address + high->size_bytes, MEMORY_RAM);
}
