/*
 * A VM's memory: one memfd, so that back ends in other processes can map it, in huge pages when there
 * are any, touched before the guest runs, so that no access of the guest's is an exit.
 */
#ifndef SLUICE_VMM_VM_MEMORY_H
#define SLUICE_VMM_VM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum huge_pages { HUGE_PAGES_IF_ANY, HUGE_PAGES_NEVER, HUGE_PAGES_ALWAYS };

struct vm_memory_config {
	uint64_t size_bytes; /* a multiple of 2 MiB */
	enum huge_pages huge_pages;
	bool is_prefaulted;
};

struct vm_memory_region {
	uint64_t guest_address;
	uint64_t size_bytes;
	uint64_t file_offset;
	uint8_t *host;
};

struct vm_memory {
	int fd;
	uint64_t size_bytes;
	bool has_huge_pages;
	uint8_t *host; /* all of it */
	unsigned region_count;
	struct vm_memory_region regions[2]; /* below and above the hole under 4 GiB */
};

/*
 * Returns 0; -ENOMEM (fewer huge pages than asked for, or too little memory; `error` says how to get more);
 * -EINVAL for a size of 0, or that is not a multiple.
 */
int vm_memory_create(
	struct vm_memory *memory, const struct vm_memory_config *config, struct error *error);
void vm_memory_destroy(struct vm_memory *memory);

/* Give it to a VM, as its first memory slots (VM_MEMORY_SLOTS of them are taken, used or not). */
#define VM_MEMORY_SLOTS 2u
int vm_memory_give(const struct vm_memory *memory, int vm_fd, struct error *error);

/* Where `size_bytes` bytes of the guest's memory are here; NULL unless all of them are RAM. */
void *vm_memory_at(const struct vm_memory *memory, uint64_t guest_address, uint64_t size_bytes);

#endif
