/*
 * A guest's memory as its front end has shared it: a few regions of files, mapped here.
 *
 * Whoever translates an address gets a pointer only if the whole range lies in one region, so a
 * pointer that was handed out can be read and written without further checks. What it points to is
 * still the guest's: it may change at any time, and must be read once into local memory, checked,
 * and only then used.
 *
 * The front end can also truncate a file that is mapped here, and an access would then end the
 * process with SIGBUS; mapping_guard.h has what prevents that.
 */
#ifndef SLUICE_VIRTIO_GUEST_MEMORY_H
#define SLUICE_VIRTIO_GUEST_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/dirty_log.h"
#include "virtio/mapping_guard.h"
#include "virtio/vhost_user_protocol.h"

#define GUEST_MEMORY_REGIONS_MAX 64u
#define GUEST_MEMORY_BYTES_MAX (16ull << 40) /* of one guest: there are 128 TiB of address space */

struct guest_region {
	uint64_t guest_address; /* guest-physical: what descriptors contain */
	uint64_t user_address;	/* in the front end's process: what SET_VRING_ADDR contains */
	uint64_t size_bytes;
	uint8_t *host; /* in this process */
	struct guarded_mapping *mapping;
};

struct guest_memory {
	unsigned region_count;
	unsigned last_hit; /* descriptors mostly lie in one region: look there first */
	struct guest_region regions[GUEST_MEMORY_REGIONS_MAX];
	struct dirty_log log;
};

void guest_memory_init(struct guest_memory *memory);

/*
 * Map one more region.
 *
 * @region: untrusted; checked for overflow, overlap with others and the size of the file
 * @fd: of a regular file (memfd, hugetlbfs, tmpfs, local disk); stays the caller's
 * Returns 0; -EINVAL, -ENOSPC (too many regions, or too large in all) or the errors of
 * mapping_guard_map, with `error` set.
 */
int guest_memory_add(struct guest_memory *memory, const struct vhost_user_memory_region *region,
	int fd, struct error *error);

/* Unmap the region with this guest address, user address and size. Returns 0 or -ENOENT. */
int guest_memory_remove(struct guest_memory *memory, const struct vhost_user_memory_region *region);

/* Unmap everything, the dirty log included. */
void guest_memory_clear(struct guest_memory *memory);

/* Pointer to `size_bytes` bytes at a guest-physical address; NULL unless one region has them all. */
void *guest_memory_at(struct guest_memory *memory, uint64_t guest_address, uint64_t size_bytes);

/*
 * Pointer to the bytes at a guest-physical address, and how many of them are contiguous here in
 * `*available_bytes`; NULL if the address is in no region. For buffers that span regions.
 */
void *guest_memory_span(
	struct guest_memory *memory, uint64_t guest_address, uint64_t *available_bytes);

/* As guest_memory_at, for an address of the front end's process. */
void *guest_memory_at_user_address(
	struct guest_memory *memory, uint64_t user_address, uint64_t size_bytes);

/* Has the front end taken away memory that it had shared? Then the device must stop. */
bool guest_memory_is_lost(const struct guest_memory *memory);

/* Note in the dirty log, if there is one, that the device has written here. */
void guest_memory_mark_dirty(struct guest_memory *memory, const void *host, uint64_t size_bytes);

#endif
