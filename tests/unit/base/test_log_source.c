/* Sources of log lines that may not flood the log. */
#include "../cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* ---- all lines of a process ---- */

static char written[1 << 20];

/* What `write_lines` has the log say. */
static const char *log_of(void (*write_lines)(void))
{
	int memory = memfd_create("log", 0), standard_error = dup(STDERR_FILENO);
	ssize_t length;

	dup2(memory, STDERR_FILENO);
	write_lines();
	dup2(standard_error, STDERR_FILENO);
	length = pread(memory, written, sizeof written - 1, 0);
	assert_true(length >= 0);
	written[length] = 0;
	close(standard_error);
	close(memory);
	return written;
}

static unsigned lines_with(const char *text, const char *word)
{
	unsigned count = 0;

	while ((text = strstr(text, word))) {
		text += strlen(word);
		count++;
	}
	return count;
}

/* Each with a source of its own that is new, as parts that are made anew have them. */
static void write_from_many_sources(void)
{
	log_bound("VM 'web'");
	for (unsigned i = 0; i < 5000; i++) {
		struct log_source source = {.name = "disk 'gold'"};

		log_from(&source, LOG_LEVEL_WARNING, "broken");
		log_info("broken");
	}
	log_bound(NULL);
	log_error("crashed");
}

static void a_process_can_be_bounded_as_a_whole(void **state)
{
	const char *text = log_of(write_from_many_sources);

	/* Twice that many if a minute of the clock's ends meanwhile. */
	assert_in_range(lines_with(text, "broken"), LOG_LINES_PER_MINUTE, 2 * LOG_LINES_PER_MINUTE);
	assert_non_null(strstr(text, "VM 'web': for a minute, more lines are left out\n"));
	assert_int_equal(lines_with(text, "crashed"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_has_so_many_lines_a_minute),
		cmocka_unit_test(what_is_left_out_is_counted),
		cmocka_unit_test(a_process_can_be_bounded_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
