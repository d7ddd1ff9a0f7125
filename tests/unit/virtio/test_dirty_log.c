#include "ring_pair.h"

#include <errno.h>

#define LOG_BYTES 512u /* of a guest of 16 MiB */
#define LOG_OFFSET 24u

static int file;
static uint8_t *bits; /* the front end's mapping */
static struct dirty_log dirty;

static int open_log(void **state)
{
	file = memfd_create("log", 0);
	assert_int_equal(ftruncate(file, 4096), 0);
	bits = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	dirty = (struct dirty_log){0};
	assert_int_equal(dirty_log_map(&dirty, file, LOG_OFFSET, LOG_BYTES), 0);
	return 0;
}

static int close_log(void **state)
{
	dirty_log_unmap(&dirty);
	munmap(bits, 4096);
	close(file);
	return 0;
}

static bool page_is_dirty(uint64_t page)
{
	return bits[LOG_OFFSET + page / 8] >> page % 8 & 1;
}

static unsigned count_dirty(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < 4096; i++)
		count += (unsigned)__builtin_popcount(bits[i]);
	return count;
}

/* ---- the bitmap ---- */

static void each_page_that_was_touched_is_marked(void **state)
{
	dirty_log_mark(&dirty, 0, 1);
	dirty_log_mark(&dirty, 10 * 4096 + 4095, 2);
	dirty_log_mark(&dirty, 4095 * 4096, 4096);
	assert_true(page_is_dirty(0) && page_is_dirty(10) && page_is_dirty(11));
	assert_true(page_is_dirty(4095));
	assert_int_equal(count_dirty(), 4);
}

static void an_empty_range_marks_nothing(void **state)
{
	dirty_log_mark(&dirty, 0, 0);
	dirty_log_mark(&dirty, 4096, 0);
	assert_int_equal(count_dirty(), 0);
}

static void pages_beyond_the_bitmap_are_left_out(void **state)
{
	dirty_log_mark(&dirty, 4095 * 4096, 3 * 4096);
	dirty_log_mark(&dirty, 1ull << 40, 4096);
	dirty_log_mark(&dirty, UINT64_MAX - 5, 6);
	dirty_log_mark(&dirty, UINT64_MAX - 5, 100);
	assert_true(page_is_dirty(4095));
	assert_int_equal(count_dirty(), 1);
}

static void impossible_bitmaps_are_refused(void **state)
{
	struct dirty_log other = {0};
	int ends[2];

	assert_int_equal(dirty_log_map(&other, file, 0, 0), -EINVAL);
	assert_int_equal(dirty_log_map(&other, file, 0, 4097), -EINVAL);
	assert_int_equal(dirty_log_map(&other, file, 4000, 97), -EINVAL);
	assert_int_equal(dirty_log_map(&other, file, UINT64_MAX, 2), -EINVAL);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dirty_log_map(&other, ends[0], 0, 1), -EINVAL);
	close(ends[0]);
	close(ends[1]);
	assert_null(other.bits);
	dirty_log_mark(&other, 0, 4096);
}

static void a_new_bitmap_replaces_the_old_one(void **state)
{
	assert_int_equal(dirty_log_map(&dirty, file, 2048, 8), 0);
	dirty_log_mark(&dirty, 0, 1);
	assert_int_equal(bits[2048], 1);
	assert_int_equal(count_dirty(), 1);
}

/* ---- who writes to it ---- */

static struct ring_pair pair;
static struct descriptor_chain chain;

static void open_logged(bool is_packed, uint64_t log_address)
{
	pair_open(&pair, 8, is_packed, false, false);
	assert_int_equal(dirty_log_map(&pair.guest.log, file, LOG_OFFSET, LOG_BYTES), 0);
	pair.setup.logs_used_ring = true;
	pair.setup.log_address = log_address;
	pair_attach(&pair);
	pair_add(&pair, 0);
	driver_ring_publish(&pair.driver);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
}

static void what_a_device_writes_is_marked_by_guest_address(void **state)
{
	open_logged(false, 0);
	guest_memory_mark_dirty(&pair.guest, pair.guest.regions[0].host + 100 * 4096 + 5, 4096);
	assert_true(page_is_dirty(100) && page_is_dirty(101));
	assert_int_equal(count_dirty(), 2);
	pair_close(&pair);
}

/* Migration copies a page after it has cleared its bit: a mark before the write would be lost. */
static void a_used_ring_is_marked_after_it_has_been_published(void **state)
{
	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		open_logged(is_packed, 200 * 4096);
		virtqueue_push(&pair.device, &chain, 0);
		memset(bits, 0, 4096);
		virtqueue_publish(&pair.device);
		assert_true(page_is_dirty(200));
		assert_int_equal(count_dirty(), 1);
		memset(bits, 0, 4096);
		pair_close(&pair);
	}
}

/* The used ring's elements may lie in another page than its index. */
static void each_element_of_a_used_ring_is_marked_where_it_is(void **state)
{
	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		const uint64_t header = is_packed ? 0 : sizeof(struct vring_used);

		open_logged(is_packed, 201 * 4096 - header);
		virtqueue_push(&pair.device, &chain, 0);
		virtqueue_publish(&pair.device);
		assert_true(page_is_dirty(201));
		assert_int_equal(page_is_dirty(200), !is_packed);
		memset(bits, 0, 4096);
		pair_close(&pair);
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(each_page_that_was_touched_is_marked),
		test(an_empty_range_marks_nothing),
		test(pages_beyond_the_bitmap_are_left_out),
		test(impossible_bitmaps_are_refused),
		test(a_new_bitmap_replaces_the_old_one),
		test(what_a_device_writes_is_marked_by_guest_address),
		test(a_used_ring_is_marked_after_it_has_been_published),
		test(each_element_of_a_used_ring_is_marked_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
