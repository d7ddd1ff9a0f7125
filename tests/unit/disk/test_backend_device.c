/* The file back end on a block device: a loop device, where the tests may make one. */
#include "backend_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cmocka_all.h"

#define MIB (1u << 20)
#define DEVICE_BYTES (16u * MIB)

struct fixture {
	struct sidecore *sidecore;
	struct backend *backend;
	char directory[PATH_MAX];
	char image[PATH_MAX + 16];
	char device[TESTING_DEVICE_BYTES];
	int image_fd, device_fd;
	unsigned char *memory; /* 1 MiB, page aligned */
	struct error error;
};

static int open_as(struct fixture *fixture, uint64_t size_bytes, struct backend **backend)
{
	struct backend_options options = {
		.path = fixture->device,
		.size_bytes = size_bytes,
		.sidecore = fixture->sidecore,
	};

	*backend = NULL;
	return backend_find("file")->open(&options, backend, &fixture->error);
}

static int set_up_with(void **state, unsigned sector_bytes)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	*state = fixture;
	testing_directory_create(fixture->directory);
	snprintf(fixture->image, sizeof fixture->image, "%s/loop.img", fixture->directory);
	fixture->image_fd = open(fixture->image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fixture->image_fd >= 0);
	assert_int_equal(ftruncate(fixture->image_fd, DEVICE_BYTES), 0);
	fixture->sidecore = testing_sidecore_start();
	fixture->memory = aligned_alloc(4096, MIB);
	assert_non_null(fixture->memory);
	memset(fixture->memory, 0x77, MIB);
	fixture->device_fd = testing_loop_attach(fixture->image_fd, sector_bytes, fixture->device);
	if (fixture->device_fd >= 0 && open_as(fixture, 0, &fixture->backend))
		fail_msg("%s", fixture->error.message);
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 512);
}

static int set_up_4kib(void **state)
{
	return set_up_with(state, 4096);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->backend)
		fixture->backend->ops->close(fixture->backend);
	sidecore_stop(fixture->sidecore);
	testing_loop_detach(fixture->device_fd);
	close(fixture->image_fd);
	testing_directory_remove(fixture->directory);
	free(fixture->memory);
	free(fixture);
	return 0;
}

static int run(struct fixture *fixture, enum backend_operation operation, uint64_t offset_bytes,
	uint64_t length_bytes)
{
	bool has_data = operation == BACKEND_READ || operation == BACKEND_WRITE;

	return testing_do(fixture->sidecore, fixture->backend, operation, offset_bytes,
		has_data ? fixture->memory : NULL, length_bytes);
}

static uint64_t used_bytes(const struct fixture *fixture)
{
	struct stat status;

	assert_int_equal(fstat(fixture->image_fd, &status), 0);
	return (uint64_t)status.st_blocks * 512;
}

static void a_device_has_the_size_it_has(void **state)
{
	struct fixture *fixture = *state;
	struct backend *other;

	if (!fixture->backend)
		skip();
	assert_int_equal(fixture->backend->size_bytes, DEVICE_BYTES);
	fixture->backend->ops->close(fixture->backend);
	fixture->backend = NULL;
	assert_int_equal(open_as(fixture, DEVICE_BYTES + MIB, &other), -EINVAL);
	assert_non_null(strstr(fixture->error.message, "it is a device"));
	assert_int_equal(open_as(fixture, DEVICE_BYTES - MIB, &other), -EINVAL);
}

static void a_device_that_was_resized_is_seen_so(void **state)
{
	struct fixture *fixture = *state;
	const struct backend_ops *ops = backend_find("file");

	if (!fixture->backend)
		skip();
	assert_int_equal(ftruncate(fixture->image_fd, 2 * DEVICE_BYTES), 0);
	assert_int_equal(ioctl(fixture->device_fd, LOOP_SET_CAPACITY, 0), 0);
	assert_int_equal(ops->refresh_size(fixture->backend, 0, &fixture->error), 0);
	assert_int_equal(fixture->backend->size_bytes, 2 * DEVICE_BYTES);
}

static void a_device_is_not_shared(void **state)
{
	struct fixture *fixture = *state;
	struct backend *other;

	if (!fixture->backend)
		skip();
	assert_int_equal(open_as(fixture, 0, &other), -EBUSY);
}

static void a_device_keeps_what_is_written_and_flushed(void **state)
{
	struct fixture *fixture = *state;

	if (!fixture->backend)
		skip();
	assert_int_equal(run(fixture, BACKEND_WRITE, 512, MIB), 0);
	assert_int_equal(run(fixture, BACKEND_FLUSH, 0, 0), 0);
	memset(fixture->memory, 0, MIB);
	assert_int_equal(run(fixture, BACKEND_READ, 512, MIB), 0);
	assert_int_equal(fixture->memory[0], 0x77);
	assert_int_equal(fixture->memory[MIB - 1], 0x77);
}

static void a_device_discards(void **state)
{
	struct fixture *fixture = *state;

	if (!fixture->backend || !fixture->backend->can_discard)
		skip();
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	assert_int_equal(run(fixture, BACKEND_FLUSH, 0, 0), 0);
	assert_true(used_bytes(fixture) >= MIB);
	assert_int_equal(run(fixture, BACKEND_DISCARD, 0, MIB), 0);
	assert_int_equal(run(fixture, BACKEND_FLUSH, 0, 0), 0);
	assert_true(used_bytes(fixture) < MIB);
}

static void a_device_writes_zeroes(void **state)
{
	struct fixture *fixture = *state;

	if (!fixture->backend)
		skip();
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	assert_int_equal(run(fixture, BACKEND_WRITE_ZEROES, 512, MIB - 1024), 0);
	assert_int_equal(run(fixture, BACKEND_READ, 0, MIB), 0);
	assert_int_equal(fixture->memory[511], 0x77);
	assert_int_equal(fixture->memory[512], 0);
	assert_memory_equal(fixture->memory + 512, fixture->memory + 513, MIB - 1025);
	assert_int_equal(fixture->memory[MIB - 512], 0x77);
}

/* The guest learns of them as its physical blocks, and keeps to them. */
static void a_device_with_sectors_of_4_kib_takes_any_request(void **state)
{
	struct fixture *fixture = *state;

	if (!fixture->backend)
		skip();
	assert_int_equal(fixture->backend->block_bytes, 4096);
	assert_int_equal(run(fixture, BACKEND_WRITE, 512, MIB - 1024), 0);
	assert_int_equal(run(fixture, BACKEND_WRITE_ZEROES, 1024, 512), 0);
	assert_int_equal(run(fixture, BACKEND_FLUSH, 0, 0), 0);
	assert_int_equal(run(fixture, BACKEND_READ, 0, MIB), 0);
	assert_int_equal(fixture->memory[511], 0);
	assert_int_equal(fixture->memory[512], 0x77);
	assert_int_equal(fixture->memory[1024], 0);
	assert_int_equal(fixture->memory[1536], 0x77);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_has_the_size_it_has),
		TEST(a_device_that_was_resized_is_seen_so),
		TEST(a_device_is_not_shared),
		TEST(a_device_keeps_what_is_written_and_flushed),
		TEST(a_device_discards),
		TEST(a_device_writes_zeroes),
		cmocka_unit_test_setup_teardown(
			a_device_with_sectors_of_4_kib_takes_any_request, set_up_4kib, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
