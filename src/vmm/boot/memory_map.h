/* What a guest is told of its memory, in the types of ACPI 6.4, 15 (E820 and PVH have the same). */
#ifndef SLUICE_VMM_BOOT_MEMORY_MAP_H
#define SLUICE_VMM_BOOT_MEMORY_MAP_H

#include <stdint.h>

#include "vmm/vm_memory.h"

#define MEMORY_MAP_ENTRIES_MAX 8u

enum memory_type { MEMORY_RAM = 1, MEMORY_RESERVED = 2 };

struct memory_map_entry {
	uint64_t address;
	uint64_t size_bytes;
	enum memory_type type;
};

struct memory_map {
	unsigned count;
	struct memory_map_entry entries[MEMORY_MAP_ENTRIES_MAX]; /* ascending, apart */
};

void memory_map_describe(const struct vm_memory *memory, struct memory_map *map);

#endif
