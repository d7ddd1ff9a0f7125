#include "commit_log_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUFFER_BYTES_FIRST (64u << 10)
#define BUFFER_BYTES_KEPT (1u << 20)

/* ---- buffers ---- */

static int buffer_reserve(struct log_buffer *buffer, size_t bytes)
{
	const size_t needed = (size_t)log_frame_room(buffer->bytes + bytes);
	size_t capacity = buffer->capacity ? 2 * buffer->capacity : (size_t)BUFFER_BYTES_FIRST;
	char *data;

	if (needed <= buffer->capacity)
		return 0;
	if (capacity < needed)
		capacity = needed;
	data = aligned_alloc(LOG_BLOCK_BYTES, capacity);
	if (!data)
		return -ENOMEM;
	if (buffer->data)
		memcpy(data, buffer->data, sizeof(struct log_frame) + buffer->bytes);
	free(buffer->data);
	buffer->data = data;
	buffer->capacity = capacity;
	return 0;
}

static void buffer_append(struct log_buffer *buffer, struct bytes record)
{
	char *at = buffer->data + sizeof(struct log_frame) + buffer->bytes;
	const uint32_t bytes = (uint32_t)record.bytes;

	memcpy(at, &bytes, sizeof bytes);
	memcpy(at + sizeof bytes, record.data, record.bytes);
	buffer->bytes += log_record_room(record.bytes);
	buffer->count++;
}

/* Large memory is for once. */
static void buffer_clear(struct log_buffer *buffer)
{
	buffer->bytes = 0;
	buffer->count = 0;
	buffer->is_urgent = false;
	if (buffer->capacity <= BUFFER_BYTES_KEPT)
		return;
	free(buffer->data);
	buffer->data = NULL;
	buffer->capacity = 0;
}

/* ---- writing ---- */

static void seal(struct log_buffer *buffer, uint64_t first, uint64_t durable,
	const struct log_identity *identity)
{
	struct log_frame *frame = (struct log_frame *)buffer->data;
	const size_t used = sizeof *frame + buffer->bytes;

	*frame = (struct log_frame){.bytes = (uint32_t)buffer->bytes,
		.first = first,
		.durable = durable,
		.count = buffer->count};
	log_frame_seal(frame, identity);
	memset(buffer->data + used, 0, (size_t)log_frame_room(buffer->bytes) - used);
}

static void note_written(struct commit_log *log, int failure, uint64_t end, bool is_durable)
{
	log->is_writing = false;
	log->failure = failure;
	if (!failure)
		log->written = end;
	if (!failure && is_durable)
		log->durable = end;
	pthread_cond_broadcast(&log->changed);
}

/* Write what is there; the log is let go of meanwhile. */
static void write_frame(struct commit_log *log)
{
	struct log_buffer *buffer = &log->buffers[log->filling];
	struct log_segment *segment = log->current;
	const uint64_t end = log->next, first = end - buffer->count, offset = segment->position;
	const uint64_t room = log_frame_room(buffer->bytes);
	const bool is_durable = buffer->is_urgent;
	int failure;

	seal(buffer, first, log->durable, &segment->identity);
	segment->position += room;
	log->filling ^= 1;
	log->is_writing = true;
	log->counts.frames++;
	log->counts.syncs += is_durable;
	log->counts.bytes += room;
	pthread_mutex_unlock(&log->mutex);
	failure = log_segment_write(segment, buffer->data, (size_t)room, offset, is_durable);
	pthread_mutex_lock(&log->mutex);
	buffer_clear(buffer);
	note_written(log, failure, end, is_durable);
}

/* What was written for nobody who waits is to be on the device, too. */
static void sync_written(struct commit_log *log)
{
	const uint64_t end = log->written;
	int failure;

	log->is_writing = true;
	log->counts.syncs++;
	pthread_mutex_unlock(&log->mutex);
	failure = log_segment_sync(log->current);
	pthread_mutex_lock(&log->mutex);
	note_written(log, failure, end, true);
}

static void write_or_wait(struct commit_log *log)
{
	if (log->is_writing)
		pthread_cond_wait(&log->changed, &log->mutex);
	else if (log->buffers[log->filling].count)
		write_frame(log);
	else
		sync_written(log);
}

/* Have all records before that number in a file, or on the device. */
static int write_up_to(struct commit_log *log, uint64_t end, bool is_durable)
{
	const uint64_t *reached = is_durable ? &log->durable : &log->written;

	while (!log->failure && *reached < end)
		write_or_wait(log);
	return *reached < end ? log->failure : 0;
}

/* ---- a record ---- */

/* A segment begins when all before it is on the device. */
static int find_room(struct commit_log *log, size_t bytes, bool may_wait)
{
	int failure;

	while (!log->failure && !log_room_is_there(log, log->buffers[log->filling].bytes + bytes)) {
		if (!may_wait)
			return -EAGAIN;
		if (log->is_writing || log->durable < log->next) {
			log->buffers[log->filling].is_urgent = true;
			write_or_wait(log);
			continue;
		}
		failure = log_room_make(log, bytes);
		if (failure)
			return failure;
	}
	/* Why it failed is said of the record that it was. */
	return log->failure ? -EIO : 0;
}

static int prepare(struct commit_log *log, size_t bytes, bool may_wait)
{
	int failure;

	/* Who may not wait writes its own record alone. */
	if (!may_wait && (log->is_writing || log->buffers[log->filling].count))
		return -EAGAIN;
	failure = find_room(log, bytes, may_wait);
	return failure ? failure : buffer_reserve(&log->buffers[log->filling], bytes);
}

int commit_log_begin(struct commit_log *log, size_t bytes, bool may_wait)
{
	int failure;

	if (bytes > LOG_RECORD_BYTES_MAX)
		return -EMSGSIZE;
	if (may_wait)
		pthread_mutex_lock(&log->mutex);
	else if (pthread_mutex_trylock(&log->mutex))
		return -EAGAIN;
	failure = prepare(log, log_record_room(bytes), may_wait);
	if (failure)
		pthread_mutex_unlock(&log->mutex);
	return failure; // NOLINT(clang-analyzer-unix.Malloc): the buffer is the log's
}

void commit_log_cancel(struct commit_log *log)
{
	pthread_mutex_unlock(&log->mutex);
}

int commit_log_end(struct commit_log *log, struct bytes record, bool is_durable)
{
	struct log_buffer *buffer = &log->buffers[log->filling];
	int failure;

	buffer_append(buffer, record);
	buffer->is_urgent |= is_durable;
	log->counts.records++;
	failure = write_up_to(log, ++log->next, is_durable);
	pthread_mutex_unlock(&log->mutex);
	return failure;
}

void commit_log_count(struct commit_log *log, struct commit_log_counts *counts)
{
	pthread_mutex_lock(&log->mutex);
	*counts = log->counts;
	pthread_mutex_unlock(&log->mutex);
}

/* ---- beginning and end ---- */

static int make_directory(struct commit_log *log, struct error *error)
{
	int failure = mkdir(log->directory, 0700) && errno != EEXIST ? -errno : 0;

	if (!failure)
		failure = log_directory_sync(log, "/..");
	return failure ? error_set(error, failure, "cannot create the directory %s: %s",
				 log->directory, strerror(-failure))
		       : 0;
}

int commit_log_open(
	struct commit_log *log, const struct commit_log_config *config, struct error *error)
{
	int failure;

	*log = (struct commit_log){.config = *config, .directory = strdup(config->directory)};
	log->config.directory = log->directory;
	for (unsigned i = 0; i < LOG_SEGMENTS; i++)
		log_segment_init(&log->segments[i]);
	pthread_mutex_init(&log->mutex, NULL);
	pthread_cond_init(&log->changed, NULL);
	if (!log->directory)
		failure = error_set(error, -ENOMEM, "out of memory");
	else
		failure = make_directory(log, error);
	if (!failure)
		failure = log_replay(log, error);
	if (failure)
		commit_log_close(log);
	log->written = log->durable = log->next;
	return failure;
}

void commit_log_close(struct commit_log *log)
{
	for (unsigned i = 0; i < LOG_SEGMENTS; i++)
		log_segment_close(&log->segments[i]);
	for (unsigned i = 0; i < 2; i++)
		free(log->buffers[i].data);
	pthread_cond_destroy(&log->changed);
	pthread_mutex_destroy(&log->mutex);
	free(log->directory);
}
