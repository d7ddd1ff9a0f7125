/*
 * A module's file I/O, asked for at the gate: what the device will do for a call, as far as that can be known. The functions of the C
 * library that a module calls come here by gated_calls.c.
 *
 * Theory of operation.
 *  - A read of a file that is read past the page cache (O_DIRECT) is a read. Of others, what the page cache lacks is one; mincore(2)
 *    tells, but only of files that the process owns or may write to.
 *  - A write past the page cache is a write. Others only fill the cache: their bytes are counted per descriptor, and paid for by the
 *    next flush, or as writes of their own each time that there are as many as one flush may have; so nothing is left that was written
 *    and never flushed but the last part.
 *  - A flush is a flush and a write of what was counted.
 *  - Single transfers larger than what may be asked for at once are cut, so that none holds up the device for longer than a disk's may;
 *    those of several segments are paid for first, and done whole.
 *
 * Not seen: files that are mapped, what stdio writes, and the kernel's own read-ahead; a module that wants to be charged exactly
 * uses O_DIRECT or POSIX_FADV_RANDOM, as RocksDB does.
 *
 * Any thread, and signal handlers; no allocation, no lock. All return what the call of the C library does, and set errno as it does,
 * posix_fadvise excepted.
 */
#ifndef SLUICE_OFFLOAD_GATE_GATED_FILE_H
#define SLUICE_OFFLOAD_GATE_GATED_FILE_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "offload/gate/gate_client.h"

/* From now on, ask this gate; NULL: none, all goes ahead. Nobody may be within a call when that changes to NULL. */
void gated_file_set_gate(struct gate_client *gate);

/* A call's file, if it has to ask. */
struct gated_file {
	struct gate_client *gate;
	int fd;
	bool is_directory;
	int flags; /* as of open(2) */
	off_t size_bytes;
};

/* Returns whether calls with this descriptor have to ask: there is a gate, and it is a regular file or a directory. */
bool gated_file_find(int fd, struct gated_file *file);

/* A transfer, as of preadv2(2) and pwritev2(2). */
struct gated_transfer {
	const struct iovec *segments;
	int segment_count;
	off_t offset_bytes; /* -1: where the descriptor stands, which then moves on */
	int flags;	    /* RWF_* */
};

ssize_t gated_file_read(const struct gated_file *file, const struct gated_transfer *transfer);
ssize_t gated_file_write(const struct gated_file *file, const struct gated_transfer *transfer);

/* Make durable what was written. @number: of the system call, fsync or fdatasync */
int gated_file_flush(const struct gated_file *file, long number);

/* As sync_file_range(2). */
int gated_file_write_back(
	const struct gated_file *file, off_t offset_bytes, off_t bytes, unsigned flags);

/* Bring part of a file into the page cache, to its end if `bytes` is 0; as posix_fadvise(2) and readahead(2). */
int gated_file_prefetch(const struct gated_file *file, off_t offset_bytes, off_t bytes);

#endif
