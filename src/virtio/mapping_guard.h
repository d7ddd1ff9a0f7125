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

/* Enough for what a front end keeps beside memory, and not for taking all address space. */
#define BOOKKEEPING_BYTES_MAX (1ull << 30)

struct guarded_mapping {
	uintptr_t start; /* 0: free */
	size_t size_bytes;
	uint32_t is_lost;
};

/*
 * Map `size_bytes` bytes of a file, shared, readable and writable, from `offset` (page aligned).
 *
 * The file must be in memory or on a local disk. With others (FUSE, network) some process, perhaps
 * the guest's own, decides when an access comes back, and a whole sidecore would wait for it.
 *
 * Returns 0; -EOPNOTSUPP for other file systems; -ENOSPC with GUARDED_MAPPINGS_MAX mappings; mmap's
 * errors. Any control thread.
 */
int mapping_guard_map(int fd, off_t offset, size_t size_bytes, struct guarded_mapping **mapping);

/*
 * Can the first `end_bytes` of a file be mapped as a front end's bookkeeping? To be asked before what
 * they replace is unmapped. Returns 0; -EINVAL if it is no regular file, shorter, or too much.
 */
int mapping_guard_check_bookkeeping(int fd, uint64_t end_bytes);

/*
 * Map them, from the file's start: what is wanted of it need not begin at a page. Returns as
 * mapping_guard_map.
 */
int mapping_guard_map_bookkeeping(int fd, uint64_t end_bytes, struct guarded_mapping **mapping);

/* Unmap. Nobody may use the memory any more. */
void mapping_guard_unmap(struct guarded_mapping *mapping);

#endif
