/* Segments of the storage module's commit log that are torn, damaged or missing. */
#include "commit_log_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
		assert_non_null(strstr(reason.message, path));
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
		assert_non_null(strstr(reason.message, path));
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
	assert_non_null(strstr(reason.message, directory));
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
	assert_non_null(strstr(reason.message, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		COMMIT_LOG_TEST(what_is_torn_at_any_byte_is_left_out_and_nothing_else),
		COMMIT_LOG_TEST(damage_before_what_is_there_is_an_error_that_names_the_file),
		COMMIT_LOG_TEST(damage_among_what_is_settled_is_none),
		cmocka_unit_test(what_is_in_rows_costs_no_more_to_read_than_anything_else),
		COMMIT_LOG_TEST(of_what_nobody_waited_for_any_part_may_be_lost),
		COMMIT_LOG_TEST(a_head_that_is_damaged_is_an_error),
		COMMIT_LOG_TEST(a_segment_that_is_missing_is_an_error),
		COMMIT_LOG_TEST(a_segment_that_was_just_made_is_none),
		COMMIT_LOG_TEST(a_segment_with_frames_and_no_head_is_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
