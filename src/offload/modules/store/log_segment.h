/*
 * A file of the commit log. What is waited for goes past the page cache and is on the device when it is written, by one call; what nobody
 * waits for goes to the page cache, and outlives the process.
 *
 * Room is written with zeroes before it is used, and files are used again as they are: an overwrite leaves the file system's own journal
 * alone, where a file that grows has it written with each commit.
 *
 * Functions return 0 or a negative errno.
 */
#ifndef SLUICE_STORE_LOG_SEGMENT_H
#define SLUICE_STORE_LOG_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_format.h"

struct log_segment {
	int fd, direct_fd; /* of the same file; -1: closed */
	struct log_identity identity;
	uint64_t first, end; /* numbers of its records; `end` while it is not written to any more */
	uint64_t room_bytes; /* that may be written over */
	uint64_t position;   /* where the next frame goes */
	bool has_cached;     /* writes that are not on the device */
};

void log_segment_init(struct log_segment *segment);
void log_segment_close(struct log_segment *segment);

/* Open, or create. */
int log_segment_open(struct log_segment *segment, const char *path);

/* Forget what is in it, and begin with a record's number. */
int log_segment_begin(struct log_segment *segment, uint64_t first);

/* Give back what is longer than that, of a segment that nobody needs. */
int log_segment_cut(struct log_segment *segment, uint64_t bytes_max);

/* More room, of zeroes. */
int log_segment_extend(struct log_segment *segment, uint64_t bytes);

/*
 * Write a frame, aligned as pages are and with zeroes up to a whole block, at an offset.
 *
 * @is_durable: it, and whatever was written before, is on the device then
 */
int log_segment_write(struct log_segment *segment, const void *frame, size_t bytes, uint64_t offset,
	bool is_durable);

/* Have what was written on the device. */
int log_segment_sync(struct log_segment *segment);

#endif
