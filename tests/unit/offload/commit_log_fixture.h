/* A commit log in a directory of its own, over changes that are only numbers. */
#ifndef SLUICE_TESTS_COMMIT_LOG_FIXTURE_H
#define SLUICE_TESTS_COMMIT_LOG_FIXTURE_H

#include "../cmocka_all.h"

#include <sys/types.h>

#include "commit_log.h"

#define SEGMENT_BYTES (1u << 20)

/* What changes go to: nothing but which they were. */
struct changes {
	uint64_t settled; /* the last that is on its device */
	uint64_t last;	  /* the last that was changed */
	unsigned applied; /* again */
	size_t bytes;	  /* of the last of these */
	size_t memory;	  /* that was allocated meanwhile, at most */
	unsigned waits;	  /* how often it was waited for */
	int failure;	  /* of waiting */
};

extern struct changes changes;
extern char directory[64], path[80]; /* the log's, and its first segment's */
extern struct commit_log commits;
extern struct error reason; /* of the last opening that failed */

/* The log is open in a new directory. */
int commit_log_set_up(void **state);
int commit_log_tear_down(void **state);

#define COMMIT_LOG_TEST(name) \
	cmocka_unit_test_setup_teardown(name, commit_log_set_up, commit_log_tear_down)

/* As after a crash: what was not on the changes' device is gone. Returns what opening does. */
int open_again(void);
void crash(void);

/* A record of that many bytes. Returns what its beginning or its end does. */
int append(size_t bytes, bool is_durable);
void append_some(unsigned count, size_t bytes);

/* Of this process, by malloc. */
size_t allocated(void);

/* ---- the first segment, as a file ---- */

void read_file(void *data, size_t bytes, off_t offset);
void write_file(const void *data, size_t bytes, off_t offset);
char *read_whole(size_t *bytes); /* the caller's, to free */
void spoil(off_t offset);

#endif
