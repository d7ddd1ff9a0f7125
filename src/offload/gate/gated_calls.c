/*
 * The C library's functions that read and write files, in place of its own: a shared object that this program loads calls these, if the
 * program exports them (-rdynamic). What has nothing to do with the gate goes straight to the kernel.
 *
 * Async-signal-safe and thread-safe, as those are. They are no cancellation points.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "offload/gate/gated_file.h"

/*
 * Their own names are given to the linker alone: the headers declare these functions, and redirect some to others.
 */
#define IN_PLACE_OF(name) __asm__(#name)
#define SAME_AS(name) __attribute__((alias(#name)))

ssize_t gated_read(int fd, void *buffer, size_t bytes) IN_PLACE_OF(read);
ssize_t gated_pread(int fd, void *buffer, size_t bytes, off_t offset_bytes) IN_PLACE_OF(pread);
ssize_t gated_readv(int fd, const struct iovec *segments, int count) IN_PLACE_OF(readv);
ssize_t gated_preadv2(int fd, const struct iovec *segments, int count, off_t offset_bytes,
	int flags) IN_PLACE_OF(preadv2);
ssize_t gated_preadv(int fd, const struct iovec *segments, int count, off_t offset_bytes)
	IN_PLACE_OF(preadv);
ssize_t gated_write(int fd, const void *buffer, size_t bytes) IN_PLACE_OF(write);
ssize_t gated_pwrite(int fd, const void *buffer, size_t bytes, off_t offset_bytes)
	IN_PLACE_OF(pwrite);
ssize_t gated_writev(int fd, const struct iovec *segments, int count) IN_PLACE_OF(writev);
ssize_t gated_pwritev2(int fd, const struct iovec *segments, int count, off_t offset_bytes,
	int flags) IN_PLACE_OF(pwritev2);
ssize_t gated_pwritev(int fd, const struct iovec *segments, int count, off_t offset_bytes)
	IN_PLACE_OF(pwritev);
int gated_fsync(int fd) IN_PLACE_OF(fsync);
int gated_fdatasync(int fd) IN_PLACE_OF(fdatasync);
int gated_sync_file_range(int fd, off_t offset_bytes, off_t bytes, unsigned flags)
	IN_PLACE_OF(sync_file_range);
ssize_t gated_readahead(int fd, off_t offset_bytes, size_t bytes) IN_PLACE_OF(readahead);
int gated_posix_fadvise(int fd, off_t offset_bytes, off_t bytes, int advice)
	IN_PLACE_OF(posix_fadvise);
ssize_t gated_read_checked(int fd, void *buffer, size_t bytes, size_t buffer_bytes)
	IN_PLACE_OF(__read_chk);
ssize_t gated_pread_checked(int fd, void *buffer, size_t bytes, off_t offset_bytes,
	size_t buffer_bytes) IN_PLACE_OF(__pread_chk);
void fail_check(void) IN_PLACE_OF(__chk_fail) __attribute__((noreturn)); /* the library's */

/* Where offsets have 64 bits by another name. */
ssize_t gated_pread64(int fd, void *buffer, size_t bytes, off_t offset_bytes) IN_PLACE_OF(pread64)
	SAME_AS(pread);
ssize_t gated_pwrite64(int fd, const void *buffer, size_t bytes, off_t offset_bytes)
	IN_PLACE_OF(pwrite64) SAME_AS(pwrite);
ssize_t gated_preadv64(int fd, const struct iovec *segments, int count, off_t offset_bytes)
	IN_PLACE_OF(preadv64) SAME_AS(preadv);
ssize_t gated_preadv64v2(int fd, const struct iovec *segments, int count, off_t offset_bytes,
	int flags) IN_PLACE_OF(preadv64v2) SAME_AS(preadv2);
ssize_t gated_pwritev64(int fd, const struct iovec *segments, int count, off_t offset_bytes)
	IN_PLACE_OF(pwritev64) SAME_AS(pwritev);
ssize_t gated_pwritev64v2(int fd, const struct iovec *segments, int count, off_t offset_bytes,
	int flags) IN_PLACE_OF(pwritev64v2) SAME_AS(pwritev2);
int gated_posix_fadvise64(int fd, off_t offset_bytes, off_t bytes, int advice)
	IN_PLACE_OF(posix_fadvise64) SAME_AS(posix_fadvise);
ssize_t gated_pread64_checked(int fd, void *buffer, size_t bytes, off_t offset_bytes,
	size_t buffer_bytes) IN_PLACE_OF(__pread64_chk) SAME_AS(__pread_chk);

static bool has_to_ask(int fd, struct gated_file *file)
{
	return gated_file_find(fd, file) && !file->is_directory;
}

/* ---- reading ---- */

ssize_t gated_read(int fd, void *buffer, size_t bytes)
{
	const struct iovec segment = {buffer, bytes};
	struct gated_file file;

	if (!has_to_ask(fd, &file))
		return syscall(SYS_read, fd, buffer, bytes);
	return gated_file_read(&file, &(struct gated_transfer){&segment, 1, -1, 0});
}

ssize_t gated_pread(int fd, void *buffer, size_t bytes, off_t offset_bytes)
{
	const struct iovec segment = {buffer, bytes};
	struct gated_file file;

	if (offset_bytes < 0 || !has_to_ask(fd, &file))
		return syscall(SYS_pread64, fd, buffer, bytes, offset_bytes);
	return gated_file_read(&file, &(struct gated_transfer){&segment, 1, offset_bytes, 0});
}

ssize_t gated_readv(int fd, const struct iovec *segments, int count)
{
	struct gated_file file;

	if (!has_to_ask(fd, &file))
		return syscall(SYS_readv, fd, segments, count);
	return gated_file_read(&file, &(struct gated_transfer){segments, count, -1, 0});
}

ssize_t gated_preadv2(
	int fd, const struct iovec *segments, int count, off_t offset_bytes, int flags)
{
	struct gated_file file;

	/* What does not wait does not wait for the device either. */
	if (offset_bytes < -1 || flags & RWF_NOWAIT || !has_to_ask(fd, &file))
		return syscall(SYS_preadv2, fd, segments, count, offset_bytes, 0L, flags);
	return gated_file_read(
		&file, &(struct gated_transfer){segments, count, offset_bytes, flags});
}

ssize_t gated_preadv(int fd, const struct iovec *segments, int count, off_t offset_bytes)
{
	if (offset_bytes < 0)
		return syscall(SYS_preadv, fd, segments, count, offset_bytes, 0L);
	return gated_preadv2(fd, segments, count, offset_bytes, 0);
}

/* ---- reading with checks: what a library calls that was compiled with _FORTIFY_SOURCE ---- */

ssize_t gated_read_checked(int fd, void *buffer, size_t bytes, size_t buffer_bytes)
{
	if (bytes > buffer_bytes)
		fail_check();
	return gated_read(fd, buffer, bytes);
}

ssize_t gated_pread_checked(
	int fd, void *buffer, size_t bytes, off_t offset_bytes, size_t buffer_bytes)
{
	if (bytes > buffer_bytes)
		fail_check();
	return gated_pread(fd, buffer, bytes, offset_bytes);
}

/* ---- writing ---- */

ssize_t gated_write(int fd, const void *buffer, size_t bytes)
{
	const struct iovec segment = {(void *)buffer, bytes};
	struct gated_file file;

	if (!has_to_ask(fd, &file))
		return syscall(SYS_write, fd, buffer, bytes);
	return gated_file_write(&file, &(struct gated_transfer){&segment, 1, -1, 0});
}

ssize_t gated_pwrite(int fd, const void *buffer, size_t bytes, off_t offset_bytes)
{
	const struct iovec segment = {(void *)buffer, bytes};
	struct gated_file file;

	if (offset_bytes < 0 || !has_to_ask(fd, &file))
		return syscall(SYS_pwrite64, fd, buffer, bytes, offset_bytes);
	return gated_file_write(&file, &(struct gated_transfer){&segment, 1, offset_bytes, 0});
}

ssize_t gated_writev(int fd, const struct iovec *segments, int count)
{
	struct gated_file file;

	if (!has_to_ask(fd, &file))
		return syscall(SYS_writev, fd, segments, count);
	return gated_file_write(&file, &(struct gated_transfer){segments, count, -1, 0});
}

ssize_t gated_pwritev2(
	int fd, const struct iovec *segments, int count, off_t offset_bytes, int flags)
{
	struct gated_file file;

	if (offset_bytes < -1 || !has_to_ask(fd, &file))
		return syscall(SYS_pwritev2, fd, segments, count, offset_bytes, 0L, flags);
	return gated_file_write(
		&file, &(struct gated_transfer){segments, count, offset_bytes, flags});
}

ssize_t gated_pwritev(int fd, const struct iovec *segments, int count, off_t offset_bytes)
{
	if (offset_bytes < 0)
		return syscall(SYS_pwritev, fd, segments, count, offset_bytes, 0L);
	return gated_pwritev2(fd, segments, count, offset_bytes, 0);
}

/* ---- making durable ---- */

int gated_fsync(int fd)
{
	struct gated_file file;

	if (!gated_file_find(fd, &file))
		return (int)syscall(SYS_fsync, fd);
	return gated_file_flush(&file, SYS_fsync);
}

int gated_fdatasync(int fd)
{
	struct gated_file file;

	if (!gated_file_find(fd, &file))
		return (int)syscall(SYS_fdatasync, fd);
	return gated_file_flush(&file, SYS_fdatasync);
}

int gated_sync_file_range(int fd, off_t offset_bytes, off_t bytes, unsigned flags)
{
	struct gated_file file;

	if (!has_to_ask(fd, &file))
		return (int)syscall(SYS_sync_file_range, fd, offset_bytes, bytes, flags);
	return gated_file_write_back(&file, offset_bytes, bytes, flags);
}

/* ---- prefetching ---- */

ssize_t gated_readahead(int fd, off_t offset_bytes, size_t bytes)
{
	struct gated_file file;

	if (bytes == 0 || !has_to_ask(fd, &file))
		return syscall(SYS_readahead, fd, offset_bytes, bytes);
	return gated_file_prefetch(&file, offset_bytes, (off_t)bytes);
}

/* This one returns its error. */
int gated_posix_fadvise(int fd, off_t offset_bytes, off_t bytes, int advice)
{
	const int error_before = errno;
	struct gated_file file;
	int result;

	if (advice == POSIX_FADV_WILLNEED && has_to_ask(fd, &file))
		result = gated_file_prefetch(&file, offset_bytes, bytes);
	else
		result = (int)syscall(SYS_fadvise64, fd, offset_bytes, bytes, advice);
	result = result < 0 ? errno : 0;
	errno = error_before;
	return result;
}
