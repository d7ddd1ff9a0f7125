/*
 * Formats of kernels: how one is known, loaded, and told what it needs to know. The header of a file is
 * read once, and decisions are taken from that copy.
 */
#ifndef SLUICE_VMM_BOOT_KERNEL_FORMAT_H
#define SLUICE_VMM_BOOT_KERNEL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/boot/boot.h"
#include "vmm/boot/boot_file.h"
#include "vmm/boot/memory_map.h"
#include "vmm/vm_memory.h"

#define KERNEL_HEAD_BYTES 1024u

struct kernel {
	struct boot_file file;
	uint8_t head[KERNEL_HEAD_BYTES]; /* the file's first bytes; zeroes after its end */

	/* Found by loading. */
	uint32_t entry;		 /* guest-physical */
	uint64_t end;		 /* of the memory that it takes before it knows what there is */
	uint64_t initrd_end_max; /* an initial RAM disk must end here or below */
	uint32_t command_line_bytes_max; /* with the terminating 0 */
};

/* What a kernel is told: guest-physical addresses. */
struct boot_facts {
	uint32_t command_line;
	uint32_t initrd, initrd_bytes; /* 0 bytes: none */
	uint32_t acpi;		       /* the root system description pointer */
	struct memory_map map;
};

struct kernel_format {
	bool (*is_it)(const struct kernel *kernel);
	/* Returns as boot_load does. The guest's memory is zero still. */
	int (*load)(struct kernel *kernel, const struct vm_memory *memory, struct error *error);
	/* After the kernel is in memory; cannot fail, as all has its place there. */
	void (*tell)(const struct kernel *kernel, const struct vm_memory *memory,
		const struct boot_facts *facts, struct boot_entry *entry);
};

extern const struct kernel_format bzimage_format;
extern const struct kernel_format elf_pvh_format;

#endif
