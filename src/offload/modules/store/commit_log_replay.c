/* The commit log after a crash: what is needed of it is done again. */
#include "commit_log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A segment's contents. */
struct contents {
	char *path;
	char *data;
	size_t bytes;
	struct log_head head;
	enum log_head_state state;
};

/* ---- reading files ---- */

static int read_all(int fd, char *data, size_t bytes)
{
	size_t at = 0;

	while (at < bytes) {
		const ssize_t count = pread(fd, data + at, bytes - at, (off_t)at);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : -EIO;
		at += (size_t)count;
	}
	return 0;
}

static int read_file(int fd, struct contents *contents)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	contents->bytes = (size_t)status.st_size;
	contents->data = malloc(contents->bytes + 1);
	return contents->data ? read_all(fd, contents->data, contents->bytes) : -ENOMEM;
}

static int read_segment(struct contents *contents, struct error *error)
{
	const int fd = open(contents->path, O_RDONLY | O_CLOEXEC);
	int failure;

	if (fd < 0 && errno == ENOENT)
		return 0;
	failure = fd < 0 ? -errno : read_file(fd, contents);
	if (fd >= 0)
		close(fd);
	if (failure)
		return error_set(
			error, failure, "cannot read %s: %s", contents->path, strerror(-failure));
	// NOLINTNEXTLINE(clang-analyzer-unix.Malloc): free_contents
	contents->state = log_head_read(contents->data, contents->bytes, &contents->head);
	return 0;
}

static int order(const void *one, const void *other)
{
	const uint64_t first = ((const struct contents *)one)->head.first;
	const uint64_t second = ((const struct contents *)other)->head.first;

	return first < second ? -1 : first > second;
}

/* In the order of their records; unused ones come first. */
static int read_segments(
	struct commit_log *log, struct contents contents[LOG_SEGMENTS], struct error *error)
{
	int failure = 0;

	for (unsigned i = 0; i < LOG_SEGMENTS && !failure; i++) {
		contents[i].path = log_segment_path(log, i);
		failure = contents[i].path ? read_segment(&contents[i], error)
					   : error_set(error, -ENOMEM, "out of memory");
	}
	qsort(contents, LOG_SEGMENTS, sizeof *contents, order);
	return failure;
}

/* ---- doing it again ---- */

static int damaged(const struct contents *contents, uint64_t number, struct error *error)
{
	return error_set(error, -EBADMSG,
		"%s is damaged: record %llu was written, and cannot be read. Restore the store "
		"from a checkpoint; if what was committed since may be lost, remove that file's "
		"directory",
		contents->path, (unsigned long long)number);
}

static int apply_segment(
	struct commit_log *log, const struct contents *contents, struct error *error)
{
	struct log_reader reader;
	struct bytes record;
	uint64_t number;
	int failure = 0;

	log_reader_begin(&reader, contents->data, contents->bytes, &contents->head);
	while (!failure && log_reader_next(&reader, &number, &record)) {
		if (number < log->next)
			continue;
		failure = log->config.apply(log->config.context, number, record, error);
		log->next = number + 1;
	}
	if (!failure && log_reader_is_cut(&reader, log->next))
		failure = damaged(contents, reader.next, error);
	return failure;
}

static int apply_segments(
	struct commit_log *log, const struct contents contents[LOG_SEGMENTS], struct error *error)
{
	int failure = 0;

	for (unsigned i = 0; i < LOG_SEGMENTS && !failure; i++) {
		if (contents[i].state == LOG_DAMAGED)
			return damaged(&contents[i], log->next, error);
		if (contents[i].state == LOG_UNUSED)
			continue;
		/* The one before it was on the device when it began. */
		if (contents[i].head.first > log->next)
			return error_set(error, -EBADMSG,
				"records from %llu on, which come before %s, are not in %s: it is "
				"damaged, or not this store's",
				(unsigned long long)log->next, contents[i].path, log->directory);
		failure = apply_segment(log, &contents[i], error);
	}
	return failure;
}

/* ---- beginning anew ---- */

/* Nothing in them is needed any more. */
static int remove_segments(const struct contents contents[LOG_SEGMENTS], struct error *error)
{
	for (unsigned i = 0; i < LOG_SEGMENTS; i++) {
		if (unlink(contents[i].path) && errno != ENOENT)
			return error_set(error, -errno, "cannot remove %s: %s", contents[i].path,
				strerror(errno));
	}
	return 0;
}

static int settle_all(struct commit_log *log, uint64_t settled, struct error *error)
{
	int failure = 0;

	if (log->next > settled + 1)
		failure = log->config.settle(log->config.context, LOG_WAIT, &settled);
	return failure ? error_set(error, failure,
				 "cannot write what the commit log has to the database: %s",
				 strerror(-failure))
		       : 0;
}

static void free_contents(struct contents contents[LOG_SEGMENTS])
{
	for (unsigned i = 0; i < LOG_SEGMENTS; i++) {
		free(contents[i].path);
		free(contents[i].data);
	}
}

int log_replay(struct commit_log *log, struct error *error)
{
	struct contents contents[LOG_SEGMENTS] = {0};
	uint64_t settled;
	int failure = log->config.settle(log->config.context, LOG_ASK, &settled);

	if (failure)
		return error_set(error, failure, "cannot read the database");
	log->next = settled + 1;
	failure = read_segments(log, contents, error);
	if (!failure)
		failure = apply_segments(log, contents, error);
	if (!failure)
		failure = settle_all(log, settled, error);
	if (!failure)
		failure = remove_segments(contents, error);
	free_contents(contents);
	return failure;
}
