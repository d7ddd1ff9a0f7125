/*
 * What every back end must do, on a real sidecore: a table of back ends, each run through the same
 * cases. The expected content is kept in an array.
 */
#include "backend_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cmocka_all.h"

#define DISK_BYTES (8u << 20)
#define ROUNDS 600u
#define REQUEST_BYTES_MAX (600u << 10)

struct variant {
	const char *backend;
	const char *directory; /* NULL: a new one on a disk */
	bool use_page_cache;

	struct sidecore *sidecore;
	struct backend *on;
	char path[PATH_MAX];
	char image[PATH_MAX + 16];
	unsigned random;
};

static struct backend_options options_of(const struct variant *variant)
{
	return (struct backend_options){
		.path = variant->image,
		.size_bytes = DISK_BYTES,
		.use_page_cache = variant->use_page_cache,
		.sidecore = variant->sidecore,
	};
}

static int set_up(void **state)
{
	struct variant *variant = *state;
	struct backend_options options;
	struct error error;

	variant->random = 1;
	if (variant->directory) {
		snprintf(variant->path, sizeof variant->path, "%s/sluice-test-XXXXXX",
			variant->directory);
		assert_non_null(mkdtemp(variant->path));
	} else {
		testing_directory_create(variant->path);
	}
	snprintf(variant->image, sizeof variant->image, "%s/disk.img", variant->path);
	variant->sidecore = testing_sidecore_start();
	options = options_of(variant);
	if (backend_find(variant->backend)->open(&options, &variant->on, &error))
		fail_msg("%s", error.message);
	return 0;
}

static int tear_down(void **state)
{
	struct variant *variant = *state;

	variant->on->ops->close(variant->on);
	sidecore_stop(variant->sidecore);
	testing_directory_remove(variant->path);
	return 0;
}

static unsigned pick(struct variant *variant, unsigned below)
{
	variant->random = variant->random * 1103515245u + 12345u;
	return (unsigned)(((uint64_t)(variant->random >> 1) * below) >> 31);
}

static void fill(struct variant *variant, unsigned char *memory, size_t length_bytes)
{
	for (size_t i = 0; i < length_bytes; i++)
		memory[i] = (unsigned char)pick(variant, 256);
}

/* Cut memory into segments at any byte. Returns how many. */
static unsigned cut(struct variant *variant, unsigned char *memory, size_t length_bytes,
	struct iovec segments[BACKEND_SEGMENTS_MAX])
{
	unsigned count = 0, wanted = 1 + pick(variant, BACKEND_SEGMENTS_MAX);
	bool is_aligned = pick(variant, 2);

	while (length_bytes) {
		size_t piece_bytes = length_bytes;

		if (count + 1 < wanted)
			piece_bytes = 1 + pick(variant, (unsigned)(2 * length_bytes / wanted));
		if (is_aligned && piece_bytes > 512)
			piece_bytes &= ~(size_t)511;
		else if (is_aligned)
			piece_bytes = 512;
		if (piece_bytes > length_bytes || count + 1 == BACKEND_SEGMENTS_MAX)
			piece_bytes = length_bytes;
		segments[count++] = (struct iovec){memory, piece_bytes};
		memory += piece_bytes;
		length_bytes -= piece_bytes;
	}
	return count;
}

struct model {
	unsigned char *content;
	unsigned char *buffer;
};

static int run(struct variant *variant, enum backend_operation operation, bool may_unmap,
	uint64_t offset_bytes, uint64_t length_bytes, unsigned char *memory)
{
	struct iovec segments[BACKEND_SEGMENTS_MAX];
	struct testing_request request = {
		.backend =
			{
				.operation = operation,
				.may_unmap = may_unmap,
				.offset_bytes = offset_bytes,
				.length_bytes = length_bytes,
				.segments = segments,
			},
	};

	if (memory)
		request.backend.segment_count = cut(variant, memory, length_bytes, segments);
	testing_submit(variant->sidecore, variant->on, &request);
	return testing_wait(&request);
}

static void one_round(struct variant *variant, struct model *model)
{
	unsigned kind = pick(variant, 8);
	uint64_t length_bytes = 512 * (1 + pick(variant, REQUEST_BYTES_MAX / 512));
	uint64_t offset_bytes =
		512 * (uint64_t)pick(variant, (unsigned)(DISK_BYTES - length_bytes) / 512 + 1);
	unsigned char *memory = model->buffer + pick(variant, 2) * pick(variant, 512);
	unsigned char *content = model->content + offset_bytes;

	if (kind < 3) {
		fill(variant, memory, length_bytes);
		memcpy(content, memory, length_bytes);
		assert_int_equal(
			run(variant, BACKEND_WRITE, false, offset_bytes, length_bytes, memory), 0);
	} else if (kind < 6) {
		memset(memory, 0xee, length_bytes);
		assert_int_equal(
			run(variant, BACKEND_READ, false, offset_bytes, length_bytes, memory), 0);
		assert_memory_equal(memory, content, length_bytes);
	} else if (kind < 7) {
		memset(content, 0, length_bytes);
		assert_int_equal(run(variant, BACKEND_WRITE_ZEROES, pick(variant, 2), offset_bytes,
					 length_bytes, NULL),
			0);
	} else {
		assert_int_equal(run(variant, BACKEND_FLUSH, false, 0, 0, NULL), 0);
	}
}

static void random_requests_of_any_shape_do_what_they_say(void **state)
{
	struct variant *variant = *state;
	struct model model = {
		.content = calloc(1, DISK_BYTES),
		.buffer = aligned_alloc(4096, REQUEST_BYTES_MAX + 4096),
	};

	assert_non_null(model.content);
	assert_non_null(model.buffer);
	for (unsigned round = 0; round < ROUNDS; round++)
		one_round(variant, &model);
	free(model.buffer);
	free(model.content);
}

#define CONCURRENT 96u
#define EACH_BYTES (192u << 10)

/* Many more requests than bounce buffers, each larger than one, and all at odd addresses. */
static void many_misaligned_requests_at_once_all_complete(void **state)
{
	static struct testing_request requests[CONCURRENT];
	static struct iovec segments[CONCURRENT];
	struct variant *variant = *state;
	unsigned char *memory = malloc(CONCURRENT * (EACH_BYTES + 1));

	assert_non_null(memory);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < CONCURRENT; i++) {
			unsigned slot = i % (DISK_BYTES / EACH_BYTES);

			segments[i] = (struct iovec){memory + i * (EACH_BYTES + 1) + 1, EACH_BYTES};
			if (!pass)
				memset(segments[i].iov_base, (int)slot + 1, EACH_BYTES);
			else
				memset(segments[i].iov_base, 0, EACH_BYTES);
			requests[i] = (struct testing_request){
				.backend =
					{
						.operation = pass ? BACKEND_READ : BACKEND_WRITE,
						.offset_bytes = (uint64_t)slot * EACH_BYTES,
						.length_bytes = EACH_BYTES,
						.segments = &segments[i],
						.segment_count = 1,
					},
			};
			testing_submit(variant->sidecore, variant->on, &requests[i]);
		}
		for (unsigned i = 0; i < CONCURRENT; i++)
			assert_int_equal(testing_wait(&requests[i]), 0);
	}
	for (unsigned i = 0; i < CONCURRENT; i++) {
		unsigned char *got = segments[i].iov_base;

		assert_int_equal(got[0], i % (DISK_BYTES / EACH_BYTES) + 1);
		assert_memory_equal(got, got + 1, EACH_BYTES - 1);
	}
	free(memory);
}

static void discards_are_done_and_spare_the_neighbours(void **state)
{
	struct variant *variant = *state;
	unsigned char *memory = aligned_alloc(4096, 1u << 20);
	const uint64_t from_bytes = 100 * 512, length_bytes = 1000 * 512;
	int result;

	assert_non_null(memory);
	memset(memory, 0x5a, 1u << 20);
	assert_int_equal(
		testing_do(variant->sidecore, variant->on, BACKEND_WRITE, 0, memory, 1u << 20), 0);
	result = testing_do(
		variant->sidecore, variant->on, BACKEND_DISCARD, from_bytes, NULL, length_bytes);
	assert_int_equal(result, variant->on->can_discard ? 0 : -EOPNOTSUPP);
	memset(memory, 0, 1u << 20);
	assert_int_equal(
		testing_do(variant->sidecore, variant->on, BACKEND_READ, 0, memory, 1u << 20), 0);
	for (size_t i = 0; i < 1u << 20; i++) {
		if (i < from_bytes || i >= from_bytes + length_bytes)
			assert_int_equal(memory[i], 0x5a);
	}
	free(memory);
}

static void a_read_only_disk_refuses_changes(void **state)
{
	static const enum backend_operation changes[] = {
		BACKEND_WRITE, BACKEND_DISCARD, BACKEND_WRITE_ZEROES};
	struct variant *variant = *state;
	struct backend_options options = options_of(variant);
	char memory[512] = {0};
	struct backend *backend;
	struct error error;

	variant->on->ops->close(variant->on);
	options.is_read_only = true;
	if (backend_find(variant->backend)->open(&options, &backend, &error))
		fail_msg("%s", error.message);
	variant->on = backend;
	assert_true(backend->is_read_only);
	assert_false(backend->can_discard);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
		assert_int_equal(
			testing_do(variant->sidecore, backend, changes[i], 0, memory, 512), -EROFS);
	assert_int_equal(testing_do(variant->sidecore, backend, BACKEND_READ, 0, memory, 512), 0);
	assert_int_equal(testing_do(variant->sidecore, backend, BACKEND_FLUSH, 0, NULL, 0), 0);
}

#define CASES(variant)                                                        \
	CASE(variant, random_requests_of_any_shape_do_what_they_say),         \
		CASE(variant, many_misaligned_requests_at_once_all_complete), \
		CASE(variant, discards_are_done_and_spare_the_neighbours),    \
		CASE(variant, a_read_only_disk_refuses_changes)
#define CASE(variant, function)                                                    \
	{                                                                          \
#function " on " #variant, function, set_up, tear_down, &(variant) \
	}

static struct variant file_with_o_direct = {.backend = "file"};
static struct variant file_in_the_page_cache = {.backend = "file", .use_page_cache = true};
static struct variant file_on_tmpfs = {.backend = "file", .directory = "/dev/shm"};
static struct variant ram = {.backend = "ram"};

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES(file_with_o_direct),
		CASES(file_in_the_page_cache),
		CASES(file_on_tmpfs),
		CASES(ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
