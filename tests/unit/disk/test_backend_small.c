/* The ram and null back ends, the look-up of back ends, and the one that fails as planned. */
#include "backend_testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../cmocka_all.h"
#include "backend_fault.h"
#include "disk/segments.h"

static int set_up(void **state)
{
	*state = testing_sidecore_start();
	return 0;
}

static int tear_down(void **state)
{
	sidecore_stop(*state);
	return 0;
}

static struct backend *open_sized(
	struct sidecore *sidecore, const struct backend_ops *ops, uint64_t size_bytes)
{
	struct backend_options options = {.size_bytes = size_bytes, .sidecore = sidecore};
	struct backend *backend = NULL;
	struct error error;

	if (ops->open(&options, &backend, &error))
		fail_msg("%s", error.message);
	return backend;
}

static void back_ends_are_found_by_name(void **state)
{
	assert_string_equal(backend_find("file")->name, "file");
	assert_string_equal(backend_find("ram")->name, "ram");
	assert_string_equal(backend_find("null")->name, "null");
	assert_null(backend_find("nil"));
}

static void ram_and_null_need_a_size(void **state)
{
	struct backend_options options = {.sidecore = *state};
	struct backend *backend;

	assert_int_equal(backend_find("ram")->open(&options, &backend, NULL), -EINVAL);
	assert_int_equal(backend_find("null")->open(&options, &backend, NULL), -EINVAL);
}

static void a_ram_disk_larger_than_memory_is_refused(void **state)
{
	struct backend_options options = {.sidecore = *state, .size_bytes = 1ull << 50};
	struct backend *backend;
	struct error error;

	assert_int_equal(backend_find("ram")->open(&options, &backend, &error), -ENOMEM);
	assert_non_null(strstr(error.message, "does not fit"));
}

static void null_leaves_the_buffer_as_it_is(void **state)
{
	struct backend *null = open_sized(*state, backend_find("null"), 1u << 20);
	char memory[512];

	memset(memory, 'x', sizeof memory);
	assert_int_equal(testing_do(*state, null, BACKEND_WRITE, 0, memory, 512), 0);
	assert_int_equal(testing_do(*state, null, BACKEND_READ, 0, memory, 512), 0);
	assert_int_equal(memory[0], 'x');
	assert_int_equal(testing_do(*state, null, BACKEND_FLUSH, 0, NULL, 0), 0);
	assert_int_equal(testing_do(*state, null, BACKEND_DISCARD, 0, NULL, 512), 0);
	assert_int_equal(testing_do(*state, null, BACKEND_WRITE_ZEROES, 0, NULL, 512), 0);
	null->ops->close(null);
}

static void a_discard_within_a_page_of_ram_is_harmless(void **state)
{
	struct backend *ram = open_sized(*state, backend_find("ram"), 1u << 20);
	char memory[512];

	memset(memory, 'x', sizeof memory);
	assert_int_equal(testing_do(*state, ram, BACKEND_WRITE, 1024, memory, 512), 0);
	assert_int_equal(testing_do(*state, ram, BACKEND_DISCARD, 1536, NULL, 1024), 0);
	memset(memory, 0, sizeof memory);
	assert_int_equal(testing_do(*state, ram, BACKEND_READ, 1024, memory, 512), 0);
	assert_int_equal(memory[511], 'x');
	ram->ops->close(ram);
}

static void the_fault_back_end_fails_every_nth(void **state)
{
	struct backend *fault;
	char memory[512] = {0};

	backend_fault_plan = (struct backend_fault_plan){
		.inner = backend_find("ram"),
		.operations = 1u << BACKEND_WRITE,
		.fail_every = 3,
		.failure = -ENOSPC,
		.delay_ns = 1000,
	};
	fault = open_sized(*state, &backend_fault_ops, 1u << 20);
	for (unsigned i = 1; i <= 9; i++) {
		assert_int_equal(testing_do(*state, fault, BACKEND_WRITE, 0, memory, 512),
			i % 3 ? 0 : -ENOSPC);
		assert_int_equal(testing_do(*state, fault, BACKEND_READ, 0, memory, 512), 0);
		backend_fault_plan.delay_ns = 0;
	}
	fault->ops->close(fault);
}

static void segments_are_copied_from_any_place(void **state)
{
	char a[3] = "abc", b[4] = "defg", linear[8] = {0};
	const struct iovec segments[] = {{a, 3}, {NULL, 0}, {b, 4}};

	segments_gather(segments, 0, linear, 7);
	assert_memory_equal(linear, "abcdefg", 7);
	segments_gather(segments, 3, linear, 2);
	assert_memory_equal(linear, "de", 2);
	segments_scatter(segments, 2, "XYZ", 3);
	assert_memory_equal(a, "abX", 3);
	assert_memory_equal(b, "YZfg", 4);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(back_ends_are_found_by_name),
		TEST(ram_and_null_need_a_size),
		TEST(a_ram_disk_larger_than_memory_is_refused),
		TEST(null_leaves_the_buffer_as_it_is),
		TEST(a_discard_within_a_page_of_ram_is_harmless),
		TEST(the_fault_back_end_fails_every_nth),
		TEST(segments_are_copied_from_any_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
