/* Chains of descriptors as a driver may write them, and as it may not. */
#include "split_ring.h"

/* ---- what a chain may be ---- */

static void a_chain_gives_its_segments_in_order(void **state)
{
	open_ring(false);
	describe(descriptors(), 9, 100, 16, VRING_DESC_F_NEXT, 3);
	describe(descriptors(), 3, 200, 512, VRING_DESC_F_NEXT, 15);
	describe(descriptors(), 15, 1000, 1, VRING_DESC_F_WRITE, 9);
	offer(9);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.id, 9);
	assert_int_equal(chain.readable_count, 2);
	assert_int_equal(chain.writable_count, 1);
	assert_segment(0, 100, 16);
	assert_segment(1, 200, 512);
	assert_segment(2, 1000, 1);
	pair_close(&pair);
}

/* Where the descriptor of the table is marked writable, that means nothing (2.7.5.3.2). */
static void an_indirect_table_is_followed(void **state)
{
	open_ring(false);
	describe(descriptors(), 2, 0, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	describe(table_at(0), 0, 100, 16, VRING_DESC_F_NEXT, 2);
	describe(table_at(0), 2, 200, 8, VRING_DESC_F_WRITE, 0);
	offer(2);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.id, 2);
	assert_int_equal(chain.readable_count, 1);
	assert_int_equal(chain.writable_count, 1);
	assert_segment(0, 100, 16);
	assert_segment(1, 200, 8);
	pair_close(&pair);
}

static void direct_descriptors_may_end_in_an_indirect_one(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 500, 4, VRING_DESC_F_NEXT, 1);
	describe(descriptors(), 1, 0, 16, VRING_DESC_F_INDIRECT, 0);
	describe(table_at(0), 0, 600, 7, VRING_DESC_F_WRITE, 0);
	offer(0);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_segment(0, 500, 4);
	assert_segment(1, 600, 7);
	pair_close(&pair);
}

static void an_indirect_table_may_be_at_any_address(void **state)
{
	struct vring_desc table[2];

	open_ring(false);
	describe(table, 0, 100, 16, VRING_DESC_F_NEXT, 1);
	describe(table, 1, 200, 8, VRING_DESC_F_WRITE, 0);
	memcpy(pair.memory + PAIR_BUFFERS + 3, table, sizeof table);
	describe(descriptors(), 0, 3, sizeof table, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_segment(0, 100, 16);
	assert_segment(1, 200, 8);
	pair_close(&pair);
}

static void an_empty_buffer_is_no_segment(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 0, 0, VRING_DESC_F_NEXT, 1);
	describe(descriptors(), 1, 8, 8, 0, 0);
	offer(0);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.readable_count, 1);
	assert_segment(0, 8, 8);
	pair_close(&pair);
}

static void share_in_two_regions(uint64_t boundary)
{
	struct vhost_user_memory_region first = {
		.size_bytes = boundary, .user_address = (uint64_t)(uintptr_t)pair.memory};
	struct vhost_user_memory_region second = {.guest_address = boundary,
		.user_address = first.user_address + boundary,
		.size_bytes = PAIR_MEMORY_BYTES - boundary,
		.mmap_offset = boundary};
	struct error error;

	guest_memory_clear(&pair.guest);
	assert_int_equal(guest_memory_add(&pair.guest, &first, pair.fd, &error), 0);
	assert_int_equal(guest_memory_add(&pair.guest, &second, pair.fd, &error), 0);
}

static void a_buffer_in_two_regions_is_two_segments(void **state)
{
	pair_open(&pair, SIZE, false, false, false);
	share_in_two_regions(PAIR_BUFFERS + 4096);
	pair_attach(&pair);
	describe(descriptors(), 0, 4000, 500, VRING_DESC_F_WRITE, 0);
	offer(0);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.writable_count, 2);
	assert_segment(0, 4000, 96);
	assert_ptr_equal(chain.segments[1].iov_base, pair.guest.regions[1].host);
	assert_int_equal(chain.segments[1].iov_len, 404);
	pair_close(&pair);
}

static void describe_long_table(unsigned count, uint32_t size_bytes)
{
	describe(descriptors(), 0, 0, count * 16, VRING_DESC_F_INDIRECT, 0);
	for (unsigned i = 0; i < count; i++)
		describe(table_at(0), (uint16_t)i, 0, size_bytes,
			i + 1 < count ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	offer(0);
}

static void the_longest_chain_is_as_long_as_the_limit(void **state)
{
	open_ring(false);
	describe_long_table(DESCRIPTOR_CHAIN_SEGMENTS_MAX, 1);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.readable_count, DESCRIPTOR_CHAIN_SEGMENTS_MAX);
	pair_close(&pair);
	open_ring(false);
	describe_long_table(DESCRIPTOR_CHAIN_SEGMENTS_MAX + 1, 1);
	assert_breaks("a chain has more segments than the device's limit");
}

/* Otherwise a guest could keep a sidecore busy with a table as large as its memory. */
static void an_endless_table_of_empty_buffers_is_refused(void **state)
{
	open_ring(false);
	describe_long_table(30000, 0);
	assert_breaks("a chain has more descriptors than the device's limit");
}

/* ---- what it may not be ---- */

static void a_loop_in_a_table_is_found(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 0, 32, VRING_DESC_F_INDIRECT, 0);
	describe(table_at(0), 0, 0, 1, VRING_DESC_F_NEXT, 1);
	describe(table_at(0), 1, 0, 1, VRING_DESC_F_NEXT, 0);
	offer(0);
	assert_breaks("a chain of descriptors has a loop");
}

static void a_table_that_leads_out_of_itself_breaks_the_ring(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 0, 32, VRING_DESC_F_INDIRECT, 0);
	describe(table_at(0), 0, 0, 1, VRING_DESC_F_NEXT, 2);
	offer(0);
	assert_breaks("a descriptor index is out of range");
}

static void tables_of_impossible_sizes_break_the_ring(void **state)
{
	static const uint32_t sizes[] = {0, 1, 15, 17, 24, UINT32_MAX};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		open_ring(false);
		describe(descriptors(), 0, 0, sizes[i], VRING_DESC_F_INDIRECT, 0);
		offer(0);
		assert_breaks("an indirect table has an impossible size");
	}
}

static void a_table_outside_of_memory_breaks_the_ring(void **state)
{
	static const uint32_t sizes[] = {32, UINT32_MAX - 15};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		open_ring(false);
		describe(descriptors(), 0, PAIR_MEMORY_BYTES - PAIR_BUFFERS - 16, sizes[i],
			VRING_DESC_F_INDIRECT, 0);
		offer(0);
		assert_breaks("an indirect table lies outside of the guest's memory");
	}
}

static void readable_in_the_table_after_writable_before_it_breaks_the_ring(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 500, 4, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	describe(descriptors(), 1, 0, 16, VRING_DESC_F_INDIRECT, 0);
	describe(table_at(0), 0, 600, 7, 0, 0);
	offer(0);
	assert_breaks("a readable buffer follows a writable one");
}

static void a_huge_length_breaks_the_ring(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 0, UINT32_MAX, VRING_DESC_F_WRITE, 0);
	offer(0);
	assert_breaks("a buffer lies outside of the guest's memory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_gives_its_segments_in_order),
		cmocka_unit_test(an_indirect_table_is_followed),
		cmocka_unit_test(direct_descriptors_may_end_in_an_indirect_one),
		cmocka_unit_test(an_indirect_table_may_be_at_any_address),
		cmocka_unit_test(an_empty_buffer_is_no_segment),
		cmocka_unit_test(a_buffer_in_two_regions_is_two_segments),
		cmocka_unit_test(the_longest_chain_is_as_long_as_the_limit),
		cmocka_unit_test(an_endless_table_of_empty_buffers_is_refused),
		cmocka_unit_test(a_loop_in_a_table_is_found),
		cmocka_unit_test(a_table_that_leads_out_of_itself_breaks_the_ring),
		cmocka_unit_test(tables_of_impossible_sizes_break_the_ring),
		cmocka_unit_test(a_table_outside_of_memory_breaks_the_ring),
		cmocka_unit_test(readable_in_the_table_after_writable_before_it_breaks_the_ring),
		cmocka_unit_test(a_huge_length_breaks_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
