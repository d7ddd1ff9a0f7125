/* Every kind of mistake in sluice.yaml, and exactly what is said about it. */
#include "../cmocka_all.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/configuration/configuration.h"

/* What `sluiced --check` prints for a text; to be freed. */
static char *complaint(const char *text, size_t length)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;
	char *printed;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	configuration_load(text, length, &configuration, problems);
	problems_print(problems, "sluice.yaml", to);
	fclose(to);
	assert_true((configuration != NULL) == (problems->count == 0));
	configuration_free(configuration);
	free(problems);
	return printed;
}

static void expect(const char *text, const char *expected)
{
	char *printed = complaint(text, strlen(text));

	assert_string_equal(printed, expected);
	free(printed);
}

#define POOL "pools:\n- name: fast\n  backend: ram\n  capacity: 20000\n" /* 4 lines */

static void a_good_configuration_has_no_problems(void **state)
{
	expect(POOL "disks:\n- {name: gold, size: 1GiB}\n", "");
}

static void an_empty_text_is_refused(void **state)
{
	expect("", "sluice.yaml:1:1: is empty; see sluice.yaml(5) for an example\n");
	expect("# nothing\n", "sluice.yaml:1:1: is empty; see sluice.yaml(5) for an example\n");
}

static void a_syntax_error_names_its_line(void **state)
{
	expect("pools:\n\t- name: fast\n",
		"sluice.yaml:2:1: not YAML: found character that cannot start any token, while "
		"scanning for the next token from line 2 on; quote the text, and indent with "
		"spaces, not tabs\n");
	expect("pools: [{name: fast}\ndisks: []\n",
		"sluice.yaml:2:1: not YAML: did not find expected ',' or ']', while parsing a flow "
		"sequence from line 1 on; close the [ ... ]\n");
}

static void text_that_is_not_utf8_is_refused(void **state)
{
	expect("control: {group: \xff}\n",
		"sluice.yaml: not UTF-8 text: invalid leading UTF-8 octet at byte 17\n");
}

static void a_second_document_is_refused(void **state)
{
	expect("pools: []\n---\npools: []\n",
		"sluice.yaml:3:1: a second document begins here; remove the '---' before it\n");
}

static void where_metrics_are_served_is_an_address_and_a_port(void **state)
{
	static const char *const good[] = {"127.0.0.1:9157", "0.0.0.0:1", "'[::1]:65535'"};
	static const char *const wrong[] = {"127.0.0.1", "':9157'", "'127.0.0.1:'", "127.0.0.1:0",
		"127.0.0.1:65536", "127.0.0.1:+1", "127.0.0.1:80x", "'::1:9157'", "'[]:9157'",
		"'[127.0.0.1]:9157'", "localhost:9157", "9157"};
	char text[128], expected[256];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		snprintf(text, sizeof text, "control: {metrics: %s}\n", good[i]);
		expect(text, "");
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		bool is_quoted = *wrong[i] == '\'';

		snprintf(text, sizeof text, "control: {metrics: %s}\n", wrong[i]);
		snprintf(expected, sizeof expected,
			"sluice.yaml:1:20: control.metrics: %s%s%s is not an address and a port; "
			"write it like 127.0.0.1:9157 or [::1]:9157\n",
			is_quoted ? "" : "'", wrong[i], is_quoted ? "" : "'");
		expect(text, expected);
	}
}

static void an_unknown_key_suggests_the_nearest(void **state)
{
	expect("pools:\n- name: fast\n  backend: ram\n  capcity: 5\n",
		"sluice.yaml:4:12: pools[0].capcity: unknown key; did you mean 'capacity'?\n");
}

static void an_unknown_key_far_from_all_lists_them(void **state)
{
	expect("control: {xyzzy: 1}\n",
		"sluice.yaml:1:18: control.xyzzy: unknown key; the keys here are socket, group, "
		"metrics\n");
}

static void a_missing_key_names_its_entry(void **state)
{
	expect("pools:\n- backend: ram\n",
		"sluice.yaml:2:3: pools[0]: 'name' is missing; add 'name: ...'\n");
}

static void a_doubled_key_is_refused(void **state)
{
	expect("pools:\n- name: fast\n  backend: ram\n  name: slow\n",
		"sluice.yaml:4:3: pools[0].name: given twice; remove one\n");
}

static void a_wrong_type_says_what_is_wanted(void **state)
{
	expect("pools: fast\n",
		"sluice.yaml:1:8: pools: is a single value; it must be a list (- entry)\n");
	expect("pools: [fast]\n", "sluice.yaml:1:9: pools[0]: is a single value; it must be a "
				  "mapping (key: value)\n");
	expect("- 1\n", "sluice.yaml:1:1: is a list; it must be a mapping (key: value)\n");
	expect("pools:\n- name: [a]\n  backend: ram\n",
		"sluice.yaml:2:9: pools[0].name: is a list; it must be a single value\n");
}

static void an_empty_value_is_refused(void **state)
{
	expect("pools:\n", "sluice.yaml:1:7: pools: is empty; it must be a list (- entry)\n");
	expect("pools:\n- name:\n  backend: ram\n",
		"sluice.yaml:2:8: pools[0].name: is empty; give it a value or remove the key\n");
}

static void a_truth_value_is_not_just_any_word(void **state)
{
	expect(POOL "  enforce: ture\n",
		"sluice.yaml:5:12: pools[0].enforce: 'ture' is neither true nor false\n");
}

static void a_number_is_whole_and_fits(void **state)
{
	expect(POOL "  in_flight: many\n", "sluice.yaml:5:14: pools[0].in_flight: 'many' is not a "
					   "whole number; write it like 4\n");
	expect(POOL "  in_flight: -1\n", "sluice.yaml:5:14: pools[0].in_flight: '-1' is not a "
					 "whole number; write it like 4\n");
	expect(POOL "  in_flight: 010\n", "sluice.yaml:5:14: pools[0].in_flight: '010' is not a "
					  "whole number; write it like 4\n");
	expect(POOL "  in_flight: 4294967296\n", "sluice.yaml:5:14: pools[0].in_flight: "
						 "'4294967296' is too large; at most 4294967295 "
						 "is possible\n");
}

static void a_bad_unit_shows_a_good_one(void **state)
{
	expect(POOL "disks:\n- name: gold\n  size: 1GiB\n  slo:\n    tiers:\n"
		    "    - {burst: 64, rate: 2000, within: 5}\n",
		"sluice.yaml:10:39: disks[0].slo.tiers[0].within: '5' is not a duration; write it "
		"like 5ms (ns, us, ms, s, min, h)\n");
	expect(POOL "disks:\n- name: gold\n  size: 1Gb\n",
		"sluice.yaml:7:9: disks[0].size: '1Gb' is not a size; write it like 64KiB (B, KiB, "
		"MiB, GiB, TiB)\n");
}

static void values_out_of_range_name_the_range(void **state)
{
	expect(POOL "disks:\n- {name: gold, size: 1GiB, queues: 65}\n",
		"sluice.yaml:6:36: disks[0].queues: 65 is out of range; it must be from 1 to 64\n");
	expect(POOL "disks:\n- {name: gold, size: 1GiB, slo: {weight: 0}}\n",
		"sluice.yaml:6:42: disks[0].slo.weight: 0 is out of range; it must be from 1 to "
		"10000\n");
	expect(POOL "disks:\n- {name: gold, size: 1000}\n",
		"sluice.yaml:6:22: disks[0].size: '1000' is not a multiple of 512 bytes\n");
	expect(POOL "disks:\n- {name: gold, size: 0}\n",
		"sluice.yaml:6:22: disks[0].size: must not be 0; remove the key to take the size "
		"of "
		"the image\n");
	expect(POOL "disks:\n- {name: gold, size: 1GiB, serial: 123456789012345678901}\n",
		"sluice.yaml:6:36: disks[0].serial: is 21 bytes long; at most 20 are possible\n");
}

static void too_many_tiers_are_refused(void **state)
{
	expect(POOL "disks:\n- name: gold\n  size: 1GiB\n  slo:\n"
		    "    tiers: [{}, {}, {}, {}, {}, {}, {}, {}, {}]\n",
		"sluice.yaml:9:12: disks[0].slo.tiers: 9 entries are too many; at most 8 are "
		"possible\n");
}

static void a_name_must_be_fit_for_a_file_name(void **state)
{
	expect(POOL "disks:\n- {name: ../gold, size: 1GiB}\n",
		"sluice.yaml:6:10: disks[0].name: '../gold' is not a name; use letters, digits, "
		"'.', "
		"'_' and '-', a letter or digit first\n");
}

static void doubled_names_are_refused(void **state)
{
	expect(POOL "disks:\n- {name: gold, size: 1GiB}\n- {name: gold, size: 1GiB}\n",
		"sluice.yaml:7:10: disks[1].name: 'gold' is taken by disks[0]; choose another "
		"name\n");
	expect("sidecores: [{name: io0}, {name: io0}]\n",
		"sluice.yaml:1:33: sidecores[1].name: 'io0' is taken by sidecores[0]; choose "
		"another "
		"name\n");
}

static void doubled_sockets_and_images_are_refused(void **state)
{
	expect(POOL "disks:\n- {name: a, size: 1GiB, socket: /x}\n- {name: b, size: 1GiB, socket: "
		    "/x}\n",
		"sluice.yaml:7:33: disks[1].socket: '/x' is taken by disks[0]; choose another "
		"path\n");
	expect("pools: [{name: fast, path: /p}]\ndisks:\n- {name: a}\n- {name: b, image: a.img}\n",
		"sluice.yaml:4:20: disks[1].image: '/p/a.img' is taken by disks[0]; give each disk "
		"its "
		"own, or make both read_only\n");
}

static void a_dangling_reference_lists_what_exists(void **state)
{
	expect(POOL "disks:\n- {name: gold, pool: fats, size: 1GiB}\n",
		"sluice.yaml:6:22: disks[0].pool: there is no pool 'fats'; there is: fast; did you "
		"mean 'fast'?\n");
	expect("sidecores: [{name: io0}, {name: io1}]\n" POOL "  sidecore: xyz\n",
		"sluice.yaml:6:13: pools[0].sidecore: there is no sidecore 'xyz'; there is: io0, "
		"io1\n");
	expect("disks: [{name: gold}]\n",
		"sluice.yaml:1:9: disks[0]: 'pool' is missing; say which pool: none\n");
}

static void a_choice_between_two_must_be_made(void **state)
{
	expect("pools: [{name: a, backend: ram}, {name: b, backend: ram}]\n"
	       "disks: [{name: gold, size: 1GiB}]\n",
		"sluice.yaml:2:9: disks[0]: 'pool' is missing; say which pool: a, b\n");
}

static void an_unknown_back_end_lists_those_there_are(void **state)
{
	expect("pools: [{name: fast, backend: flie}]\n",
		"sluice.yaml:1:31: pools[0].backend: 'flie' is not a back end; there are file, ram "
		"and "
		"null; did you mean 'file'?\n");
}

static void a_pool_of_files_needs_a_path(void **state)
{
	expect("pools: [{name: fast}]\n", "sluice.yaml:1:9: pools[0]: 'path' is missing; add the "
					  "directory of the images, or a "
					  "block device\n");
	expect("pools: [{name: fast, path: images}]\n",
		"sluice.yaml:1:28: pools[0].path: 'images' is relative; write the whole path, from "
		"/\n");
}

static void a_disk_in_memory_needs_a_size(void **state)
{
	expect(POOL "disks:\n- {name: gold}\n",
		"sluice.yaml:6:3: disks[0]: 'size' is missing; a disk on back end ram needs one\n");
}

static void tiers_that_do_not_nest_name_the_tier(void **state)
{
	static const char text[] = POOL "disks:\n- name: gold\n  size: 1GiB\n  slo:\n    tiers:\n"
					"    - {burst: 64, rate: 2000, within: 5ms}\n"
					"    - {burst: 32, rate: 2000, within: 50ms}\n";
	char *printed = complaint(text, sizeof text - 1);

	assert_ptr_equal(
		strstr(printed, "sluice.yaml:11:7: disks[0].slo.tiers[1]: tier 2: burst 32"),
		printed);
	free(printed);
}

static void tiers_need_a_capacity(void **state)
{
	expect("pools:\n- {name: fast, backend: ram}\ndisks:\n- name: gold\n  size: 1GiB\n"
	       "  slo: {tiers: [{burst: 1, rate: 10, within: 50ms}]}\n",
		"sluice.yaml:2:3: pools[0]: 'capacity' is missing; disks and modules with tiers "
		"need it: add "
		"'capacity: UNITS' (per second)\n");
}

static void a_promise_below_the_latency_of_the_device_is_refused(void **state)
{
	expect(POOL "  latency: 2ms\n  largest_request: 64KiB\n"
		    "disks:\n- name: gold\n  size: 1GiB\n  slo:\n    tiers:\n"
		    "    - {burst: 10, rate: 100, within: 3ms}\n",
		"sluice.yaml:12:38: disks[0].slo.tiers[0].within: tier 1: within 3ms is too short "
		"for a device with a latency of 2ms, which counts twice; allow 4900us or more\n");
}

static void in_flight_must_cover_the_latency(void **state)
{
	expect(POOL "  latency: 1ms\n  largest_request: 64KiB\n  in_flight: 16\n",
		"sluice.yaml:7:14: pools[0].in_flight: 16 units are too few for 'capacity' at "
		"this 'latency'; allow 28 or more\n");
}

static void promises_beyond_the_capacity_are_refused(void **state)
{
	static const char text[] = POOL "disks:\n- name: gold\n  size: 1GiB\n"
					"  slo: {tiers: [{burst: 1, rate: 30000, within: 50ms}]}\n";
	char *printed = complaint(text, sizeof text - 1);

	assert_ptr_equal(strstr(printed, "sluice.yaml:4:13: pools[0].capacity: "), printed);
	free(printed);
}

static void all_problems_are_reported_in_the_order_of_the_text(void **state)
{
	expect("disks:\n- {name: gold, pool: fast, size: 5Q}\npools:\n- {name: fast, backend: "
	       "rma}\n",
		"sluice.yaml:2:34: disks[0].size: '5Q' is not a size; write it like 64KiB (B, KiB, "
		"MiB, GiB, TiB)\n"
		"sluice.yaml:4:25: pools[0].backend: 'rma' is not a back end; there are file, ram "
		"and "
		"null; did you mean 'ram'?\n");
}

static void a_flood_of_problems_is_cut_off(void **state)
{
	char text[4096] = "";
	char *printed;

	for (int i = 0; i < 200; i++)
		sprintf(text + strlen(text), "bad%d: 1\n", i);
	printed = complaint(text, strlen(text));
	assert_non_null(strstr(printed, "more\n"));
	free(printed);
}

static void an_anchor_within_itself_ends_in_an_error(void **state)
{
	expect("pools: &loop\n- *loop\n",
		"sluice.yaml:1:8: pools[0]: is a list; it must be a mapping (key: value)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_configuration_has_no_problems),
		cmocka_unit_test(an_empty_text_is_refused),
		cmocka_unit_test(a_syntax_error_names_its_line),
		cmocka_unit_test(text_that_is_not_utf8_is_refused),
		cmocka_unit_test(a_second_document_is_refused),
		cmocka_unit_test(where_metrics_are_served_is_an_address_and_a_port),
		cmocka_unit_test(an_unknown_key_suggests_the_nearest),
		cmocka_unit_test(an_unknown_key_far_from_all_lists_them),
		cmocka_unit_test(a_missing_key_names_its_entry),
		cmocka_unit_test(a_doubled_key_is_refused),
		cmocka_unit_test(a_wrong_type_says_what_is_wanted),
		cmocka_unit_test(an_empty_value_is_refused),
		cmocka_unit_test(a_truth_value_is_not_just_any_word),
		cmocka_unit_test(a_number_is_whole_and_fits),
		cmocka_unit_test(a_bad_unit_shows_a_good_one),
		cmocka_unit_test(values_out_of_range_name_the_range),
		cmocka_unit_test(too_many_tiers_are_refused),
		cmocka_unit_test(a_name_must_be_fit_for_a_file_name),
		cmocka_unit_test(doubled_names_are_refused),
		cmocka_unit_test(doubled_sockets_and_images_are_refused),
		cmocka_unit_test(a_dangling_reference_lists_what_exists),
		cmocka_unit_test(a_choice_between_two_must_be_made),
		cmocka_unit_test(an_unknown_back_end_lists_those_there_are),
		cmocka_unit_test(a_pool_of_files_needs_a_path),
		cmocka_unit_test(a_disk_in_memory_needs_a_size),
		cmocka_unit_test(tiers_that_do_not_nest_name_the_tier),
		cmocka_unit_test(tiers_need_a_capacity),
		cmocka_unit_test(a_promise_below_the_latency_of_the_device_is_refused),
		cmocka_unit_test(in_flight_must_cover_the_latency),
		cmocka_unit_test(promises_beyond_the_capacity_are_refused),
		cmocka_unit_test(all_problems_are_reported_in_the_order_of_the_text),
		cmocka_unit_test(a_flood_of_problems_is_cut_off),
		cmocka_unit_test(an_anchor_within_itself_ends_in_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
