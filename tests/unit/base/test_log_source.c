/* Sources of log lines that may not flood the log. */
#include "../cmocka_all.h"

#include "base/clock.h"
#include "base/log_source.h"

#define START_NS (3600 * NS_PER_S)

static unsigned admitted(struct log_source *source, uint64_t now_ns, unsigned tries)
{
	unsigned count = 0;

	while (tries--)
		count += log_source_admits(source, now_ns);
	return count;
}

static void a_source_has_so_many_lines_a_minute(void **state)
{
	struct log_source source = {.name = "disk 'gold'"};

	assert_int_equal(admitted(&source, START_NS, 5), 5);
	assert_int_equal(
		admitted(&source, START_NS + 59 * NS_PER_S, 1000), LOG_SOURCE_LINES_PER_MINUTE - 5);
	assert_int_equal(
		admitted(&source, START_NS + 60 * NS_PER_S, 1000), LOG_SOURCE_LINES_PER_MINUTE);
}

static void what_is_left_out_is_counted(void **state)
{
	struct log_source source = {.name = "disk 'gold'"};

	admitted(&source, START_NS, LOG_SOURCE_LINES_PER_MINUTE + 70);
	assert_int_equal(source.left_out, 70);
	assert_true(log_source_admits(&source, START_NS + 61 * NS_PER_S));
	assert_int_equal(source.left_out, 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_so_many_lines_a_minute),
		cmocka_unit_test(what_is_left_out_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
