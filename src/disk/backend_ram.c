/*
 * The ram back end: a disk in the daemon's memory, gone when the disk is. It measures everything
 * but a device.
 *
 * Theory of operation. All memory is taken when the disk is opened, in huge pages where the kernel
 * has them, so that the sidecore takes no page faults. Requests are memcpy and complete inline, up
 * to a slice: a larger one goes on when the ring comes round (a no-op is its ticket), so that no
 * guest holds up the others however much it asks for. Discards are madvise by way of io_uring: a
 * kernel thread pays for freeing the pages.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/units.h"
#include "disk/backend_ops.h"
#include "disk/segments.h"

#ifndef MADV_POPULATE_WRITE /* Linux 5.14; missing in older C libraries */
#define MADV_POPULATE_WRITE 23
#endif

/* What is copied in one go: some 25 µs. */
#define SLICE_BYTES (256u << 10)

/* io_uring's madvise has a 32-bit length. */
#define ADVICE_BYTES_MAX (1u << 30)

#define CACHE_LINE_BYTES 64u

/* Fetched ahead of a copy; where it ends, the processor's own prefetcher has understood. */
#define EXPECTED_BYTES 512u

struct ram_backend {
	struct backend backend;
	struct sidecore *sidecore;
	char *memory;
	size_t page_bytes;
};

static struct backend_request *request_of(struct sidecore_operation *operation)
{
	return (struct backend_request *)((char *)operation -
					  offsetof(struct backend_request, ring_operation));
}

static struct ram_backend *ram_of(const struct backend_request *request)
{
	return (struct ram_backend *)request->backend;
}

static void copy_out(struct backend_request *request, char *memory, size_t length_bytes)
{
	segments_scatter(request->segments, request->done_bytes, memory, length_bytes);
}

static void copy_in(struct backend_request *request, char *memory, size_t length_bytes)
{
	segments_gather(request->segments, request->done_bytes, memory, length_bytes);
}

static void zero(struct backend_request *request, char *memory, size_t length_bytes)
{
	memset(memory, 0, length_bytes);
}

/* What is done to a slice of the disk. */
static void (*const slicers[BACKEND_OPERATIONS])(
	struct backend_request *request, char *memory, size_t length_bytes) = {
	[BACKEND_READ] = copy_out,
	[BACKEND_WRITE] = copy_in,
	[BACKEND_WRITE_ZEROES] = zero,
};

static void next_slice(struct backend_request *request);

static void slice_turn(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	next_slice(request_of(operation));
}

static void next_slice(struct backend_request *request)
{
	struct ram_backend *ram = ram_of(request);
	uint64_t length_bytes = request->length_bytes - request->done_bytes;

	if (length_bytes > SLICE_BYTES)
		length_bytes = SLICE_BYTES;
	slicers[request->operation](
		request, ram->memory + request->offset_bytes + request->done_bytes, length_bytes);
	request->done_bytes += length_bytes;
	if (request->done_bytes == request->length_bytes) {
		request->complete(request, 0);
		return;
	}
	request->ring_operation.complete = slice_turn;
	io_uring_prep_nop(sidecore_prepare(ram->sidecore, &request->ring_operation));
}

/* The part of a range that is made of whole pages. */
struct page_range {
	uint64_t start_bytes;
	uint64_t end_bytes;
};

static struct page_range whole_pages(const struct backend_request *request)
{
	uint64_t mask = ram_of(request)->page_bytes - 1;
	struct page_range pages = {
		.start_bytes = (request->offset_bytes + mask) & ~mask,
		.end_bytes = (request->offset_bytes + request->length_bytes) & ~mask,
	};

	if (pages.end_bytes < pages.start_bytes)
		pages.end_bytes = pages.start_bytes;
	return pages;
}

/* What to free next; done_bytes counts the whole pages that are free already. */
static uint64_t next_advice_bytes(const struct backend_request *request)
{
	struct page_range pages = whole_pages(request);
	uint64_t left_bytes = pages.end_bytes - pages.start_bytes - request->done_bytes;

	return left_bytes < ADVICE_BYTES_MAX ? left_bytes : ADVICE_BYTES_MAX;
}

static void free_pages(struct backend_request *request);

static void pages_freed(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct backend_request *request = request_of(operation);

	if (result < 0 && result != -EAGAIN && result != -EINTR) {
		request->complete(request, result);
		return;
	}
	if (result >= 0)
		request->done_bytes += next_advice_bytes(request);
	free_pages(request);
}

static void free_pages(struct backend_request *request)
{
	struct ram_backend *ram = ram_of(request);
	uint64_t start_bytes = whole_pages(request).start_bytes + request->done_bytes;
	uint64_t length_bytes = next_advice_bytes(request);

	if (!length_bytes) {
		request->complete(request, 0);
		return;
	}
	request->ring_operation.complete = pages_freed;
	io_uring_prep_madvise(sidecore_prepare(ram->sidecore, &request->ring_operation),
		ram->memory + start_bytes, (off_t)length_bytes, MADV_DONTNEED);
}

/* Zero what free_pages leaves at both ends of a range, less than a page each. */
static void zero_edges(struct backend_request *request)
{
	struct ram_backend *ram = ram_of(request);
	struct page_range pages = whole_pages(request);
	uint64_t end_bytes = request->offset_bytes + request->length_bytes;

	memset(ram->memory + request->offset_bytes, 0, pages.start_bytes - request->offset_bytes);
	memset(ram->memory + pages.end_bytes, 0, end_bytes - pages.end_bytes);
}

static void ram_write_zeroes(struct backend_request *request)
{
	struct page_range pages = whole_pages(request);

	if (!request->may_unmap || pages.start_bytes == pages.end_bytes) {
		next_slice(request);
		return;
	}
	zero_edges(request);
	free_pages(request);
}

static void ram_flush(struct backend_request *request)
{
	request->complete(request, 0);
}

static void (*const starters[BACKEND_OPERATIONS])(struct backend_request *request) = {
	[BACKEND_READ] = next_slice,
	[BACKEND_WRITE] = next_slice,
	[BACKEND_FLUSH] = ram_flush,
	[BACKEND_DISCARD] = free_pages,
	[BACKEND_WRITE_ZEROES] = ram_write_zeroes,
};

/* The copy of a page that no cache has waits mostly for its first lines. */
static void ram_expect(struct backend *backend, const struct backend_request *request)
{
	const struct ram_backend *ram = (struct ram_backend *)backend;
	const char *memory = ram->memory + request->offset_bytes;

	for (size_t i = 0; i < EXPECTED_BYTES && i < request->length_bytes; i += CACHE_LINE_BYTES)
		__builtin_prefetch(memory + i);
}

static void ram_submit(struct backend *backend, struct backend_request *request)
{
	bool is_change = request->operation != BACKEND_READ && request->operation != BACKEND_FLUSH;

	request->backend = backend;
	request->done_bytes = 0;
	if (is_change && backend->is_read_only)
		request->complete(request, -EROFS);
	else
		starters[request->operation](request);
}

/* What the kernel thinks can be had without swapping; UINT64_MAX if it does not say. */
static uint64_t available_bytes(void)
{
	uint64_t available_kib = 0;
	char line[128];
	FILE *file = fopen("/proc/meminfo", "re");

	if (!file)
		return UINT64_MAX;
	while (!available_kib && fgets(line, sizeof line, file)) {
		if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &available_kib) != 1)
			available_kib = 0;
	}
	fclose(file);
	return available_kib ? available_kib << 10 : UINT64_MAX;
}

/* Ask before taking: the kernel's answer to taking too much is to kill somebody. */
static int check_size(uint64_t size_bytes, struct error *error)
{
	char wanted[UNITS_TEXT_BYTES], available[UNITS_TEXT_BYTES];

	if (!size_bytes || size_bytes % 512)
		return error_set(
			error, -EINVAL, "a ram disk needs a size, in multiples of 512 bytes");
	if (size_bytes > available_bytes())
		return error_set(error, -ENOMEM,
			"a ram disk of %s does not fit into the %s of memory that are available",
			units_format_bytes(wanted, size_bytes),
			units_format_bytes(available, available_bytes()));
	return 0;
}

static int take_memory(struct ram_backend *ram, struct error *error)
{
	size_t size_bytes = ram->backend.size_bytes;
	void *memory =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int code;

	if (memory == MAP_FAILED)
		return error_set(error, -errno, "no memory for a ram disk: %s", strerror(errno));
	/* Fewer TLB misses, where the kernel can; it works without. */
	(void)madvise(memory, size_bytes, MADV_HUGEPAGE);
	if (madvise(memory, size_bytes, MADV_POPULATE_WRITE) && errno != EINVAL) {
		code = error_set(error, -errno, "no memory for a ram disk: %s", strerror(errno));
		munmap(memory, size_bytes);
		return code;
	}
	ram->memory = memory;
	return 0;
}

static int ram_open(
	const struct backend_options *options, struct backend **backend, struct error *error)
{
	struct ram_backend *ram;
	int code = check_size(options->size_bytes, error);

	if (code)
		return code;
	ram = calloc(1, sizeof *ram);
	if (!ram)
		return error_set(error, -ENOMEM, "no memory for a ram disk");
	ram->backend = (struct backend){
		.ops = &backend_ram_ops,
		.size_bytes = options->size_bytes,
		.block_bytes = 512,
		.is_read_only = options->is_read_only,
		.can_discard = !options->is_read_only,
		.completes_inline = true,
	};
	ram->sidecore = options->sidecore;
	ram->page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	code = take_memory(ram, error);
	if (code) {
		free(ram);
		return code;
	}
	*backend = &ram->backend;
	return 0;
}

static void ram_close(struct backend *backend)
{
	struct ram_backend *ram = (struct ram_backend *)backend;

	munmap(ram->memory, ram->backend.size_bytes);
	free(ram);
}

const struct backend_ops backend_ram_ops = {
	.name = "ram",
	.description = "the daemon's memory: lost when the disk is removed",
	.open = ram_open,
	.expect = ram_expect,
	.submit = ram_submit,
	.close = ram_close,
};
