/*
 * The file back end's inside: how its parts fit together.
 *
 * backend_file.c opens, closes and dispatches; backend_file_transfer.c reads and writes;
 * backend_file_range.c discards and writes zeroes; image*.c deal with the file itself.
 */
#ifndef SLUICE_DISK_BACKEND_FILE_H
#define SLUICE_DISK_BACKEND_FILE_H

#include "disk/backend.h"
#include "disk/image.h"

/*
 * Buffers for what O_DIRECT cannot take as it is. Their pages are taken by use, last in first out, so
 * that a disk that never needs one costs address space only. That is also why they are not registered
 * with the io_uring: it would pin all of them, for the sake of a path that copies anyway.
 */
#define BOUNCE_COUNT 8u
#define BOUNCE_BYTES (128u << 10)

/* The ranges that range requests come in; each has its own list of methods. */
enum range_kind { RANGE_DISCARD, RANGE_ZERO_AND_FREE, RANGE_ZERO_AND_KEEP, RANGE_KINDS };

struct file_backend {
	struct backend backend;
	struct sidecore *sidecore;
	struct image image;
	int slot; /* in the sidecore's file table */
	char *path;

	char *bounce_memory;
	void *free_bounces[BOUNCE_COUNT]; /* a stack */
	unsigned free_bounce_count;
	TAILQ_HEAD(, backend_request) waiting; /* for a bounce buffer, first come first served */

	unsigned first_methods[RANGE_KINDS]; /* those before are known not to work here */
};

struct file_backend *file_of(const struct backend_request *request);
struct backend_request *file_request_of(struct sidecore_operation *operation);

/*
 * Get an entry for the request's next step; prepare it for any descriptor, then hand it to
 * `file_go`, which fills in the right one.
 */
struct io_uring_sqe *file_prepare(struct backend_request *request,
	void (*complete)(struct sidecore_operation *operation, int result, unsigned cqe_flags));
void file_go(struct backend_request *request, struct io_uring_sqe *sqe);

/*
 * Should a step that ended with `result` be taken again? Then it is the caller's to start it; it will
 * be given to a kernel thread, which can wait for what was missing.
 */
bool file_must_retry(struct backend_request *request, int result);

/* Count what a step has moved. Returns 0, or -EIO if it moved nothing: the image has an end here. */
int file_advance(struct backend_request *request, int result);

/* Complete a request with a result that is known already, but not from within submit. */
void file_finish_later(struct backend_request *request, int result);

void file_submit_transfer(struct backend_request *request);
void file_submit_range(struct backend_request *request);

#endif
