/* The storage module's commit log, over changes that are only numbers. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit_log.h"
#include "failing_device.h"

#define SEGMENT_BYTES (1u << 20)
#define THREADS 4u
#define RECORDS_PER_THREAD 50u

/* What changes go to: nothing but which they were. */
static struct {
	uint64_t settled; /* the last that is on its device */
	uint64_t last;	  /* the last that was changed */
	unsigned applied; /* again */
	size_t bytes;	  /* of the last of these */
	size_t memory;	  /* that was allocated meanwhile, at most */
	unsigned waits;	  /* how often it was waited for */
	int failure;	  /* of waiting */
} changes;

static char directory[64], path[80];
static struct commit_log commits;
static struct error error;

/* ---- what the log asks for ---- */

static int settle(void *context, enum commit_log_settling how, uint64_t *settled)
{
	if (how == LOG_WAIT) {
		changes.waits++;
		if (changes.failure)
			return changes.failure;
		changes.settled = changes.last;
	}
	*settled = changes.settled;
	return 0;
}

static size_t allocated(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static int apply(void *context, uint64_t number, struct bytes record, struct error *reason)
{
	assert_int_equal(number, changes.last + 1);
	assert_true(record.bytes >= sizeof number);
	assert_memory_equal(record.data, &number, sizeof number);
	changes.last = number;
	changes.applied++;
	changes.bytes = record.bytes;
	if (changes.memory < allocated())
		changes.memory = allocated();
	return 0;
}

static int open_log(void)
{
	const struct commit_log_config config = {.directory = directory,
		.segment_bytes = SEGMENT_BYTES,
		.settle = settle,
		.apply = apply};

	return commit_log_open(&commits, &config, &error);
}

/* As after a crash: what was not on the changes' device is gone. */
static int open_again(void)
{
	changes.last = changes.settled;
	changes.applied = changes.waits = 0;
	return open_log();
}

static void crash(void)
{
	commit_log_close(&commits);
}

static int append(size_t bytes, bool is_durable)
{
	char *data = calloc(1, bytes);
	int failure = commit_log_begin(&commits, bytes, true);

	if (!failure) {
		changes.last = commit_log_number(&commits);
		memcpy(data, &changes.last, sizeof changes.last);
		failure = commit_log_end(
			&commits, (struct bytes){.data = data, .bytes = bytes}, is_durable);
	}
	free(data);
	return failure;
}

static void append_some(unsigned count, size_t bytes)
{
	while (count--)
		assert_int_equal(append(bytes, true), 0);
}

/* ---- the first segment, as a file ---- */

static void read_file(void *data, size_t bytes, off_t offset)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, data, bytes, offset), bytes);
	close(fd);
}

static void write_file(const void *data, size_t bytes, off_t offset)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(pwrite(fd, data, bytes, offset), bytes);
	close(fd);
}

static char *read_whole(size_t *bytes)
{
	struct stat status;
	char *data;

	assert_int_equal(stat(path, &status), 0);
	*bytes = (size_t)status.st_size;
	data = malloc(*bytes);
	assert_non_null(data);
	read_file(data, *bytes, 0);
	return data;
}

static void spoil(off_t offset)
{
	char byte;

	read_file(&byte, 1, offset);
	byte ^= 1;
	write_file(&byte, 1, offset);
}

/* ---- around each test ---- */

static int set_up(void **state)
{
	memset(&changes, 0, sizeof changes);
	snprintf(directory, sizeof directory, "/dev/shm/sluice-commit-log.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/0", directory);
	assert_int_equal(open_log(), 0);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	return system(command); // NOLINT(cert-env33-c): the name is our own
}

/* ---- what comes back ---- */

static void all_that_is_not_settled_comes_back_in_order(void **state)
{
	append_some(5, 100);
	changes.settled = 2;
	crash();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, 3);
	assert_int_equal(changes.last, 5);
	assert_int_equal(changes.settled, 5);
	append_some(1, 100);
	assert_int_equal(changes.last, 6);
	crash();
}

static void what_nobody_waited_for_comes_back_after_a_process_has_died(void **state)
{
	assert_int_equal(append(100, false), 0);
	assert_int_equal(append(100, false), 0);
	assert_int_equal(append(100, true), 0);
	assert_int_equal(append(100, false), 0);
	crash();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, 4);
	crash();
}

static void a_record_larger_than_a_segment_has_one_of_its_own(void **state)
{
	append_some(2, 100);
	append_some(1, 3 * SEGMENT_BYTES);
	append_some(1, 100);
	crash();
	assert_int_equal(open_again(), 0);
	/* When it began, those before it were settled. */
	assert_int_equal(changes.applied, 2);
	assert_int_equal(changes.last, 4);
	crash();
}

static void one_segment_is_in_memory_at_a_time(void **state)
{
	size_t before;

	append_some(15, SEGMENT_BYTES / 6);
	crash();
	before = allocated();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, 15);
	assert_true(changes.memory < before + 2 * SEGMENT_BYTES);
	crash();
}

static void a_segment_that_is_settled_is_not_read(void **state)
{
	append_some(2, 3 * SEGMENT_BYTES);
	crash();
	changes.settled = 1;
	/* Nobody has memory for that. */
	assert_int_equal(truncate(path, (off_t)1 << 48), 0);
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, 1);
	crash();
}

static off_t size_of_all(void)
{
	off_t bytes = 0;
	struct stat status;

	for (unsigned i = 0; i < LOG_SEGMENTS; i++) {
		path[strlen(path) - 1] = (char)('0' + i);
		if (!stat(path, &status))
			bytes += status.st_size;
	}
	return bytes;
}

static void one_segment_is_larger_than_they_are_at_a_time(void **state)
{
	for (unsigned i = 0; i < 5; i++) {
		append_some(1, 4 * SEGMENT_BYTES);
		append_some(1, 100);
		assert_true(size_of_all() <= (off_t)(3 + 5) * SEGMENT_BYTES);
	}
	/* It is cut when the next one begins. */
	changes.settled = changes.last;
	append_some(6, SEGMENT_BYTES / 6);
	assert_true(size_of_all() <= (off_t)LOG_SEGMENTS * SEGMENT_BYTES);
	crash();
}

static void segments_are_used_again_and_what_was_in_them_is_forgotten(void **state)
{
	struct stat status;

	/* Five frames fill a segment: each has been used several times. */
	for (unsigned i = 0; i < 100; i++) {
		append_some(1, SEGMENT_BYTES / 6);
		if (changes.last > 3)
			changes.settled = changes.last - 3;
	}
	assert_int_equal(changes.waits, 0);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_size, SEGMENT_BYTES);
	crash();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.last, 100);
	assert_int_equal(changes.applied, 3);
	crash();
}

static void a_segment_that_is_needed_is_waited_for(void **state)
{
	append_some(30, SEGMENT_BYTES / 6);
	assert_true(changes.waits > 0);
	crash();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.last, 30);
	crash();
}

static void records_have_higher_numbers_than_those_that_are_settled(void **state)
{
	append_some(1, 100);
	crash();
	/* They were on the changes' device before they were in the log. */
	changes.settled = 7;
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, 0);
	append_some(1, 100);
	assert_int_equal(changes.last, 8);
	crash();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, 1);
	crash();
}

/* ---- what is torn, and what is damaged ---- */

static void what_is_torn_at_any_byte_is_left_out_and_nothing_else(void **state)
{
	const size_t used = sizeof(struct log_frame) + sizeof(uint32_t) + 100;
	size_t bytes, begin = 3 * LOG_BLOCK_BYTES;
	char *whole, *torn;

	append_some(2, 100);
	assert_int_equal(append(100, true), 0);
	whole = read_whole(&bytes);
	crash();
	torn = malloc(bytes);
	assert_non_null(torn);
	for (size_t cut = 0; cut < used; cut++) {
		memcpy(torn, whole, bytes);
		memset(torn + begin + cut, 0x5a, used - cut);
		write_file(torn, bytes, 0);
		assert_int_equal(open_again(), 0);
		assert_int_equal(changes.applied, 2);
		/* What comes next takes its number. */
		append_some(1, 100);
		changes.settled = 0;
		crash();
	}
	free(torn);
	free(whole);
}

static void damage_before_what_is_there_is_an_error_that_names_the_file(void **state)
{
	size_t bytes;
	char *whole;

	append_some(3, 100);
	whole = read_whole(&bytes);
	crash();
	for (off_t at = 0; at < (off_t)sizeof(struct log_frame) + 104; at++) {
		write_file(whole, bytes, 0);
		spoil(LOG_BLOCK_BYTES + at);
		assert_int_equal(open_again(), -EBADMSG);
		assert_non_null(strstr(error.message, path));
	}
	free(whole);
}

static void damage_among_what_is_settled_is_none(void **state)
{
	append_some(3, 100);
	crash();
	spoil(LOG_BLOCK_BYTES);
	changes.settled = 3;
	assert_int_equal(open_again(), 0);
	crash();
}

/* Of 0x01 each number that could be a frame's is plausible: its first record, how many they are, and that they are 16 MiB. */
static void what_is_in_rows_costs_no_more_to_read_than_anything_else(void **state)
{
	const struct log_identity identity = {{1}};
	const struct log_head head = log_head_make(&identity, 1);
	const size_t bytes = 64u << 20;
	struct log_reader reader;
	struct bytes record;
	uint64_t number;
	char *segment = malloc(bytes);

	assert_non_null(segment);
	memset(segment, 1, bytes);
	memcpy(segment, &head, sizeof head);
	log_reader_begin(&reader, segment, bytes, &head);
	assert_false(log_reader_next(&reader, &number, &record));
	assert_false(log_reader_is_cut(&reader, 1));
	free(segment);
}

static void of_what_nobody_waited_for_any_part_may_be_lost(void **state)
{
	append_some(1, 100);
	assert_int_equal(append(100, false), 0);
	assert_int_equal(append(100, false), 0);
	crash();
	spoil(2 * LOG_BLOCK_BYTES);
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, 1);
	crash();
}

static void a_head_that_is_damaged_is_an_error(void **state)
{
	append_some(1, 100);
	crash();
	for (off_t at = 0; at < (off_t)sizeof(struct log_head); at++) {
		spoil(at);
		assert_int_equal(open_again(), -EBADMSG);
		assert_non_null(strstr(error.message, path));
		spoil(at);
	}
	assert_int_equal(open_again(), 0);
	crash();
}

static void a_segment_that_is_missing_is_an_error(void **state)
{
	append_some(8, SEGMENT_BYTES / 6);
	crash();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_again(), -EBADMSG);
	assert_non_null(strstr(error.message, directory));
}

static void a_segment_that_was_just_made_is_none(void **state)
{
	const char zeroes[LOG_BLOCK_BYTES] = {0};

	crash();
	write_file(zeroes, sizeof zeroes, 0);
	assert_int_equal(open_again(), 0);
	append_some(1, 100);
	crash();
}

static void a_segment_with_frames_and_no_head_is_damaged(void **state)
{
	const char zeroes[LOG_BLOCK_BYTES] = {0};

	append_some(1, 100);
	crash();
	write_file(zeroes, sizeof zeroes, 0);
	assert_int_equal(open_again(), -EBADMSG);
	assert_non_null(strstr(error.message, path));
}

/* ---- failures ---- */

static void a_full_device_refuses_records_until_there_is_room(void **state)
{
	int failure = 0;

	changes.failure = -ENOSPC;
	for (unsigned i = 0; i < 30 && !failure; i++)
		failure = append(SEGMENT_BYTES / 6, true);
	assert_int_equal(failure, -ENOSPC);
	assert_int_equal(append(SEGMENT_BYTES / 6, true), -ENOSPC);
	changes.failure = 0;
	append_some(20, SEGMENT_BYTES / 6);
	crash();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.last, commit_log_number(&commits) - 1);
	crash();
}

static void a_segment_whose_name_may_be_lost_is_not_used(void **state)
{
	failing_sync = EIO;
	assert_int_equal(append(100, true), -EIO);
	assert_int_equal(append(100, true), -EIO);
	failing_sync = 0;
	append_some(1, 100);
	crash();
}

static void after_a_failed_write_no_record_is_begun(void **state)
{
	append_some(1, 100);
	failing_write = ENOSPC;
	assert_int_equal(append(100, true), -ENOSPC);
	failing_write = 0;
	/* It is not what the next one has failed of. */
	assert_int_equal(append(100, true), -EIO);
	crash();
}

static void a_record_that_is_too_large_is_not_begun(void **state)
{
	assert_int_equal(commit_log_begin(&commits, LOG_RECORD_BYTES_MAX + 1, true), -EMSGSIZE);
	append_some(1, 100);
	assert_int_equal(changes.last, 1);
	crash();
}

static void who_may_not_wait_does_not(void **state)
{
	/* The first segment has to be made. */
	assert_int_equal(commit_log_begin(&commits, 100, false), -EAGAIN);
	append_some(1, 100);
	assert_int_equal(commit_log_begin(&commits, 100, false), 0);
	commit_log_cancel(&commits);
	assert_int_equal(commit_log_begin(&commits, 100, true), 0);
	assert_int_equal(commit_log_begin(&commits, 100, false), -EAGAIN);
	commit_log_cancel(&commits);
	crash();
}

/* ---- several at once ---- */

static void *append_many(void *unused)
{
	for (unsigned i = 0; i < RECORDS_PER_THREAD; i++)
		if (append(200, i % 5 != 0))
			return "a record was refused";
	return NULL;
}

static void records_of_several_threads_all_come_back(void **state)
{
	struct commit_log_counts counts;
	pthread_t threads[THREADS];
	void *complaint;

	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_many, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &complaint), 0);
		assert_null(complaint);
	}
	commit_log_count(&commits, &counts);
	assert_int_equal(counts.records, THREADS * RECORDS_PER_THREAD);
	assert_true(counts.frames <= counts.records);
	crash();
	assert_int_equal(open_again(), 0);
	assert_int_equal(changes.applied, THREADS * RECORDS_PER_THREAD);
	crash();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(all_that_is_not_settled_comes_back_in_order),
		TEST(what_nobody_waited_for_comes_back_after_a_process_has_died),
		TEST(a_record_larger_than_a_segment_has_one_of_its_own),
		TEST(one_segment_is_in_memory_at_a_time),
		TEST(a_segment_that_is_settled_is_not_read),
		TEST(one_segment_is_larger_than_they_are_at_a_time),
		TEST(segments_are_used_again_and_what_was_in_them_is_forgotten),
		TEST(a_segment_that_is_needed_is_waited_for),
		TEST(records_have_higher_numbers_than_those_that_are_settled),
		TEST(what_is_torn_at_any_byte_is_left_out_and_nothing_else),
		TEST(damage_before_what_is_there_is_an_error_that_names_the_file),
		TEST(damage_among_what_is_settled_is_none),
		cmocka_unit_test(what_is_in_rows_costs_no_more_to_read_than_anything_else),
		TEST(of_what_nobody_waited_for_any_part_may_be_lost),
		TEST(a_head_that_is_damaged_is_an_error),
		TEST(a_segment_that_is_missing_is_an_error),
		TEST(a_segment_that_was_just_made_is_none),
		TEST(a_segment_with_frames_and_no_head_is_damaged),
		TEST(a_full_device_refuses_records_until_there_is_room),
		TEST(a_segment_whose_name_may_be_lost_is_not_used),
		TEST(after_a_failed_write_no_record_is_begun),
		TEST(a_record_that_is_too_large_is_not_begun),
		TEST(who_may_not_wait_does_not),
		TEST(records_of_several_threads_all_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
