#include "log_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define ZEROES_BYTES (256u << 10)

static char zeroes[ZEROES_BYTES] __attribute__((aligned(LOG_BLOCK_BYTES)));

void log_segment_init(struct log_segment *segment)
{
	*segment = (struct log_segment){.fd = -1, .direct_fd = -1};
}

static void close_descriptor(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void log_segment_close(struct log_segment *segment)
{
	close_descriptor(&segment->direct_fd);
	close_descriptor(&segment->fd);
}

static int open_both(struct log_segment *segment, const char *path)
{
	segment->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (segment->fd < 0)
		return -errno;
	segment->direct_fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	/* Where there is no other way than through the page cache. */
	if (segment->direct_fd < 0 && errno == EINVAL)
		segment->direct_fd = open(path, O_RDWR | O_CLOEXEC);
	return segment->direct_fd < 0 ? -errno : 0;
}

int log_segment_open(struct log_segment *segment, const char *path)
{
	struct stat status;
	int failure = open_both(segment, path);

	if (!failure && fstat(segment->fd, &status))
		failure = -errno;
	if (failure) {
		log_segment_close(segment);
		return failure;
	}
	segment->room_bytes = (uint64_t)status.st_size / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
	return 0;
}

/* ---- writing ---- */

static int write_all(int fd, const void *data, size_t bytes, uint64_t offset, int flags)
{
	struct iovec part = {.iov_base = (void *)data, .iov_len = bytes};

	while (part.iov_len) {
		const ssize_t written = pwritev2(fd, &part, 1, (off_t)offset, flags);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written ? -errno : -EIO;
		part.iov_base = (char *)part.iov_base + written;
		part.iov_len -= (size_t)written;
		offset += (uint64_t)written;
	}
	return 0;
}

int log_segment_sync(struct log_segment *segment)
{
	if (fdatasync(segment->fd))
		return -errno;
	segment->has_cached = false;
	return 0;
}

int log_segment_write(struct log_segment *segment, const void *frame, size_t bytes, uint64_t offset,
	bool is_durable)
{
	int failure;

	if (is_durable && !segment->has_cached)
		return write_all(segment->direct_fd, frame, bytes, offset, RWF_DSYNC);
	failure = write_all(segment->fd, frame, bytes, offset, 0);
	segment->has_cached = true;
	return failure || !is_durable ? failure : log_segment_sync(segment);
}

int log_segment_extend(struct log_segment *segment, uint64_t bytes)
{
	const uint64_t end = segment->room_bytes + bytes;

	for (uint64_t at = segment->room_bytes; at < end; at += ZEROES_BYTES) {
		const uint64_t left = end - at;
		const int failure = write_all(segment->direct_fd, zeroes,
			left < ZEROES_BYTES ? left : ZEROES_BYTES, at, 0);

		if (failure)
			return failure;
	}
	if (fdatasync(segment->fd))
		return -errno;
	segment->room_bytes = end;
	return 0;
}

int log_segment_cut(struct log_segment *segment, uint64_t bytes_max)
{
	if (segment->room_bytes <= bytes_max)
		return 0;
	if (ftruncate(segment->fd, (off_t)bytes_max))
		return -errno;
	segment->room_bytes = bytes_max;
	return 0;
}

int log_segment_begin(struct log_segment *segment, uint64_t first)
{
	_Alignas(LOG_BLOCK_BYTES) char block[LOG_BLOCK_BYTES] = {0};
	struct log_head head;
	int failure = 0;

	if (getrandom(&segment->identity, sizeof segment->identity, 0) < 0)
		return -errno;
	if (segment->room_bytes < LOG_BLOCK_BYTES)
		failure = log_segment_extend(segment, LOG_BLOCK_BYTES - segment->room_bytes);
	if (failure)
		return failure;
	head = log_head_make(&segment->identity, first);
	memcpy(block, &head, sizeof head);
	segment->first = first;
	segment->end = 0;
	segment->position = LOG_BLOCK_BYTES;
	segment->has_cached = false;
	return write_all(segment->direct_fd, block, sizeof block, 0, RWF_DSYNC);
}
