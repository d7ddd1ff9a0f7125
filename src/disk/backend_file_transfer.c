/*
 * Reads and writes of the file back end.
 *
 * Theory of operation. A request goes to the kernel as it is if its segments are aligned as O_DIRECT
 * wants them, and then nearly always comes back complete. Otherwise, and for what a short transfer
 * left over (the kernel moves at most 2 GiB at a time), it goes through a bounce buffer, a piece at a
 * time. A request keeps its buffer until it is complete, and hands it to the first that waits.
 */
#include <errno.h>

#include "disk/backend_file.h"
#include "disk/segments.h"

/* The kernel's MAX_RW_COUNT. */
#define TRANSFER_BYTES_MAX 0x7ffff000u

static void start_direct(struct backend_request *request);
static void start_bounced(struct backend_request *request);

static void direct_done(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct backend_request *request = file_request_of(operation);
	int code;

	if (file_must_retry(request, result)) {
		start_direct(request);
		return;
	}
	code = result < 0 ? result : file_advance(request, result);
	if (code || request->done_bytes == request->length_bytes)
		request->complete(request, code);
	else
		start_bounced(request);
}

static void prepare_linear(struct io_uring_sqe *sqe, const struct backend_request *request,
	void *memory, uint64_t length_bytes)
{
	uint64_t offset_bytes = request->offset_bytes + request->done_bytes;

	if (length_bytes > TRANSFER_BYTES_MAX)
		length_bytes = TRANSFER_BYTES_MAX;
	if (request->operation == BACKEND_READ)
		io_uring_prep_read(sqe, -1, memory, (unsigned)length_bytes, offset_bytes);
	else
		io_uring_prep_write(sqe, -1, memory, (unsigned)length_bytes, offset_bytes);
}

static void start_direct(struct backend_request *request)
{
	struct io_uring_sqe *sqe = file_prepare(request, direct_done);
	const struct iovec *segments = request->segments;

	/* One segment needs no vector for the kernel to import. */
	if (request->segment_count == 1)
		prepare_linear(sqe, request, segments->iov_base, segments->iov_len);
	else if (request->operation == BACKEND_READ)
		io_uring_prep_readv(
			sqe, -1, segments, request->segment_count, request->offset_bytes);
	else
		io_uring_prep_writev(
			sqe, -1, segments, request->segment_count, request->offset_bytes);
	file_go(request, sqe);
}

static uint64_t piece_bytes(const struct backend_request *request)
{
	uint64_t left_bytes = request->length_bytes - request->done_bytes;

	return left_bytes < BOUNCE_BYTES ? left_bytes : BOUNCE_BYTES;
}

static void start_piece(struct backend_request *request);

/* The buffer has been used: the first that waits gets it. */
static void pass_on(struct file_backend *file, void *bounce)
{
	struct backend_request *next = TAILQ_FIRST(&file->waiting);

	if (!next) {
		file->free_bounces[file->free_bounce_count++] = bounce;
		return;
	}
	TAILQ_REMOVE(&file->waiting, next, waiting);
	next->bounce = bounce;
	start_piece(next);
}

static void piece_done(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct backend_request *request = file_request_of(operation);
	struct file_backend *file = file_of(request);
	uint64_t before_bytes = request->done_bytes;
	int code;

	if (file_must_retry(request, result)) {
		start_piece(request);
		return;
	}
	code = result < 0 ? result : file_advance(request, result);
	if (!code && request->operation == BACKEND_READ)
		segments_scatter(request->segments, before_bytes, request->bounce,
			request->done_bytes - before_bytes);
	if (!code && request->done_bytes < request->length_bytes) {
		start_piece(request);
		return;
	}
	pass_on(file, request->bounce);
	request->complete(request, code);
}

static void start_piece(struct backend_request *request)
{
	struct io_uring_sqe *sqe;

	if (request->operation == BACKEND_WRITE)
		segments_gather(request->segments, request->done_bytes, request->bounce,
			piece_bytes(request));
	sqe = file_prepare(request, piece_done);
	prepare_linear(sqe, request, request->bounce, piece_bytes(request));
	file_go(request, sqe);
}

static void start_bounced(struct backend_request *request)
{
	struct file_backend *file = file_of(request);

	if (!file->free_bounce_count) {
		TAILQ_INSERT_TAIL(&file->waiting, request, waiting);
		return;
	}
	request->bounce = file->free_bounces[--file->free_bounce_count];
	start_piece(request);
}

void file_submit_transfer(struct backend_request *request)
{
	const struct image *image = &file_of(request)->image;

	if (!image->is_direct || segments_are_aligned(request->segments, request->segment_count,
					 image->memory_alignment_bytes, 512))
		start_direct(request);
	else
		start_bounced(request);
}
