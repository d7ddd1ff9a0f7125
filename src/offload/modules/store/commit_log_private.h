/* What the parts of the commit log know of each other. */
#ifndef SLUICE_STORE_COMMIT_LOG_PRIVATE_H
#define SLUICE_STORE_COMMIT_LOG_PRIVATE_H

#include "commit_log.h"

/* What a record takes of a frame's bytes. */
static inline size_t log_record_room(size_t bytes)
{
	return sizeof(uint32_t) + bytes;
}

/* Room for a frame with that many bytes of records, in this segment or the next. With the log held, and nothing left to write. */
int log_room_make(struct commit_log *log, uint64_t bytes);

/* Whether a frame with that many bytes has room where the next one goes. */
static inline bool log_room_is_there(const struct commit_log *log, uint64_t bytes)
{
	return log->current &&
	       log_frame_room(bytes) <= log->current->room_bytes - log->current->position;
}

/* The path of a segment, of malloc; NULL: no memory. */
char *log_segment_path(const struct commit_log *log, unsigned segment);

/* Have the names of what is in the log's directory on the device, or in one with that path behind its own. */
int log_directory_sync(const struct commit_log *log, const char *behind);

/* Read what is there. `log->next` is the first number that nobody has then. */
int log_replay(struct commit_log *log, struct error *error);

#endif
