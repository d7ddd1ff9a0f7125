/*
 * Shared mappings that cannot kill the process.
 *
 * Theory of operation: the owner of a mapped file may truncate it at any time, and the next access
 * here raises SIGBUS. The handler looks the address up among the guarded mappings, puts anonymous
 * zero pages in place of the whole mapping, marks it lost, and returns; the access goes on and the
 * owner of the mapping stops the device at its next look at `is_lost`. A SIGBUS anywhere else ends
 * the process as usual.
 *
 * The table of mappings is read by the handler, so entries are published and withdrawn atomically.
 */
#ifndef SLUICE_VIRTIO_MAPPING_GUARD_H
#define SLUICE_VIRTIO_MAPPING_GUARD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define GUARDED_MAPPINGS_MAX 65536u

struct guarded_mapping {
	uintptr_t start; /* 0: free */
	size_t size_bytes;
	uint32_t is_lost;
};

/*
 * Map `size_bytes` bytes of a file, shared, readable and writable, from `offset` (page aligned).
 *
 * Returns 0; -ENOSPC with GUARDED_MAPPINGS_MAX mappings; mmap's errors. Any control thread.
 */
int mapping_guard_map(int fd, off_t offset, size_t size_bytes, struct guarded_mapping **mapping);

/* Unmap. Nobody may use the memory any more. */
void mapping_guard_unmap(struct guarded_mapping *mapping);

#endif
