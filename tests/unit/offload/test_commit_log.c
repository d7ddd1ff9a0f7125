/* The storage module's commit log: what comes back, and what it does when it cannot write. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit_log_fixture.h"
#include "failing_device.h"

#define THREADS 4u
#define RECORDS_PER_THREAD 50u

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
		COMMIT_LOG_TEST(all_that_is_not_settled_comes_back_in_order),
		COMMIT_LOG_TEST(what_nobody_waited_for_comes_back_after_a_process_has_died),
		COMMIT_LOG_TEST(a_record_larger_than_a_segment_has_one_of_its_own),
		COMMIT_LOG_TEST(one_segment_is_in_memory_at_a_time),
		COMMIT_LOG_TEST(a_segment_that_is_settled_is_not_read),
		COMMIT_LOG_TEST(one_segment_is_larger_than_they_are_at_a_time),
		COMMIT_LOG_TEST(segments_are_used_again_and_what_was_in_them_is_forgotten),
		COMMIT_LOG_TEST(a_segment_that_is_needed_is_waited_for),
		COMMIT_LOG_TEST(records_have_higher_numbers_than_those_that_are_settled),
		COMMIT_LOG_TEST(a_full_device_refuses_records_until_there_is_room),
		COMMIT_LOG_TEST(a_segment_whose_name_may_be_lost_is_not_used),
		COMMIT_LOG_TEST(after_a_failed_write_no_record_is_begun),
		COMMIT_LOG_TEST(a_record_that_is_too_large_is_not_begun),
		COMMIT_LOG_TEST(who_may_not_wait_does_not),
		COMMIT_LOG_TEST(records_of_several_threads_all_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
