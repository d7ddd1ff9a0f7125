/* The driver's side alone: what it refuses, and what a hostile back end may write to its rings. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/driver_ring.h"

#define GUEST_ADDRESS 0x40000000ull
#define FLAG_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define FLAG_USED (1u << VRING_PACKED_DESC_F_USED)
#define WRITABLE_BYTES 513u

static const struct driver_segment segments[3] = {
	{GUEST_ADDRESS, 16}, {GUEST_ADDRESS + 4096, 512}, {GUEST_ADDRESS + 64, 1}};
static struct driver_completion done[64];

static struct driver_ring open_ring(bool is_packed, bool has_event_index, uint16_t indirect_above)
{
	const struct driver_ring_config config = {
		.size = 8,
		.segments_max = 4,
		.indirect_above = indirect_above,
		.is_packed = is_packed,
		.has_event_index = has_event_index,
	};
	const size_t size_bytes = driver_ring_memory_bytes(&config);
	void *memory = aligned_alloc(
		DRIVER_RING_ALIGNMENT, (size_bytes + DRIVER_RING_ALIGNMENT - 1) /
					       DRIVER_RING_ALIGNMENT * DRIVER_RING_ALIGNMENT);
	struct driver_ring ring;

	memset(memory, 0, size_bytes);
	assert_int_equal(driver_ring_init(&ring, &config, memory, GUEST_ADDRESS), 0);
	return ring;
}

static struct driver_ring open_direct(bool is_packed)
{
	return open_ring(is_packed, false, DRIVER_RING_NEVER_INDIRECT);
}

static void close_ring(struct driver_ring *ring)
{
	free(ring->memory);
	driver_ring_free(ring);
}

static int add(struct driver_ring *ring)
{
	return driver_ring_add(ring, segments, 1, 2, ring);
}

static void add_published(struct driver_ring *ring)
{
	assert_int_equal(add(ring), 0);
	driver_ring_publish(ring);
}

/* What the back end of a split ring writes when it completes a chain. */
static void use_split(struct driver_ring *ring, uint32_t id, uint32_t size_bytes)
{
	struct vring_used *used = ring->device_area;

	used->ring[used->idx & (ring->config.size - 1)] = (struct vring_used_elem){id, size_bytes};
	used->idx++;
}

/* The same for a packed ring; `slot` is in its first lap. */
static void use_packed(struct driver_ring *ring, unsigned slot, uint16_t id, uint32_t size_bytes)
{
	struct vring_packed_desc *descriptors = ring->descriptor_area;

	descriptors[slot].id = id;
	descriptors[slot].len = size_bytes;
	descriptors[slot].flags = FLAG_AVAIL | FLAG_USED;
}

static void expect_broken(struct driver_ring *ring)
{
	assert_int_equal(driver_ring_poll(ring, done, 64), -EPROTO);
	assert_int_equal(driver_ring_poll(ring, done, 64), -EPROTO);
	close_ring(ring);
}

/* ---- configuration ---- */

static void sizes_that_virtio_does_not_allow_are_refused(void **state)
{
	static const struct driver_ring_config wrong[] = {
		{.size = 0, .segments_max = 1},
		{.size = 6, .segments_max = 3, .indirect_above = DRIVER_RING_NEVER_INDIRECT},
		{.size = 32769, .segments_max = 3, .is_packed = true},
		{.size = 8, .segments_max = 0},
		{.size = 8, .segments_max = 9, .indirect_above = DRIVER_RING_NEVER_INDIRECT},
		{.size = 8, .segments_max = DRIVER_RING_SEGMENTS_MAX + 1},
	};
	struct driver_ring ring;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(driver_ring_init(&ring, &wrong[i], NULL, 0), -EINVAL);
}

static void a_packed_ring_may_have_any_size(void **state)
{
	const struct driver_ring_config config = {
		.size = 7, .segments_max = 3, .indirect_above = 0, .is_packed = true};
	void *memory = calloc(1, driver_ring_memory_bytes(&config));
	struct driver_ring ring;

	assert_int_equal(driver_ring_init(&ring, &config, memory, 0), 0);
	close_ring(&ring);
}

/* ---- adding ---- */

static void chains_of_a_wrong_length_are_refused(void **state)
{
	static const struct driver_segment five[5];

	for (int is_packed = 0; is_packed <= 1; is_packed++) {
		struct driver_ring ring = open_direct(is_packed);

		assert_int_equal(driver_ring_add(&ring, five, 0, 0, NULL), -EINVAL);
		assert_int_equal(driver_ring_add(&ring, five, 2, 3, NULL), -EINVAL);
		close_ring(&ring);
	}
}

static void a_full_ring_takes_no_chain(void **state)
{
	for (int is_packed = 0; is_packed <= 1; is_packed++) {
		struct driver_ring ring = open_direct(is_packed);

		assert_int_equal(add(&ring), 0);
		assert_int_equal(add(&ring), 0);
		assert_int_equal(add(&ring), -ENOSPC);
		assert_int_equal(driver_ring_add(&ring, segments, 0, 1, NULL), 0);
		assert_int_equal(driver_ring_add(&ring, segments, 0, 1, NULL), 0);
		assert_int_equal(driver_ring_add(&ring, segments, 0, 1, NULL), -ENOSPC);
		close_ring(&ring);
	}
}

static void an_indirect_chain_takes_one_descriptor(void **state)
{
	for (int is_packed = 0; is_packed <= 1; is_packed++) {
		struct driver_ring ring = open_ring(is_packed, false, 2);

		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(add(&ring), 0);
		assert_int_equal(add(&ring), -ENOSPC);
		close_ring(&ring);
	}
}

static void short_chains_stay_out_of_the_table(void **state)
{
	struct driver_ring ring = open_ring(false, false, 2);
	const struct vring_desc *descriptors = ring.descriptor_area;

	assert_int_equal(driver_ring_add(&ring, segments, 1, 1, NULL), 0);
	assert_int_equal(descriptors[0].flags, VRING_DESC_F_NEXT);
	assert_int_equal(descriptors[1].flags, VRING_DESC_F_WRITE);
	assert_int_equal(add(&ring), 0);
	assert_int_equal(descriptors[2].flags, VRING_DESC_F_INDIRECT);
	assert_int_equal(descriptors[2].len, 3 * sizeof(struct vring_desc));
	close_ring(&ring);
}

/* ---- showing ---- */

static void split_chains_are_hidden_until_published(void **state)
{
	struct driver_ring ring = open_direct(false);
	const struct vring_avail *available = ring.driver_area;

	add(&ring);
	add(&ring);
	assert_int_equal(available->idx, 0);
	driver_ring_publish(&ring);
	assert_int_equal(available->idx, 2);
	close_ring(&ring);
}

static void the_first_packed_chain_hides_the_batch(void **state)
{
	struct driver_ring ring = open_direct(true);
	const struct vring_packed_desc *descriptors = ring.descriptor_area;

	add(&ring);
	add(&ring);
	assert_false(descriptors[0].flags & FLAG_AVAIL);
	driver_ring_publish(&ring);
	assert_true(descriptors[0].flags & FLAG_AVAIL);
	assert_true(descriptors[3].flags & FLAG_AVAIL);
	close_ring(&ring);
}

static void nothing_added_is_no_reason_to_kick(void **state)
{
	struct driver_ring ring = open_direct(false);

	assert_false(driver_ring_publish(&ring));
	close_ring(&ring);
}

static void split_flags_suppress_kicks(void **state)
{
	struct driver_ring ring = open_direct(false);
	struct vring_used *used = ring.device_area;

	add(&ring);
	assert_true(driver_ring_publish(&ring));
	used->flags = VRING_USED_F_NO_NOTIFY;
	add(&ring);
	assert_false(driver_ring_publish(&ring));
	close_ring(&ring);
}

static void a_split_event_index_asks_for_one_kick(void **state)
{
	struct driver_ring ring = open_ring(false, true, 0);
	struct vring_used *used = ring.device_area;
	uint16_t *event = (uint16_t *)&used->ring[8];

	*event = 1; /* when the second chain is available */
	add(&ring);
	assert_false(driver_ring_publish(&ring));
	add(&ring);
	assert_true(driver_ring_publish(&ring));
	add(&ring);
	assert_false(driver_ring_publish(&ring));
	close_ring(&ring);
}

static void a_packed_event_index_asks_for_one_kick(void **state)
{
	struct driver_ring ring = open_ring(true, true, 0);
	struct vring_packed_desc_event *event = ring.device_area;

	event->flags = VRING_PACKED_EVENT_FLAG_DESC;
	event->off_wrap = 1 | 1u << VRING_PACKED_EVENT_F_WRAP_CTR;
	add(&ring);
	assert_false(driver_ring_publish(&ring));
	add(&ring);
	assert_true(driver_ring_publish(&ring));
	add(&ring);
	assert_false(driver_ring_publish(&ring));
	event->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	add(&ring);
	assert_false(driver_ring_publish(&ring));
	close_ring(&ring);
}

static void an_event_is_due_when_the_index_passes_it(void **state)
{
	assert_true(driver_ring_event_is_due(5, 6, 5));
	assert_true(driver_ring_event_is_due(5, 9, 4));
	assert_false(driver_ring_event_is_due(5, 5, 4));
	assert_false(driver_ring_event_is_due(5, 7, 6));
	assert_true(driver_ring_event_is_due(65535, 0, 65535));
	assert_true(driver_ring_event_is_due(1, 3, 65530));
	assert_false(driver_ring_event_is_due(3, 3, 65530));
}

static void enabling_calls_tells_of_completions_that_are_there(void **state)
{
	for (int has_event_index = 0; has_event_index <= 1; has_event_index++) {
		struct driver_ring split = open_ring(false, has_event_index, 0);
		struct driver_ring packed = open_ring(true, has_event_index, 0);

		add_published(&split);
		add_published(&packed);
		assert_false(driver_ring_enable_calls(&split));
		assert_false(driver_ring_enable_calls(&packed));
		use_split(&split, 0, WRITABLE_BYTES);
		use_packed(&packed, 0, 0, WRITABLE_BYTES);
		assert_true(driver_ring_enable_calls(&split));
		assert_true(driver_ring_enable_calls(&packed));
		close_ring(&split);
		close_ring(&packed);
	}
}

/* ---- a hostile back end ---- */

static void split_identifiers_out_of_range_break_the_ring(void **state)
{
	static const uint32_t wrong[] = {8, 65535, 65536, UINT32_MAX};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct driver_ring ring = open_direct(false);

		add_published(&ring);
		use_split(&ring, wrong[i], 0);
		expect_broken(&ring);
	}
}

static void packed_identifiers_out_of_range_break_the_ring(void **state)
{
	static const uint16_t wrong[] = {8, 32768, 65535};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct driver_ring ring = open_direct(true);

		add_published(&ring);
		use_packed(&ring, 0, wrong[i], 0);
		expect_broken(&ring);
	}
}

static void identifiers_that_are_not_in_flight_break_the_ring(void **state)
{
	struct driver_ring split = open_direct(false);
	struct driver_ring packed = open_direct(true);

	add_published(&split);
	use_split(&split, 1, 0); /* within the chain, but not its head */
	expect_broken(&split);
	add_published(&packed);
	use_packed(&packed, 0, 1, 0);
	expect_broken(&packed);
}

static void a_chain_completed_twice_breaks_the_ring(void **state)
{
	struct driver_ring split = open_direct(false);
	struct driver_ring packed = open_direct(true);

	add_published(&split);
	add_published(&split);
	use_split(&split, 0, 0);
	use_split(&split, 0, 0);
	expect_broken(&split);
	add_published(&packed);
	add_published(&packed);
	use_packed(&packed, 0, 0, 0);
	use_packed(&packed, 3, 0, 0);
	expect_broken(&packed);
}

static void more_completions_than_requests_break_the_ring(void **state)
{
	struct driver_ring ring = open_direct(false);
	struct vring_used *used = ring.device_area;

	add_published(&ring);
	used->idx = 2;
	expect_broken(&ring);
	ring = open_direct(false);
	used = ring.device_area;
	used->idx = UINT16_MAX; /* backwards */
	expect_broken(&ring);
}

static void lengths_beyond_the_writable_bytes_break_the_ring(void **state)
{
	struct driver_ring split = open_direct(false);
	struct driver_ring packed = open_direct(true);

	add_published(&split);
	use_split(&split, 0, WRITABLE_BYTES + 1);
	expect_broken(&split);
	add_published(&packed);
	use_packed(&packed, 0, 0, WRITABLE_BYTES + 1);
	expect_broken(&packed);
}

static void the_full_length_is_fine(void **state)
{
	struct driver_ring split = open_direct(false);
	struct driver_ring packed = open_direct(true);

	add_published(&split);
	use_split(&split, 0, WRITABLE_BYTES);
	assert_int_equal(driver_ring_poll(&split, done, 64), 1);
	assert_int_equal(done[0].size_bytes, WRITABLE_BYTES);
	assert_ptr_equal(done[0].token, &split);
	add_published(&packed);
	use_packed(&packed, 0, 0, WRITABLE_BYTES);
	assert_int_equal(driver_ring_poll(&packed, done, 64), 1);
	assert_int_equal(done[0].size_bytes, WRITABLE_BYTES);
	close_ring(&split);
	close_ring(&packed);
}

static void scribbled_descriptors_do_not_mislead_the_driver(void **state)
{
	struct driver_ring ring = open_direct(false);

	for (unsigned round = 0; round < 100; round++) {
		add_published(&ring);
		memset(ring.descriptor_area, 0xff, 8 * sizeof(struct vring_desc));
		use_split(&ring, 0, 0);
		assert_int_equal(driver_ring_poll(&ring, done, 64), 1);
		assert_int_equal(ring.free_descriptors, 8);
	}
	close_ring(&ring);
}

/* Whatever is written to the areas that a back end can write: an error or a completion, no crash. */
static void random_scribbles_are_an_error_or_a_completion(void **state)
{
	srand(1);
	for (unsigned round = 0; round < 20000; round++) {
		struct driver_ring ring = open_ring(round & 1, round & 2, round & 4 ? 0 : 4);
		uint8_t *area = round & 1 ? ring.descriptor_area : ring.device_area;

		for (unsigned step = 0; step < 4; step++) {
			add(&ring);
			driver_ring_publish(&ring);
			for (unsigned i = 0; i < 6; i++)
				area[rand() % 64] = (uint8_t)(rand() % 4 ? rand() % 4 : rand());
			if (driver_ring_poll(&ring, done, 64) < 0)
				break;
			assert_in_range(ring.free_descriptors, 0, 8);
		}
		close_ring(&ring);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_that_virtio_does_not_allow_are_refused),
		cmocka_unit_test(a_packed_ring_may_have_any_size),
		cmocka_unit_test(chains_of_a_wrong_length_are_refused),
		cmocka_unit_test(a_full_ring_takes_no_chain),
		cmocka_unit_test(an_indirect_chain_takes_one_descriptor),
		cmocka_unit_test(short_chains_stay_out_of_the_table),
		cmocka_unit_test(split_chains_are_hidden_until_published),
		cmocka_unit_test(the_first_packed_chain_hides_the_batch),
		cmocka_unit_test(nothing_added_is_no_reason_to_kick),
		cmocka_unit_test(split_flags_suppress_kicks),
		cmocka_unit_test(a_split_event_index_asks_for_one_kick),
		cmocka_unit_test(a_packed_event_index_asks_for_one_kick),
		cmocka_unit_test(an_event_is_due_when_the_index_passes_it),
		cmocka_unit_test(enabling_calls_tells_of_completions_that_are_there),
		cmocka_unit_test(split_identifiers_out_of_range_break_the_ring),
		cmocka_unit_test(packed_identifiers_out_of_range_break_the_ring),
		cmocka_unit_test(identifiers_that_are_not_in_flight_break_the_ring),
		cmocka_unit_test(a_chain_completed_twice_breaks_the_ring),
		cmocka_unit_test(more_completions_than_requests_break_the_ring),
		cmocka_unit_test(lengths_beyond_the_writable_bytes_break_the_ring),
		cmocka_unit_test(the_full_length_is_fine),
		cmocka_unit_test(scribbled_descriptors_do_not_mislead_the_driver),
		cmocka_unit_test(random_scribbles_are_an_error_or_a_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
