/* The commit log after a crash: what is needed of it is done again. */
#include "commit_log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A segment, as it is found. */
struct found {
	char *path;
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

static int read_file(const char *path, char *data, size_t bytes, struct error *error)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const int failure = fd < 0 ? -errno : read_all(fd, data, bytes);

	if (fd >= 0)
		close(fd);
	return failure ? error_set(error, failure, "cannot read %s: %s", path, strerror(-failure))
		       : 0;
}

static int read_head(struct found *found, struct error *error)
{
	char block[LOG_BLOCK_BYTES];
	struct stat status;
	int failure;

	if (stat(found->path, &status))
		return errno == ENOENT ? 0
				       : error_set(error, -errno, "cannot read %s: %s", found->path,
						 strerror(errno));
	found->bytes = (size_t)status.st_size;
	failure = read_file(found->path, block,
		found->bytes < sizeof block ? found->bytes : sizeof block, error);
	if (!failure)
		found->state = log_head_read(block, found->bytes, &found->head);
	return failure;
}

static int order(const void *one, const void *other)
{
	const uint64_t first = ((const struct found *)one)->head.first;
	const uint64_t second = ((const struct found *)other)->head.first;

	return first < second ? -1 : first > second;
}

/* In the order of their records; unused ones come first. */
static int find_segments(
	struct commit_log *log, struct found found[LOG_SEGMENTS], struct error *error)
{
	int failure = 0;

	for (unsigned i = 0; i < LOG_SEGMENTS && !failure; i++) {
		found[i].path = log_segment_path(log, i);
		failure = found[i].path ? read_head(&found[i], error)
					: error_set(error, -ENOMEM, "out of memory");
	}
	qsort(found, LOG_SEGMENTS, sizeof *found, order);
	return failure;
}

/* ---- doing it again ---- */

static int damaged(const struct found *found, uint64_t number, struct error *error)
{
	return error_set(error, -EBADMSG,
		"%s is damaged: record %llu was written, and cannot be read. Restore the store "
		"from a checkpoint; if what was committed since may be lost, remove that file's "
		"directory",
		found->path, (unsigned long long)number);
}

static int apply_records(
	struct commit_log *log, const struct found *found, const char *data, struct error *error)
{
	struct log_reader reader;
	struct bytes record;
	uint64_t number;
	int failure = 0;

	log_reader_begin(&reader, data, found->bytes, &found->head);
	while (!failure && log_reader_next(&reader, &number, &record)) {
		if (number < log->next)
			continue;
		failure = log->config.apply(log->config.context, number, record, error);
		log->next = number + 1;
	}
	if (!failure && log_reader_is_cut(&reader, log->next))
		failure = damaged(found, reader.next, error);
	return failure;
}

/* One segment is in memory at a time. */
static int apply_segment(struct commit_log *log, const struct found *found, struct error *error)
{
	char *data = malloc(found->bytes);
	int failure = data ? read_file(found->path, data, found->bytes, error)
			   : error_set(error, -ENOMEM, "out of memory to read %s", found->path);

	if (!failure)
		failure = apply_records(log, found, data, error);
	free(data);
	return failure;
}

/* All of it, by where the next one begins. Of two with the same first record one has none, and either may be that. */
static bool is_settled(
	const struct commit_log *log, const struct found found[LOG_SEGMENTS], unsigned i)
{
	return i + 1 < LOG_SEGMENTS && found[i + 1].state == LOG_USED &&
	       found[i].head.first < found[i + 1].head.first &&
	       found[i + 1].head.first <= log->next;
}

static int apply_segments(
	struct commit_log *log, const struct found found[LOG_SEGMENTS], struct error *error)
{
	int failure = 0;

	for (unsigned i = 0; i < LOG_SEGMENTS && !failure; i++) {
		if (found[i].state == LOG_DAMAGED)
			return damaged(&found[i], log->next, error);
		if (found[i].state == LOG_UNUSED || is_settled(log, found, i))
			continue;
		/* The one before it was on the device when it began. */
		if (found[i].head.first > log->next)
			return error_set(error, -EBADMSG,
				"records from %llu on, which come before %s, are not in %s: it is "
				"damaged, or not this store's",
				(unsigned long long)log->next, found[i].path, log->directory);
		failure = apply_segment(log, &found[i], error);
	}
	return failure;
}

/* ---- beginning anew ---- */

/* Nothing in them is needed any more. */
static int remove_segments(const struct found found[LOG_SEGMENTS], struct error *error)
{
	for (unsigned i = 0; i < LOG_SEGMENTS; i++) {
		if (unlink(found[i].path) && errno != ENOENT)
			return error_set(error, -errno, "cannot remove %s: %s", found[i].path,
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

static void forget(struct found found[LOG_SEGMENTS])
{
	for (unsigned i = 0; i < LOG_SEGMENTS; i++)
		free(found[i].path);
}

int log_replay(struct commit_log *log, struct error *error)
{
	struct found found[LOG_SEGMENTS] = {0};
	uint64_t settled;
	int failure = log->config.settle(log->config.context, LOG_ASK, &settled);

	if (failure)
		return error_set(error, failure, "cannot read the database");
	log->next = settled + 1;
	failure = find_segments(log, found, error);
	if (!failure)
		failure = apply_segments(log, found, error);
	if (!failure)
		failure = settle_all(log, settled, error);
	if (!failure)
		failure = remove_segments(found, error);
	forget(found);
	return failure;
}
