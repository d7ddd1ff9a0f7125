/* A request's memory, as the list of segments that the guest gave. */
#ifndef SLUICE_DISK_SEGMENTS_H
#define SLUICE_DISK_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * Do all segments start at a multiple of `address_bytes` and last a multiple of `length_bytes`?
 * Both are powers of two.
 */
bool segments_are_aligned(const struct iovec *segments, unsigned segment_count,
	size_t address_bytes, size_t length_bytes);

/*
 * Copy `length_bytes` between the segments, from `skip_bytes` into them on, and linear memory. The
 * segments must reach that far.
 */
void segments_gather(
	const struct iovec *segments, uint64_t skip_bytes, void *linear, size_t length_bytes);
void segments_scatter(
	const struct iovec *segments, uint64_t skip_bytes, const void *linear, size_t length_bytes);

#endif
