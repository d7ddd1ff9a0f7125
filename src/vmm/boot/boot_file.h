/*
 * A file that goes into a guest's memory: a kernel, or an initial RAM disk. It may change while it is
 * read, which makes a bad kernel of it, and nothing else.
 */
#ifndef SLUICE_VMM_BOOT_BOOT_FILE_H
#define SLUICE_VMM_BOOT_BOOT_FILE_H

#include <stdint.h>

#include "base/error.h"
#include "vmm/vm_memory.h"

struct boot_file {
	int fd;		  /* not owned */
	const char *name; /* in messages */
	uint64_t size_bytes;
};

/* Returns 0 or a negative errno: it must be a regular file. */
int boot_file_open(struct boot_file *file, int fd, const char *name, struct error *error);

/* Returns 0, -ENOEXEC if the file has not got all of it, or what pread(2) said. */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *bytes, uint64_t size_bytes,
	struct error *error);

/* The same, into the guest's memory; -EFBIG if not all of that is RAM. */
int boot_file_place(const struct boot_file *file, uint64_t offset, const struct vm_memory *memory,
	uint64_t guest_address, uint64_t size_bytes, struct error *error);

#endif
