/*
 * Lines of the log that somebody outside can cause as often as they like: the front end of a disk,
 * say, that connects in a loop.
 *
 * Each minute a source has so many lines. The last one says that it is; what is left out is counted,
 * and said when there is something to say in a later minute. For one thread.
 */
#ifndef SLUICE_BASE_LOG_SOURCE_H
#define SLUICE_BASE_LOG_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

#define LOG_SOURCE_LINES_PER_MINUTE 30u
#define LOG_LINES_PER_MINUTE 300u /* of a process that log_bound was called for */

struct log_source {
	const char *name;	   /* each line begins with it; outlives the source */
	unsigned lines_per_minute; /* 0: LOG_SOURCE_LINES_PER_MINUTE */

	/* Its own; zeroes at first. */
	uint64_t minute_began_ns;
	unsigned lines; /* written in this minute */
	unsigned left_out;
};

/* May a line be written now? If not, it has been counted. */
bool log_source_admits(struct log_source *source, uint64_t now_ns);

/* Write one line, "NAME: ...", or leave it out. */
void log_from(struct log_source *source, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * From now on all lines of this process are those of one more source, by whichever function they are
 * written: for a process that is somebody's as a whole, as a VM's is its guest's, which starts each of its
 * parts anew as often as it likes. From any thread.
 *
 * @name: outlives the process's lines; NULL ends the bound, for lines that come once
 */
void log_bound(const char *name);

#endif
