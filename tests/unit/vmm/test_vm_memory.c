#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/layout.h"
#include "vmm/vm_memory.h"

#define MEBIBYTE ((uint64_t)1 << 20)

static struct vm_memory memory;
static struct error error;

static int create(uint64_t size_bytes, enum huge_pages huge_pages, bool is_prefaulted)
{
	const struct vm_memory_config config = {
		.size_bytes = size_bytes, .huge_pages = huge_pages, .is_prefaulted = is_prefaulted};

	return vm_memory_create(&memory, &config, &error);
}

static void small_memory_is_one_region(void **state)
{
	assert_int_equal(create(16 * MEBIBYTE, HUGE_PAGES_NEVER, false), 0);
	assert_int_equal(memory.region_count, 1);
	assert_int_equal(memory.regions[0].size_bytes, 16 * MEBIBYTE);
	assert_false(memory.has_huge_pages);
	vm_memory_destroy(&memory);
}

/* None of it is touched, so it costs nothing. */
static void memory_beyond_three_gibibytes_goes_on_at_four(void **state)
{
	assert_int_equal(create(5120 * MEBIBYTE, HUGE_PAGES_NEVER, false), 0);
	assert_int_equal(memory.region_count, 2);
	assert_int_equal(memory.regions[0].size_bytes, LAYOUT_LOW_RAM_END);
	assert_int_equal(memory.regions[1].guest_address, LAYOUT_HIGH_RAM_START);
	assert_int_equal(memory.regions[1].size_bytes, 2048 * MEBIBYTE);
	assert_int_equal(memory.regions[1].file_offset, LAYOUT_LOW_RAM_END);
	assert_ptr_equal(memory.regions[1].host, memory.host + LAYOUT_LOW_RAM_END);
	vm_memory_destroy(&memory);
}

static void addresses_are_ram_as_a_whole_or_nothing(void **state)
{
	const uint64_t low_end = LAYOUT_LOW_RAM_END, high = LAYOUT_HIGH_RAM_START;

	assert_int_equal(create(4096 * MEBIBYTE, HUGE_PAGES_NEVER, false), 0);
	assert_ptr_equal(vm_memory_at(&memory, 0, 1), memory.host);
	assert_non_null(vm_memory_at(&memory, 0, low_end));
	assert_null(vm_memory_at(&memory, 0, low_end + 1));
	assert_null(vm_memory_at(&memory, low_end - 1, 2));
	assert_null(vm_memory_at(&memory, low_end, 1));
	assert_null(vm_memory_at(&memory, high - 1, 2));
	assert_ptr_equal(vm_memory_at(&memory, high, 1), memory.host + low_end);
	assert_null(vm_memory_at(&memory, high, 1024 * MEBIBYTE + 1));
	assert_null(vm_memory_at(&memory, 16, UINT64_MAX));
	assert_null(vm_memory_at(&memory, UINT64_MAX, 16));
	vm_memory_destroy(&memory);
}

static void back_ends_can_trust_the_files_size(void **state)
{
	assert_int_equal(create(4 * MEBIBYTE, HUGE_PAGES_NEVER, false), 0);
	assert_int_equal(ftruncate(memory.fd, 0), -1);
	assert_int_equal(fcntl(memory.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	vm_memory_destroy(&memory);
}

static void memory_lies_at_a_huge_pages_boundary(void **state)
{
	assert_int_equal(create(4 * MEBIBYTE, HUGE_PAGES_NEVER, false), 0);
	assert_int_equal((uintptr_t)memory.host % (2 * MEBIBYTE), 0);
	vm_memory_destroy(&memory);
}

static void prefaulted_memory_is_there(void **state)
{
	unsigned char is_there[4 * MEBIBYTE / 4096];

	assert_int_equal(create(4 * MEBIBYTE, HUGE_PAGES_NEVER, true), 0);
	assert_int_equal(mincore(memory.host, memory.size_bytes, is_there), 0);
	for (unsigned i = 0; i < sizeof is_there; i++)
		assert_true(is_there[i] & 1);
	vm_memory_destroy(&memory);
}

static void memory_without_huge_pages_will_do_unless_they_are_a_must(void **state)
{
	const uint64_t more_than_there_are = (uint64_t)1 << 40;

	assert_int_equal(create(more_than_there_are, HUGE_PAGES_ALWAYS, false), -ENOMEM);
	assert_non_null(strstr(error.message, "nr_hugepages"));
	assert_int_equal(create(4 * MEBIBYTE, HUGE_PAGES_IF_ANY, true), 0);
	memory.host[4 * MEBIBYTE - 1] = 1;
	vm_memory_destroy(&memory);
}

static void odd_sizes_are_refused(void **state)
{
	assert_int_equal(create(0, HUGE_PAGES_NEVER, false), -EINVAL);
	assert_int_equal(create(3 * MEBIBYTE, HUGE_PAGES_NEVER, false), -EINVAL);
	assert_non_null(strstr(error.message, "2 MiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_memory_is_one_region),
		cmocka_unit_test(memory_beyond_three_gibibytes_goes_on_at_four),
		cmocka_unit_test(addresses_are_ram_as_a_whole_or_nothing),
		cmocka_unit_test(back_ends_can_trust_the_files_size),
		cmocka_unit_test(memory_lies_at_a_huge_pages_boundary),
		cmocka_unit_test(prefaulted_memory_is_there),
		cmocka_unit_test(memory_without_huge_pages_will_do_unless_they_are_a_must),
		cmocka_unit_test(odd_sizes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
