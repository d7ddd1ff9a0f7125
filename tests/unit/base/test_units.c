#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

static void durations_need_a_unit(void **state)
{
	struct error error;
	uint64_t value;

	assert_int_equal(units_parse_duration_ns("5ms", &value, &error), 0);
	assert_int_equal(value, 5000000);
	assert_int_equal(units_parse_duration_ns("1.5 us", &value, &error), 0);
	assert_int_equal(value, 1500);
	assert_int_equal(units_parse_duration_ns("0", &value, &error), 0);
	assert_int_equal(value, 0);
	assert_int_equal(units_parse_duration_ns("5", &value, &error), -EINVAL);
	assert_non_null(strstr(error.message, "'5' is not a duration; write it like 5ms"));
}

static void sizes_know_binary_and_decimal_units(void **state)
{
	uint64_t value;

	assert_int_equal(units_parse_bytes("64KiB", &value, NULL), 0);
	assert_int_equal(value, 65536);
	assert_int_equal(units_parse_bytes("64kB", &value, NULL), 0);
	assert_int_equal(value, 64000);
	assert_int_equal(units_parse_bytes("1.5GiB", &value, NULL), 0);
	assert_int_equal(value, 3ull << 29);
	assert_int_equal(units_parse_bytes("18446744073709551615", &value, NULL), 0);
	assert_true(value == UINT64_MAX);
}

static void bandwidths_are_bits_and_come_out_as_bytes(void **state)
{
	uint64_t value;

	assert_int_equal(units_parse_bandwidth("1Gbit", &value, NULL), 0);
	assert_int_equal(value, 125000000);
	assert_int_equal(units_parse_bandwidth("2.5 Mbit", &value, NULL), 0);
	assert_int_equal(value, 312500);
	assert_int_equal(units_parse_bandwidth("500", &value, NULL), -EINVAL);
}

static void nonsense_is_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		" ",
		"-1",
		"+1",
		"1e9",
		"0x10",
		"5 5",
		"5msx",
		"ms",
		".5GiB",
		"1.",
		"1..5",
		"nan",
	};
	uint64_t value;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_int_equal(units_parse_bytes(wrong[i], &value, NULL), -EINVAL);
		assert_int_equal(units_parse_duration_ns(wrong[i], &value, NULL), -EINVAL);
		assert_int_equal(units_parse_count(wrong[i], &value, NULL), -EINVAL);
	}
}

static void numbers_too_large_are_out_of_range(void **state)
{
	uint64_t value;

	assert_int_equal(units_parse_bytes("18446744073709551616", &value, NULL), -ERANGE);
	assert_int_equal(units_parse_bytes("16777216TiB", &value, NULL), -ERANGE);
	assert_int_equal(units_parse_bytes("99999999999.5TiB", &value, NULL), -ERANGE);
	assert_int_equal(units_parse_duration_ns("5124096h", &value, NULL), -ERANGE);
}

static void formatting_is_short(void **state)
{
	char text[UNITS_TEXT_BYTES];

	assert_string_equal(units_format_duration(text, 4250000), "4.25ms");
	assert_string_equal(units_format_duration(text, 0), "0ns");
	assert_string_equal(units_format_bytes(text, 65536), "64KiB");
	assert_string_equal(units_format_bytes(text, 1ull << 30), "1GiB");
	assert_string_equal(units_format_bandwidth(text, 60125000), "481Mbit");
	assert_string_equal(units_format_bandwidth(text, 312500000), "2.5Gbit");
	assert_string_equal(units_format_bandwidth(text, 0), "0kbit");
	assert_string_equal(units_format_count(text, 12500), "12.5k");
	assert_string_equal(units_format_count(text, 999), "999");
}

static void what_is_formatted_can_be_parsed(void **state)
{
	char text[UNITS_TEXT_BYTES];
	uint64_t value, back;

	for (value = 1; value < UINT64_MAX / 7; value *= 7) {
		units_format_bytes(text, value);
		assert_int_equal(units_parse_bytes(text, &back, NULL), 0);
		assert_true((double)back > (double)value * 0.99);
		assert_true((double)back < (double)value * 1.01);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_need_a_unit),
		cmocka_unit_test(sizes_know_binary_and_decimal_units),
		cmocka_unit_test(bandwidths_are_bits_and_come_out_as_bytes),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(numbers_too_large_are_out_of_range),
		cmocka_unit_test(formatting_is_short),
		cmocka_unit_test(what_is_formatted_can_be_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
