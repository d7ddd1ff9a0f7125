/*
 * The dirty log of a live migration: a bitmap, shared with the front end, of guest pages that the
 * device has written ("Migration" in the vhost-user specification).
 */
#ifndef SLUICE_VIRTIO_DIRTY_LOG_H
#define SLUICE_VIRTIO_DIRTY_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "virtio/mapping_guard.h"

#define DIRTY_LOG_PAGE_BYTES 4096u

struct dirty_log {
	uint8_t *bits; /* NULL: no log */
	uint64_t size_bytes;
	struct guarded_mapping *mapping;
};

/* Map the bitmap that the front end has sent. Returns 0, -EINVAL for a bad size, or mmap's errors. */
int dirty_log_map(struct dirty_log *log, int fd, uint64_t offset_bytes, uint64_t size_bytes);

void dirty_log_unmap(struct dirty_log *log);

/* Mark the pages of a range of guest-physical addresses; those beyond the bitmap are left out. */
void dirty_log_mark(struct dirty_log *log, uint64_t guest_address, uint64_t size_bytes);

#endif
