/* The storage module's options. */
#include "../cmocka_all.h"

#include <errno.h>

#include "store_options.h"

static struct store_options options;
static struct error error;

static int read_with(size_t memory_bytes, const char *transaction_bytes)
{
	const struct module_option option = {
		.name = "transaction_bytes_max", .value = transaction_bytes};
	const struct module_setup setup = {.options = &option,
		.option_count = transaction_bytes ? 1 : 0,
		.memory_bytes_max = memory_bytes};

	return store_options_read(&setup, &options, &error);
}

static void a_transaction_has_an_eighth_of_the_memory_unless_something_else_is_said(void **state)
{
	assert_int_equal(read_with(64u << 20, NULL), 0);
	assert_int_equal(options.transaction_bytes_max, 8u << 20);
	assert_int_equal(read_with(64u << 20, "1GiB"), 0);
	assert_int_equal(options.transaction_bytes_max, 1u << 30);
}

static void a_transaction_is_not_larger_than_a_record_of_the_commit_log(void **state)
{
	assert_int_equal(read_with(1ull << 40, NULL), 0);
	assert_int_equal(options.transaction_bytes_max, 2u << 30);
	assert_int_equal(read_with(1ull << 40, "2GiB"), 0);
	assert_int_equal(read_with(1ull << 40, "2147483649"), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_transaction_has_an_eighth_of_the_memory_unless_something_else_is_said),
		cmocka_unit_test(a_transaction_is_not_larger_than_a_record_of_the_commit_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
