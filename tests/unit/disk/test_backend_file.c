/* What is the file back end's own: sizes, locks, space, and files that change behind its back. */
#include "backend_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../cmocka_all.h"

#define MIB (1u << 20)

struct fixture {
	struct sidecore *sidecore;
	struct backend *backend;
	char directory[PATH_MAX];
	char image[PATH_MAX + 16];
	struct error error;
	bool is_mounted;
	unsigned char *memory; /* 1 MiB, page aligned */
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	assert_non_null(fixture);
	testing_directory_create(fixture->directory);
	snprintf(fixture->image, sizeof fixture->image, "%s/disk.img", fixture->directory);
	fixture->sidecore = testing_sidecore_start();
	fixture->memory = aligned_alloc(4096, MIB);
	assert_non_null(fixture->memory);
	memset(fixture->memory, 0x77, MIB);
	*state = fixture;
	return 0;
}

static void close_disk(struct fixture *fixture)
{
	if (fixture->backend)
		fixture->backend->ops->close(fixture->backend);
	fixture->backend = NULL;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close_disk(fixture);
	sidecore_stop(fixture->sidecore);
	if (fixture->is_mounted)
		umount2(fixture->directory, MNT_DETACH);
	testing_directory_remove(fixture->directory);
	free(fixture->memory);
	free(fixture);
	return 0;
}

static int open_as(
	struct fixture *fixture, uint64_t size_bytes, bool is_read_only, struct backend **backend)
{
	struct backend_options options = {
		.path = fixture->image,
		.size_bytes = size_bytes,
		.is_read_only = is_read_only,
		.sidecore = fixture->sidecore,
	};

	*backend = NULL;
	return backend_find("file")->open(&options, backend, &fixture->error);
}

static void open_disk(struct fixture *fixture, uint64_t size_bytes)
{
	if (open_as(fixture, size_bytes, false, &fixture->backend))
		fail_msg("%s", fixture->error.message);
}

static void mount_or_skip(struct fixture *fixture, const char *type, const char *options)
{
	if (geteuid() || mount("none", fixture->directory, type, 0, options))
		skip();
	fixture->is_mounted = true;
}

static int run(struct fixture *fixture, enum backend_operation operation, uint64_t offset_bytes,
	uint64_t length_bytes)
{
	bool has_data = operation == BACKEND_READ || operation == BACKEND_WRITE;

	return testing_do(fixture->sidecore, fixture->backend, operation, offset_bytes,
		has_data ? fixture->memory : NULL, length_bytes);
}

static struct stat image_status(const struct fixture *fixture)
{
	struct stat status;

	assert_int_equal(stat(fixture->image, &status), 0);
	return status;
}

static void assert_error_says(const struct fixture *fixture, const char *text)
{
	if (!strstr(fixture->error.message, text))
		fail_msg("'%s' does not say '%s'", fixture->error.message, text);
}

static void a_new_image_is_sparse_and_private(void **state)
{
	struct fixture *fixture = *state;

	open_disk(fixture, 64 * MIB);
	assert_int_equal(fixture->backend->size_bytes, 64 * MIB);
	assert_int_equal(image_status(fixture).st_size, 64 * MIB);
	assert_int_equal(image_status(fixture).st_blocks, 0);
	assert_int_equal(image_status(fixture).st_mode & 0777, 0600);
}

static void an_image_that_is_missing_needs_a_size(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(open_as(fixture, 0, false, &fixture->backend), -ENOENT);
	assert_error_says(fixture, "give the disk a size to create it");
	assert_int_equal(open_as(fixture, MIB, true, &fixture->backend), -ENOENT);
	assert_int_equal(access(fixture->image, F_OK), -1);
}

static void a_larger_size_lets_the_image_grow_and_keeps_its_content(void **state)
{
	struct fixture *fixture = *state;

	open_disk(fixture, MIB);
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	close_disk(fixture);
	open_disk(fixture, 2 * MIB);
	assert_int_equal(image_status(fixture).st_size, 2 * MIB);
	assert_int_equal(run(fixture, BACKEND_READ, 0, MIB), 0);
	assert_int_equal(fixture->memory[0], 0x77);
	assert_int_equal(fixture->memory[MIB - 1], 0x77);
}

static void a_smaller_size_is_an_error_that_names_both(void **state)
{
	struct fixture *fixture = *state;

	open_disk(fixture, 2 * MIB);
	close_disk(fixture);
	assert_int_equal(open_as(fixture, MIB, false, &fixture->backend), -EINVAL);
	assert_error_says(fixture, "2MiB (2097152 bytes)");
	assert_error_says(fixture, "1MiB (1048576 bytes)");
	assert_int_equal(image_status(fixture).st_size, 2 * MIB);
}

static void an_image_of_an_odd_size_is_an_error_with_the_mend(void **state)
{
	struct fixture *fixture = *state;

	open_disk(fixture, MIB);
	close_disk(fixture);
	assert_int_equal(truncate(fixture->image, 1000), 0);
	assert_int_equal(open_as(fixture, 0, false, &fixture->backend), -EINVAL);
	assert_error_says(fixture, "truncate -s %512");
}

static void a_size_that_cannot_be_had_leaves_no_file_behind(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(open_as(fixture, 1ull << 62, false, &fixture->backend), -EFBIG);
	assert_int_equal(access(fixture->image, F_OK), -1);
}

static void refreshing_grows_and_finds_what_has_grown(void **state)
{
	struct fixture *fixture = *state;
	const struct backend_ops *ops = backend_find("file");

	open_disk(fixture, MIB);
	assert_int_equal(ops->refresh_size(fixture->backend, 2 * MIB, &fixture->error), 0);
	assert_int_equal(fixture->backend->size_bytes, 2 * MIB);
	assert_int_equal(run(fixture, BACKEND_WRITE, MIB, MIB), 0);
	assert_int_equal(ops->refresh_size(fixture->backend, MIB, &fixture->error), -EINVAL);
	assert_int_equal(fixture->backend->size_bytes, 2 * MIB);
	assert_int_equal(truncate(fixture->image, 3 * MIB), 0);
	assert_int_equal(ops->refresh_size(fixture->backend, 0, &fixture->error), 0);
	assert_int_equal(fixture->backend->size_bytes, 3 * MIB);
}

static void two_disks_do_not_share_a_writable_image(void **state)
{
	struct fixture *fixture = *state;
	struct backend *second;

	open_disk(fixture, MIB);
	assert_int_equal(open_as(fixture, 0, false, &second), -EBUSY);
	assert_error_says(fixture, "in use by another disk here");
	assert_int_equal(open_as(fixture, 0, true, &second), -EBUSY);
}

static void read_only_disks_share_an_image(void **state)
{
	struct fixture *fixture = *state;
	struct backend *second;

	open_disk(fixture, MIB);
	close_disk(fixture);
	assert_int_equal(open_as(fixture, 0, true, &fixture->backend), 0);
	assert_int_equal(open_as(fixture, 0, true, &second), 0);
	second->ops->close(second);
}

/* A daemon with writes in flight, to be killed. */
static void serve_for_ever(struct fixture *fixture, int ready_fd)
{
	static struct testing_request requests[64];
	struct iovec segment = {fixture->memory, MIB};

	fixture->sidecore = testing_sidecore_start();
	if (open_as(fixture, 64 * MIB, false, &fixture->backend))
		_exit(1);
	for (;;) {
		for (unsigned i = 0; i < 64; i++) {
			requests[i].backend = (struct backend_request){
				.operation = BACKEND_WRITE,
				.offset_bytes = i * (uint64_t)MIB,
				.length_bytes = MIB,
				.segments = &segment,
				.segment_count = 1,
			};
			testing_submit(fixture->sidecore, fixture->backend, &requests[i]);
		}
		if (write(ready_fd, "r", 1) != 1)
			_exit(1);
		for (unsigned i = 0; i < 64; i++)
			testing_wait(&requests[i]);
	}
}

static void a_killed_daemons_successor_gets_the_lock(void **state)
{
	struct fixture *fixture = *state;
	int ready[2], status;
	char byte;
	pid_t child;

	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		serve_for_ever(fixture, ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	open_disk(fixture, 64 * MIB);
	assert_int_equal(run(fixture, BACKEND_READ, 0, MIB), 0);
	close(ready[0]);
	close(ready[1]);
}

static void discard_and_unmapping_zeroes_free_space(void **state)
{
	struct fixture *fixture = *state;
	struct testing_request zeroes = {
		.backend =
			{
				.operation = BACKEND_WRITE_ZEROES,
				.may_unmap = true,
				.length_bytes = MIB,
			},
	};

	open_disk(fixture, MIB);
	if (!fixture->backend->can_discard)
		skip();
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	assert_int_equal(run(fixture, BACKEND_FLUSH, 0, 0), 0);
	assert_true(image_status(fixture).st_blocks >= MIB / 512);
	assert_int_equal(run(fixture, BACKEND_DISCARD, 0, MIB), 0);
	assert_int_equal(image_status(fixture).st_blocks, 0);
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	testing_submit(fixture->sidecore, fixture->backend, &zeroes);
	assert_int_equal(testing_wait(&zeroes), 0);
	assert_int_equal(image_status(fixture).st_blocks, 0);
}

static void zeroes_that_must_not_unmap_keep_space(void **state)
{
	struct fixture *fixture = *state;

	open_disk(fixture, MIB);
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	assert_int_equal(run(fixture, BACKEND_WRITE_ZEROES, 0, MIB), 0);
	assert_true(image_status(fixture).st_blocks >= MIB / 512);
	assert_int_equal(run(fixture, BACKEND_READ, 0, MIB), 0);
	assert_int_equal(fixture->memory[0], 0);
	assert_memory_equal(fixture->memory, fixture->memory + 1, MIB - 1);
}

static void reads_behind_a_file_cut_off_under_us_are_errors(void **state)
{
	struct fixture *fixture = *state;

	open_disk(fixture, MIB);
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	assert_int_equal(truncate(fixture->image, 65536 + 100), 0);
	assert_int_equal(run(fixture, BACKEND_READ, 512 * 1024, 4096), -EIO);
	assert_int_equal(run(fixture, BACKEND_READ, 0, MIB), -EIO);
	assert_int_equal(run(fixture, BACKEND_READ, 65536, 512), -EIO);
	assert_int_equal(run(fixture, BACKEND_READ, 0, 65536), 0);
}

static void a_full_file_system_is_reported_as_such(void **state)
{
	struct fixture *fixture = *state;

	mount_or_skip(fixture, "tmpfs", "size=1m");
	open_disk(fixture, 4 * MIB);
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB / 2), 0);
	/* Half of it fits: the write is short, and what follows fails. */
	assert_int_equal(run(fixture, BACKEND_WRITE, MIB, MIB), -ENOSPC);
	close_disk(fixture);
}

/* ramfs has no fallocate. */
static void zeroes_are_written_where_nothing_else_works(void **state)
{
	struct fixture *fixture = *state;

	mount_or_skip(fixture, "ramfs", NULL);
	open_disk(fixture, MIB);
	assert_false(fixture->backend->can_discard);
	assert_int_equal(run(fixture, BACKEND_WRITE, 0, MIB), 0);
	assert_int_equal(run(fixture, BACKEND_DISCARD, 0, MIB), -EOPNOTSUPP);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(run(fixture, BACKEND_WRITE_ZEROES, 512, MIB - 1024), 0);
	assert_int_equal(run(fixture, BACKEND_READ, 0, MIB), 0);
	assert_int_equal(fixture->memory[511], 0x77);
	for (unsigned i = 512; i < MIB - 512; i++)
		assert_int_equal(fixture->memory[i], 0);
	assert_int_equal(fixture->memory[MIB - 512], 0x77);
	close_disk(fixture);
}

#define HUGE_SEGMENT_BYTES (17ull * MIB)
#define HUGE_BYTES (HUGE_SEGMENT_BYTES * BACKEND_SEGMENTS_MAX)

/* More than the kernel moves at a time, of a file that is one hole but for its last block. */
static void a_transfer_of_more_than_2_gib_is_continued(void **state)
{
	struct fixture *fixture = *state;
	struct iovec segments[BACKEND_SEGMENTS_MAX];
	struct testing_request request = {
		.backend =
			{
				.operation = BACKEND_READ,
				.length_bytes = HUGE_BYTES,
				.segments = segments,
				.segment_count = BACKEND_SEGMENTS_MAX,
			},
	};
	unsigned char *memory = aligned_alloc(4096, 2 * HUGE_SEGMENT_BYTES);
	unsigned char *last = memory + HUGE_SEGMENT_BYTES;

	assert_non_null(memory);
	open_disk(fixture, HUGE_BYTES);
	if (!fixture->backend->is_direct) {
		free(memory);
		skip();
	}
	assert_int_equal(run(fixture, BACKEND_WRITE, HUGE_BYTES - 512, 512), 0);
	for (unsigned i = 0; i < BACKEND_SEGMENTS_MAX; i++)
		segments[i] = (struct iovec){memory, HUGE_SEGMENT_BYTES};
	segments[BACKEND_SEGMENTS_MAX - 1].iov_base = last;
	memset(memory, 0xee, 2 * HUGE_SEGMENT_BYTES);
	testing_submit(fixture->sidecore, fixture->backend, &request);
	assert_int_equal(testing_wait(&request), 0);
	assert_int_equal(last[0], 0);
	assert_int_equal(last[HUGE_SEGMENT_BYTES - 513], 0);
	assert_int_equal(last[HUGE_SEGMENT_BYTES - 512], 0x77);
	assert_int_equal(last[HUGE_SEGMENT_BYTES - 1], 0x77);
	free(memory);
}

static void what_is_not_an_image_is_refused(void **state)
{
	struct fixture *fixture = *state;

	snprintf(fixture->image, sizeof fixture->image, "/dev/null");
	assert_int_equal(open_as(fixture, MIB, false, &fixture->backend), -EINVAL);
	assert_error_says(fixture, "neither a regular file nor a block device");
	snprintf(fixture->image, sizeof fixture->image, "/var");
	assert_int_equal(open_as(fixture, 0, true, &fixture->backend), -EINVAL);
}

static void disks_use_a_registered_file_table_again(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < 20; i++) {
		open_disk(fixture, MIB);
		assert_int_equal(run(fixture, BACKEND_WRITE, 0, 4096), 0);
		close_disk(fixture);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_image_is_sparse_and_private),
		TEST(an_image_that_is_missing_needs_a_size),
		TEST(a_larger_size_lets_the_image_grow_and_keeps_its_content),
		TEST(a_smaller_size_is_an_error_that_names_both),
		TEST(an_image_of_an_odd_size_is_an_error_with_the_mend),
		TEST(a_size_that_cannot_be_had_leaves_no_file_behind),
		TEST(refreshing_grows_and_finds_what_has_grown),
		TEST(two_disks_do_not_share_a_writable_image),
		TEST(read_only_disks_share_an_image),
		TEST(a_killed_daemons_successor_gets_the_lock),
		TEST(discard_and_unmapping_zeroes_free_space),
		TEST(zeroes_that_must_not_unmap_keep_space),
		TEST(reads_behind_a_file_cut_off_under_us_are_errors),
		TEST(a_full_file_system_is_reported_as_such),
		TEST(zeroes_are_written_where_nothing_else_works),
		TEST(a_transfer_of_more_than_2_gib_is_continued),
		TEST(what_is_not_an_image_is_refused),
		TEST(disks_use_a_registered_file_table_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
