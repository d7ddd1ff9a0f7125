/* What the guest that measures has printed, read. */
#include "../cmocka_all.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/bench/exit_costs.h"

#define TEXT_BYTES 4096u

/* Every line that there must be: so many cycles more for each way, 100 for nothing. */
static void write_all(char text[TEXT_BYTES], unsigned cycles)
{
	size_t used = 0;

	for (unsigned way = 0; way < EXIT_WAY_COUNT; way++) {
		used += (size_t)snprintf(text + used, TEXT_BYTES - used, "bench wait %s %u\n",
			exit_ways[way].name, 100 + way * cycles);
		for (unsigned lap = 0; lap < EXIT_COSTS_LAPS; lap++)
			used += (size_t)snprintf(text + used, TEXT_BYTES - used,
				"bench lap %" PRIu64 " %s %u\n", exit_costs_lap_bytes[lap],
				exit_ways[way].name, 1000 + way * cycles);
	}
}

static void append(char text[TEXT_BYTES], const char *more)
{
	const size_t used = strlen(text);

	snprintf(text + used, TEXT_BYTES - used, "%s", more);
}

static void test_what_measuring_costs_is_taken_off(void **state)
{
	struct exit_costs costs;
	char text[TEXT_BYTES];

	write_all(text, 10);
	assert_int_equal(exit_costs_read(text, &costs, NULL), 0);
	assert_int_equal(costs.wait_cycles[EXIT_WAY_NONE], 0);
	assert_int_equal(costs.wait_cycles[EXIT_WAY_PORT_READ], 10 * EXIT_WAY_PORT_READ);
	assert_int_equal(costs.lost_cycles[1][EXIT_WAY_RING_POST], 10 * EXIT_WAY_RING_POST);
}

static void test_less_than_nothing_is_nothing(void **state)
{
	struct exit_costs costs;
	char text[TEXT_BYTES];

	write_all(text, 0);
	append(text, "bench wait cpuid 1\nbench lap 16384 cpuid 1\n");
	assert_int_equal(exit_costs_read(text, &costs, NULL), 0);
	assert_int_equal(costs.wait_cycles[EXIT_WAY_CPUID], 0);
	assert_int_equal(costs.lost_cycles[0][EXIT_WAY_CPUID], 0);
}

static void test_other_lines_are_left_alone(void **state)
{
	struct exit_costs costs;
	char text[TEXT_BYTES];

	write_all(text, 10);
	append(text,
		"bench wait elsewhere 1\nbench lap 5 cpuid 1\nbench lap\n\nbench wait cpuid\ndone");
	assert_int_equal(exit_costs_read(text, &costs, NULL), 0);
	assert_int_equal(costs.wait_cycles[EXIT_WAY_CPUID], 10);
}

static void assert_refused(const char *text)
{
	struct exit_costs costs;
	struct error error;

	assert_int_equal(exit_costs_read(text, &costs, &error), -EPROTO);
	assert_non_null(strstr(error.message, "could not measure"));
}

static void test_a_guest_that_has_not_measured_everything_is_quoted(void **state)
{
	char text[TEXT_BYTES];

	assert_refused("");
	write_all(text, 10);
	append(text, "FAILED requests were not done\n");
	assert_refused(text);
	write_all(text, 10);
	*strrchr(text, 'b') = 'B'; /* the last line */
	assert_refused(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_measuring_costs_is_taken_off),
		cmocka_unit_test(test_less_than_nothing_is_nothing),
		cmocka_unit_test(test_other_lines_are_left_alone),
		cmocka_unit_test(test_a_guest_that_has_not_measured_everything_is_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
