/* What a module's process believes of what it receives. */
#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "offload/host/module_description.h"

static struct module_description description;

static int set_up(void **state)
{
	description = (struct module_description){
		.version = SLUICE_VERSION, .name = "db", .connections = 1, .option_count = 1};
	strcpy(description.options[0], "cache=1GiB");
	return 0;
}

static int check(void)
{
	return module_description_check(&description, sizeof description, NULL);
}

static void a_whole_one_is_taken(void **state)
{
	assert_int_equal(check(), 0);
}

static void another_versions_is_refused(void **state)
{
	struct error error;

	assert_int_equal(
		module_description_check(&description, sizeof description - 1, &error), -EPROTO);
	assert_non_null(strstr(error.message, "restart sluiced"));
	strcpy(description.version, "0.0.1");
	assert_int_equal(check(), -EPROTO);
}

static void texts_without_end_are_refused(void **state)
{
	memset(description.directory, 'x', sizeof description.directory);
	assert_int_equal(check(), -EPROTO);
	set_up(state);
	memset(description.options[3], 'x', sizeof description.options[3]);
	assert_int_equal(check(), -EPROTO);
}

static void numbers_out_of_bounds_are_refused(void **state)
{
	description.option_count = MODULE_OPTIONS_MAX + 1;
	assert_int_equal(check(), -EPROTO);
	set_up(state);
	description.connections = 0;
	assert_int_equal(check(), -EPROTO);
}

static void an_option_is_cut_at_the_first_equals_sign(void **state)
{
	struct module_option option;

	strcpy(description.options[1], "path=a=b");
	option = module_description_option(description.options[0]);
	assert_string_equal(option.name, "cache");
	assert_string_equal(option.value, "1GiB");
	option = module_description_option(description.options[1]);
	assert_string_equal(option.value, "a=b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_whole_one_is_taken, set_up),
		cmocka_unit_test_setup(another_versions_is_refused, set_up),
		cmocka_unit_test_setup(texts_without_end_are_refused, set_up),
		cmocka_unit_test_setup(numbers_out_of_bounds_are_refused, set_up),
		cmocka_unit_test_setup(an_option_is_cut_at_the_first_equals_sign, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
