#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/guest_memory.h"

#define PAGE 4096u
#define FILE_BYTES (64u * PAGE)

static struct guest_memory memory;
static int file;

static int open_file(void **state)
{
	file = memfd_create("memory", 0);
	assert_int_equal(ftruncate(file, FILE_BYTES), 0);
	guest_memory_init(&memory);
	return 0;
}

static int close_file(void **state)
{
	guest_memory_clear(&memory);
	close(file);
	return 0;
}

static int add(uint64_t guest_address, uint64_t size_bytes, uint64_t offset)
{
	const struct vhost_user_memory_region region = {.guest_address = guest_address,
		.user_address = guest_address + 0x7f0000000000,
		.size_bytes = size_bytes,
		.mmap_offset = offset};
	struct error error;

	return guest_memory_add(&memory, &region, file, &error);
}

static int remove_region(uint64_t guest_address, uint64_t size_bytes)
{
	const struct vhost_user_memory_region region = {.guest_address = guest_address,
		.user_address = guest_address + 0x7f0000000000,
		.size_bytes = size_bytes};

	return guest_memory_remove(&memory, &region);
}

/* ---- regions ---- */

static void a_region_shows_its_file_from_the_offset(void **state)
{
	const char text[] = "here";

	assert_int_equal(pwrite(file, text, sizeof text, 5 * PAGE), sizeof text);
	assert_int_equal(add(0x100000, 8 * PAGE, 5 * PAGE), 0);
	assert_memory_equal(guest_memory_at(&memory, 0x100000, 5), text, 5);
}

static void an_offset_need_not_be_page_aligned(void **state)
{
	const char text[] = "here";

	assert_int_equal(pwrite(file, text, sizeof text, 5 * PAGE + 512), sizeof text);
	assert_int_equal(add(0x100000, 8 * PAGE, 5 * PAGE + 512), 0);
	assert_memory_equal(guest_memory_at(&memory, 0x100000, 5), text, 5);
}

static void impossible_regions_are_refused(void **state)
{
	static const struct {
		uint64_t guest_address, size_bytes, offset;
	} regions[] = {
		{0, 0, 0},
		{UINT64_MAX - PAGE, 2 * PAGE, 0},
		{0x810000000000, UINT64_MAX - 0x820000000000, 0},
		{0, PAGE, UINT64_MAX - 10},
		{0, FILE_BYTES + 1, 0},
		{0, PAGE, FILE_BYTES},
		{0, 2 * PAGE, FILE_BYTES - PAGE},
	};

	for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
		assert_int_equal(
			add(regions[i].guest_address, regions[i].size_bytes, regions[i].offset),
			-EINVAL);
	assert_int_equal(memory.region_count, 0);
}

static void overlapping_regions_are_refused(void **state)
{
	assert_int_equal(add(10 * PAGE, 4 * PAGE, 0), 0);
	assert_int_equal(add(13 * PAGE, PAGE, 0), -EINVAL);
	assert_int_equal(add(8 * PAGE, 3 * PAGE, 0), -EINVAL);
	assert_int_equal(add(8 * PAGE, 20 * PAGE, 0), -EINVAL);
	assert_int_equal(add(14 * PAGE, PAGE, 0), 0);
	assert_int_equal(add(9 * PAGE, PAGE, 0), 0);
}

static void a_pipe_is_no_memory(void **state)
{
	const struct vhost_user_memory_region region = {.size_bytes = PAGE};
	struct error error;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(guest_memory_add(&memory, &region, ends[0], &error), -EINVAL);
	assert_int_equal(guest_memory_add(&memory, &region, -1, &error), -EBADF);
	close(ends[0]);
	close(ends[1]);
}

static void there_are_no_more_regions_than_slots(void **state)
{
	for (unsigned i = 0; i < GUEST_MEMORY_REGIONS_MAX; i++)
		assert_int_equal(add((uint64_t)i * 2 * PAGE, PAGE, 0), 0);
	assert_int_equal(add(1ull << 40, PAGE, 0), -ENOSPC);
	assert_int_equal(remove_region(6 * PAGE, PAGE), 0);
	assert_int_equal(add(1ull << 40, PAGE, 0), 0);
}

static void a_removed_region_is_gone_and_the_others_stay(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(add((uint64_t)i * PAGE, PAGE, (uint64_t)i * PAGE), 0);
	assert_non_null(guest_memory_at(&memory, 2 * PAGE, 1));
	assert_int_equal(remove_region(PAGE, 2 * PAGE), -ENOENT);
	assert_int_equal(remove_region(2 * PAGE, PAGE), 0);
	assert_int_equal(remove_region(2 * PAGE, PAGE), -ENOENT);
	assert_null(guest_memory_at(&memory, 2 * PAGE, 1));
	assert_non_null(guest_memory_at(&memory, 0, PAGE));
	assert_int_equal(remove_region(0, PAGE), 0);
	assert_non_null(guest_memory_at(&memory, PAGE, PAGE));
	assert_null(guest_memory_at(&memory, 0, 1));
}

/* ---- addresses ---- */

static void a_pointer_covers_its_whole_range_or_is_none(void **state)
{
	assert_int_equal(add(0x100000, 8 * PAGE, 0), 0);
	assert_non_null(guest_memory_at(&memory, 0x100000, 8 * PAGE));
	assert_non_null(guest_memory_at(&memory, 0x100000 + 8 * PAGE - 1, 1));
	assert_null(guest_memory_at(&memory, 0x100000, 8 * PAGE + 1));
	assert_null(guest_memory_at(&memory, 0x100000 + 8 * PAGE - 1, 2));
	assert_null(guest_memory_at(&memory, 0x100000 + 8 * PAGE, 1));
	assert_null(guest_memory_at(&memory, 0x100000 - 1, 2));
	assert_null(guest_memory_at(&memory, 0x100000 + 1, UINT64_MAX));
	assert_null(guest_memory_at(&memory, UINT64_MAX, 1));
}

static void a_range_over_two_regions_has_no_pointer(void **state)
{
	uint64_t available_bytes;

	assert_int_equal(add(0, PAGE, 0), 0);
	assert_int_equal(add(PAGE, PAGE, 10 * PAGE), 0);
	assert_null(guest_memory_at(&memory, PAGE - 1, 2));
	assert_ptr_equal(guest_memory_span(&memory, PAGE - 1, &available_bytes),
		memory.regions[0].host + PAGE - 1);
	assert_int_equal(available_bytes, 1);
	assert_ptr_equal(
		guest_memory_span(&memory, PAGE, &available_bytes), memory.regions[1].host);
	assert_int_equal(available_bytes, PAGE);
	assert_null(guest_memory_span(&memory, 2 * PAGE, &available_bytes));
}

static void user_addresses_are_found_as_well(void **state)
{
	assert_int_equal(add(0, 2 * PAGE, 0), 0);
	assert_int_equal(add(1ull << 32, 2 * PAGE, 4 * PAGE), 0);
	assert_ptr_equal(guest_memory_at_user_address(&memory, 0x7f0100000000 + 5, 2 * PAGE - 5),
		memory.regions[1].host + 5);
	assert_null(guest_memory_at_user_address(&memory, 0x7f0100000000 + 5, 2 * PAGE - 4));
	assert_null(guest_memory_at_user_address(&memory, 0x7f0000000000 - 1, 1));
	assert_null(guest_memory_at_user_address(&memory, 0, 1));
}

static void nothing_is_in_cleared_memory(void **state)
{
	assert_int_equal(add(0, PAGE, 0), 0);
	assert_non_null(guest_memory_at(&memory, 0, 1));
	guest_memory_clear(&memory);
	assert_null(guest_memory_at(&memory, 0, 1));
	assert_false(guest_memory_is_lost(&memory));
}

#define test(name) cmocka_unit_test_setup_teardown(name, open_file, close_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_region_shows_its_file_from_the_offset),
		test(an_offset_need_not_be_page_aligned),
		test(impossible_regions_are_refused),
		test(overlapping_regions_are_refused),
		test(a_pipe_is_no_memory),
		test(there_are_no_more_regions_than_slots),
		test(a_removed_region_is_gone_and_the_others_stay),
		test(a_pointer_covers_its_whole_range_or_is_none),
		test(a_range_over_two_regions_has_no_pointer),
		test(user_addresses_are_found_as_well),
		test(nothing_is_in_cleared_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
