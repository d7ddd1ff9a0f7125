/*
 * Discard and write-zeroes of the file back end.
 *
 * Theory of operation. What a range can be freed or zeroed with depends on kernel, file system and
 * device, and only an attempt shows it. So each kind of request has a list of methods, best first; one
 * that is not supported is skipped from then on. The last resort for zeroes is to write them. All of
 * it runs in the kernel's worker threads where it takes time, never on the sidecore.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>

#include "disk/backend_file.h"

#ifndef BLOCK_URING_CMD_DISCARD /* Linux 6.12 */
#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)
#endif

#define ZEROES_BYTES (256u << 10)

#define METHODS_MAX 3u

#define PUNCH_HOLE (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO_RANGE (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)

/* Written from, never to; in pages that cost nothing. */
static _Alignas(4096) char zeroes[ZEROES_BYTES];

struct method {
	void (*prepare)(struct io_uring_sqe *sqe, const struct backend_request *request, int mode);
	int mode; /* of fallocate */
	bool is_in_pieces;
};

static void prepare_fallocate(
	struct io_uring_sqe *sqe, const struct backend_request *request, int mode)
{
	io_uring_prep_fallocate(
		sqe, -1, mode, (off_t)request->offset_bytes, (off_t)request->length_bytes);
}

static void prepare_device_discard(
	struct io_uring_sqe *sqe, const struct backend_request *request, int mode)
{
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, -1, NULL, 0, 0);
	sqe->cmd_op = BLOCK_URING_CMD_DISCARD;
	sqe->addr = request->offset_bytes;
	sqe->addr3 = request->length_bytes;
}

static void prepare_zeroes(
	struct io_uring_sqe *sqe, const struct backend_request *request, int mode)
{
	uint64_t left_bytes = request->length_bytes - request->done_bytes;

	io_uring_prep_write(sqe, -1, zeroes,
		(unsigned)(left_bytes < ZEROES_BYTES ? left_bytes : ZEROES_BYTES),
		request->offset_bytes + request->done_bytes);
}

#define BY_FALLOCATE(flags)                                   \
	{                                                     \
		.prepare = prepare_fallocate, .mode = (flags) \
	}
#define BY_WRITING                                              \
	{                                                       \
		.prepare = prepare_zeroes, .is_in_pieces = true \
	}

static const struct method file_methods[RANGE_KINDS][METHODS_MAX + 1] = {
	[RANGE_DISCARD] = {BY_FALLOCATE(PUNCH_HOLE)},
	[RANGE_ZERO_AND_FREE] = {BY_FALLOCATE(PUNCH_HOLE), BY_FALLOCATE(ZERO_RANGE), BY_WRITING},
	[RANGE_ZERO_AND_KEEP] = {BY_FALLOCATE(ZERO_RANGE), BY_WRITING},
};

/*
 * A device's discard is a command since Linux 6.12, and was a flag of fallocate before; a plain hole
 * reads as zeroes, which not every device that discards can do.
 */
static const struct method device_methods[RANGE_KINDS][METHODS_MAX + 1] = {
	[RANGE_DISCARD] = {{.prepare = prepare_device_discard},
		BY_FALLOCATE(PUNCH_HOLE | FALLOC_FL_NO_HIDE_STALE), BY_FALLOCATE(PUNCH_HOLE)},
	[RANGE_ZERO_AND_FREE] = {BY_FALLOCATE(PUNCH_HOLE), BY_FALLOCATE(ZERO_RANGE), BY_WRITING},
	[RANGE_ZERO_AND_KEEP] = {BY_FALLOCATE(ZERO_RANGE), BY_WRITING},
};

static enum range_kind kind_of(const struct backend_request *request)
{
	if (request->operation == BACKEND_DISCARD)
		return RANGE_DISCARD;
	return request->may_unmap ? RANGE_ZERO_AND_FREE : RANGE_ZERO_AND_KEEP;
}

static const struct method *method_of(const struct backend_request *request)
{
	const struct method(*methods)[METHODS_MAX + 1] =
		file_of(request)->image.is_block_device ? device_methods : file_methods;

	return &methods[kind_of(request)][request->method];
}

static void start_method(struct backend_request *request);

/* Returns false if there is no other method. */
static bool try_next_method(struct backend_request *request, int result)
{
	unsigned *first = &file_of(request)->first_methods[kind_of(request)];

	if (!method_of(request)[1].prepare)
		return false;
	request->method++;
	/* Other refusals may be due to the request, say its alignment. */
	if (result == -EOPNOTSUPP && *first < request->method)
		*first = request->method;
	start_method(request);
	return true;
}

static bool is_refusal(int result)
{
	return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOTTY || result == -ENOSYS;
}

static void method_done(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct backend_request *request = file_request_of(operation);

	if (file_must_retry(request, result)) {
		start_method(request);
		return;
	}
	if (is_refusal(result) && try_next_method(request, result))
		return;
	if (result >= 0 && method_of(request)->is_in_pieces) {
		result = file_advance(request, result);
		if (!result && request->done_bytes < request->length_bytes) {
			start_method(request);
			return;
		}
	}
	request->complete(request, result < 0 ? result : 0);
}

static void start_method(struct backend_request *request)
{
	const struct method *method = method_of(request);
	struct io_uring_sqe *sqe = file_prepare(request, method_done);

	method->prepare(sqe, request, method->mode);
	file_go(request, sqe);
}

void file_submit_range(struct backend_request *request)
{
	request->method = file_of(request)->first_methods[kind_of(request)];
	start_method(request);
}
