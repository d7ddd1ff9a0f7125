/*
 * The commit log: records that are durable before whoever writes them is answered, and are read again after a crash.
 *
 * Theory of operation. What is committed is in RocksDB's memory first, and on the device much later. Until then it is here, as one record.
 * Records have successive numbers; RocksDB is given the number with the changes, in one batch, so what it has on the device says which
 * records are still needed. RocksDB's own log is not used: that one grows, so each commit also has the file system write its journal.
 *
 * A commit holds the log while it changes RocksDB and appends its record, so both have the same order. Then it waits for the device, with
 * others: whoever finds nobody writing writes what all have appended, as one frame (log_format.h), and those that come meanwhile wait for
 * the next.
 *
 * Segments (log_segment.h) are used in turn. One is free when RocksDB has all its records on the device, which it is asked to do in time. A
 * record that is larger than a segment has one that is as large as that, until it is free, when all others are.
 * Room for a record is found before RocksDB is changed, so a full device refuses a commit as a whole.
 *
 * Functions return 0 or a negative errno, unless they say otherwise. Once a write has failed, nothing is written any more.
 */
#ifndef SLUICE_STORE_COMMIT_LOG_H
#define SLUICE_STORE_COMMIT_LOG_H

#include <pthread.h>

#include "base/error.h"
#include "log_segment.h"

#define LOG_SEGMENTS 4u
#define LOG_RECORD_BYTES_MAX (3u << 30) /* with a segment's others, a frame's bytes are 32 bits */

/* What the changes of records have gone to. */
enum commit_log_settling {
	LOG_ASK,   /* how far it is */
	LOG_BEGIN, /* see to it that it has all on the device, soon */
	LOG_WAIT,  /* until it has */
};

struct commit_log_config {
	const char *directory;	/* made if it is not there */
	uint64_t segment_bytes; /* of whole blocks */
	/* Sets the number of the last record that is not needed any more. */
	int (*settle)(void *context, enum commit_log_settling how, uint64_t *settled);
	/* Make a record's changes again. */
	int (*apply)(void *context, uint64_t number, struct bytes record, struct error *error);
	void *context;
};

/* Records that wait to be written, as a frame. */
struct log_buffer {
	char *data; /* aligned to LOG_BLOCK_BYTES; a struct log_frame, and records behind it */
	size_t capacity;
	size_t bytes; /* of records */
	uint32_t count;
	bool is_urgent; /* somebody waits for the device */
};

struct commit_log_counts {
	uint64_t records, frames, syncs, bytes;
};

struct commit_log {
	struct commit_log_config config;
	char *directory;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct log_segment segments[LOG_SEGMENTS];
	struct log_segment *current; /* NULL: none has begun */
	struct log_buffer buffers[2];
	unsigned filling; /* which of them; the other is being written if `is_writing` */
	bool is_writing;
	uint64_t next;			 /* number of the next record */
	uint64_t written;		 /* all before this number are in a file */
	uint64_t durable;		 /* and on the device */
	int failure;			 /* of a write */
	struct commit_log_counts counts; /* with the mutex */
};

/*
 * Make the changes again of all records that are needed, which is done when `config->settle` has waited for them, and begin anew.
 * `*error` says which file is damaged.
 */
int commit_log_open(
	struct commit_log *log, const struct commit_log_config *config, struct error *error);
void commit_log_close(struct commit_log *log);

/*
 * Hold the log, with room for a record of that many bytes. Returns -EAGAIN if that would wait, and it may not; -EMSGSIZE if the record
 * is larger than LOG_RECORD_BYTES_MAX; -EIO once a write has failed. If it fails, the log is not held.
 */
int commit_log_begin(struct commit_log *log, size_t bytes, bool may_wait);

/* While it is held: the number that the record will have. */
static inline uint64_t commit_log_number(const struct commit_log *log)
{
	return log->next;
}

/* Let go of it without a record. */
void commit_log_cancel(struct commit_log *log);

/* Append the record, let go of the log, and wait until the record is in a file or, if it is to be durable, on the device. */
int commit_log_end(struct commit_log *log, struct bytes record, bool is_durable);

void commit_log_count(struct commit_log *log, struct commit_log_counts *counts);

#endif
