/* Where the commit log goes on: more room in its segment, or the next one. */
#include "commit_log_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXTENSION_BYTES (1u << 20)
#define SEGMENTS_NEEDED_MAX (LOG_SEGMENTS - 1) /* before RocksDB is asked to have no need of them */

char *log_segment_path(const struct commit_log *log, unsigned segment)
{
	char *path;

	return asprintf(&path, "%s/%u", log->directory, segment) < 0 ? NULL : path;
}

int log_directory_sync(const struct commit_log *log, const char *behind)
{
	char *path;
	int fd, failure = 0;

	if (asprintf(&path, "%s%s", log->directory, behind) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		failure = -errno;
	if (fd >= 0)
		close(fd);
	free(path);
	return failure;
}

static int settle(struct commit_log *log, enum commit_log_settling how, uint64_t *settled)
{
	return log->config.settle(log->config.context, how, settled);
}

/* ---- which is next ---- */

static bool is_free(
	const struct commit_log *log, const struct log_segment *segment, uint64_t settled)
{
	return segment != log->current && segment->end <= settled + 1;
}

static struct log_segment *find_free(struct commit_log *log, uint64_t settled)
{
	struct log_segment *found = NULL;

	/* One whose room is there already is better than one that is made. */
	for (unsigned i = 0; i < LOG_SEGMENTS; i++) {
		struct log_segment *segment = &log->segments[i];

		if (is_free(log, segment, settled) &&
			(!found || (found->fd < 0 && segment->fd >= 0)))
			found = segment;
	}
	return found;
}

static unsigned count_needed(const struct commit_log *log, uint64_t settled)
{
	unsigned count = 0;

	for (unsigned i = 0; i < LOG_SEGMENTS; i++)
		count += !is_free(log, &log->segments[i], settled);
	return count;
}

static int choose(
	struct commit_log *log, enum commit_log_settling how, struct log_segment **segment)
{
	uint64_t settled;
	int failure = settle(log, how, &settled);

	*segment = failure ? NULL : find_free(log, settled);
	if (!failure && !*segment) {
		failure = settle(log, LOG_WAIT, &settled);
		*segment = failure ? NULL : find_free(log, settled);
	}
	if (!failure && count_needed(log, settled) >= SEGMENTS_NEEDED_MAX)
		failure = settle(log, LOG_BEGIN, &settled);
	return failure || *segment ? failure : -EIO;
}

/* ---- going there ---- */

static int open_segment(struct commit_log *log, struct log_segment *segment)
{
	char *path = log_segment_path(log, (unsigned)(segment - log->segments));
	int failure = path ? log_segment_open(segment, path) : -ENOMEM;

	free(path);
	if (!failure)
		failure = log_directory_sync(log, "");
	/* One that is open has its name on the device. */
	if (failure)
		log_segment_close(segment);
	return failure;
}

/* Those that were enlarged, and have nothing that is needed; the current one has just begun. */
static int cut_segments(struct commit_log *log)
{
	uint64_t settled;
	int failure = settle(log, LOG_ASK, &settled);

	for (unsigned i = 0; i < LOG_SEGMENTS && !failure; i++) {
		struct log_segment *segment = &log->segments[i];

		if (segment == log->current || is_free(log, segment, settled))
			failure = log_segment_cut(segment, log->config.segment_bytes);
	}
	return failure;
}

static int go_to_next(struct commit_log *log, enum commit_log_settling how)
{
	struct log_segment *segment;
	int failure;

	if (log->current)
		log->current->end = log->next;
	failure = choose(log, how, &segment);
	if (!failure && segment->fd < 0)
		failure = open_segment(log, segment);
	if (!failure)
		failure = log_segment_begin(segment, log->next);
	if (failure)
		return failure;
	log->current = segment;
	return cut_segments(log);
}

static bool has_place(const struct commit_log *log, uint64_t position, uint64_t room)
{
	return position + room <= log->config.segment_bytes;
}

static int extend(struct commit_log *log, uint64_t room)
{
	struct log_segment *segment = log->current;
	const uint64_t needed = segment->position + room;
	uint64_t end = segment->room_bytes + EXTENSION_BYTES;

	if (end > log->config.segment_bytes)
		end = log->config.segment_bytes;
	if (end < needed)
		end = needed;
	return log_segment_extend(segment, end - segment->room_bytes);
}

int log_room_make(struct commit_log *log, uint64_t bytes)
{
	const uint64_t room = log_frame_room(bytes);
	/* What is larger than a segment has one of its own, when no other is larger. */
	const bool is_large = !has_place(log, LOG_BLOCK_BYTES, room);
	int failure = 0;

	if (!log->current || !has_place(log, log->current->position, room))
		failure = go_to_next(log, is_large ? LOG_WAIT : LOG_ASK);
	if (failure || log_room_is_there(log, bytes))
		return failure;
	return extend(log, room);
}
