#include "ring_pair.h"

#include <errno.h>

static struct ring_pair pair;
static struct descriptor_chain chains[VIRTQUEUE_SIZE_MAX];

/* ---- both sides honest ---- */

/* Many laps with several chains in flight, given back in another order than they came. */
static void exchange(uint16_t size, bool is_packed, bool has_event_index, bool is_indirect)
{
	const unsigned batch = is_indirect ? size : size / 2;
	uint64_t added = 0, completed = 0;
	struct driver_completion done[64];

	pair_open(&pair, size, is_packed, has_event_index, is_indirect);
	pair_attach(&pair);
	while (completed < 70000) {
		unsigned popped = 0;
		uint64_t sum = 0;
		int count;

		for (unsigned i = 0; i < batch; i++)
			assert_int_equal(pair_add(&pair, added++), 0);
		driver_ring_publish(&pair.driver);
		while (virtqueue_pop(&pair.device, &chains[popped]) == 1) {
			assert_int_equal(chains[popped].readable_count, 1);
			assert_int_equal(chains[popped].writable_count, 1);
			sum += pair_number(&chains[popped]);
			popped++;
		}
		assert_int_equal(popped, batch);
		assert_int_equal(pair.device.in_flight, batch);
		for (unsigned i = 0; i < popped; i++)
			virtqueue_push(&pair.device, &chains[i ^ (popped % 2 ? 0 : 1)], 8);
		virtqueue_publish(&pair.device);
		while ((count = driver_ring_poll(&pair.driver, done, 64)) > 0)
			for (int i = 0; i < count; i++) {
				sum -= (uintptr_t)done[i].token - 1;
				assert_int_equal(done[i].size_bytes, 8);
				completed++;
			}
		assert_int_equal(count, 0);
		assert_int_equal(sum, 0);
	}
	assert_null(pair.device.broken);
	pair_close(&pair);
}

static void split_ring_carries_chains_over_many_laps(void **state)
{
	exchange(8, false, false, false);
	exchange(64, false, true, false);
	exchange(16, false, true, true);
}

static void packed_ring_carries_chains_over_many_laps(void **state)
{
	exchange(8, true, false, false);
	exchange(62, true, true, false);
	exchange(16, true, true, true);
}

static void notifications(bool is_packed, bool has_event_index)
{
	struct driver_completion done;

	pair_open(&pair, 16, is_packed, has_event_index, false);
	pair_attach(&pair);
	virtqueue_disable_kicks(&pair.device);
	for (unsigned round = 0; round < 100; round++) {
		assert_false(virtqueue_enable_kicks(&pair.device));
		virtqueue_disable_kicks(&pair.device);
		pair_add(&pair, round);
		assert_false(driver_ring_publish(&pair.driver));
		assert_true(virtqueue_enable_kicks(&pair.device));
		assert_int_equal(virtqueue_pop(&pair.device, &chains[0]), 1);
		virtqueue_push(&pair.device, &chains[0], 0);
		virtqueue_publish(&pair.device);
		assert_int_equal(driver_ring_poll(&pair.driver, &done, 1), 1);
		assert_false(virtqueue_enable_kicks(&pair.device));
		pair_add(&pair, round);
		assert_true(driver_ring_publish(&pair.driver));
		virtqueue_disable_kicks(&pair.device);
		assert_true(virtqueue_enable_kicks(&pair.device));
		virtqueue_disable_kicks(&pair.device);
		assert_int_equal(virtqueue_pop(&pair.device, &chains[0]), 1);
		driver_ring_enable_calls(&pair.driver);
		virtqueue_push(&pair.device, &chains[0], 0);
		virtqueue_publish(&pair.device);
		assert_true(virtqueue_needs_call(&pair.device));
		virtqueue_settle_call(&pair.device);
		assert_false(virtqueue_needs_call(&pair.device));
		assert_int_equal(driver_ring_poll(&pair.driver, &done, 1), 1);
		driver_ring_disable_calls(&pair.driver);
	}
	pair_close(&pair);
}

static void kicks_and_calls_come_when_asked_for(void **state)
{
	for (unsigned i = 0; i < 4; i++)
		notifications(i & 1, i & 2);
}

static void nothing_is_seen_before_it_is_published(void **state)
{
	struct driver_completion done[4];

	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		pair_open(&pair, 16, is_packed, true, false);
		pair_attach(&pair);
		for (unsigned i = 0; i < 3; i++)
			pair_add(&pair, i);
		driver_ring_publish(&pair.driver);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(virtqueue_pop(&pair.device, &chains[i]), 1);
			virtqueue_push(&pair.device, &chains[i], 0);
			assert_int_equal(driver_ring_poll(&pair.driver, done, 4), 0);
		}
		virtqueue_publish(&pair.device);
		assert_int_equal(driver_ring_poll(&pair.driver, done, 4), 3);
		pair_close(&pair);
	}
}

/* ---- a hostile driver ---- */

struct attack {
	const char *reason;
	void (*strike)(void);
};

static struct vring_desc *split_descriptors(void)
{
	return pair.driver.descriptor_area;
}

static struct vring_avail *split_available(void)
{
	return pair.driver.driver_area;
}

static void loop(void)
{
	split_descriptors()[split_available()->ring[0]].flags = VRING_DESC_F_NEXT;
	split_descriptors()[split_available()->ring[0]].next = split_available()->ring[0];
	split_descriptors()[split_available()->ring[0]].len = 0;
}

static void head_out_of_range(void)
{
	split_available()->ring[0] = 16;
}

static void next_out_of_range(void)
{
	split_descriptors()[split_available()->ring[0]].next = 16;
}

static void outside(void)
{
	split_descriptors()[split_available()->ring[0]].addr = PAIR_MEMORY_BYTES - 8;
}

static void wraps(void)
{
	split_descriptors()[split_available()->ring[0]].addr = UINT64_MAX - 4;
	split_descriptors()[split_available()->ring[0]].len = UINT32_MAX;
}

static void jump(void)
{
	split_available()->idx = 1000;
}

static void reversed(void)
{
	split_descriptors()[split_available()->ring[0]].flags |= VRING_DESC_F_WRITE;
	split_descriptors()[split_descriptors()[split_available()->ring[0]].next].flags = 0;
}

static void bad_table(void)
{
	split_descriptors()[split_available()->ring[0]].flags = VRING_DESC_F_INDIRECT;
	split_descriptors()[split_available()->ring[0]].len = 17;
}

static void table_with_next(void)
{
	split_descriptors()[split_available()->ring[0]].flags |= VRING_DESC_F_INDIRECT;
}

static void nested_table(void)
{
	struct vring_desc *inner = (void *)(pair.memory + PAIR_BUFFERS);

	*inner = (struct vring_desc){PAIR_BUFFERS, 16, VRING_DESC_F_INDIRECT, 0};
	split_descriptors()[split_available()->ring[0]] =
		(struct vring_desc){PAIR_BUFFERS, 16, VRING_DESC_F_INDIRECT, 0};
}

static void same_head_twice(void)
{
	split_available()->ring[1] = split_available()->ring[0];
	split_available()->idx = 2;
}

static void a_split_ring_that_breaks_the_protocol_is_stopped_with_the_reason(void **state)
{
	static const struct attack attacks[] = {
		{"a chain of descriptors has a loop", loop},
		{"a head index is out of range", head_out_of_range},
		{"a descriptor index is out of range", next_out_of_range},
		{"a buffer lies outside of the guest's memory", outside},
		{"a buffer lies outside of the guest's memory", wraps},
		{"the available index jumped", jump},
		{"a readable buffer follows a writable one", reversed},
		{"an indirect table has an impossible size", bad_table},
		{"an indirect descriptor has a next one", table_with_next},
		{"an indirect table has an indirect descriptor", nested_table},
		{"a chain in flight was made available again", same_head_twice},
	};

	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		int result, pops = 0;

		pair_open(&pair, 16, false, false, false);
		pair_attach(&pair);
		pair_add(&pair, 0);
		driver_ring_publish(&pair.driver);
		attacks[i].strike();
		while ((result = virtqueue_pop(&pair.device, &chains[pops])) == 1)
			pops++;
		assert_int_equal(result, -EPROTO);
		assert_string_equal(pair.device.broken, attacks[i].reason);
		assert_int_equal(virtqueue_pop(&pair.device, &chains[0]), -EPROTO);
		pair_close(&pair);
	}
}

static void a_packed_ring_with_endless_chains_is_stopped(void **state)
{
	struct vring_packed_desc *descriptors;

	pair_open(&pair, 16, true, false, false);
	pair_attach(&pair);
	pair_add(&pair, 0);
	driver_ring_publish(&pair.driver);
	descriptors = pair.driver.descriptor_area;
	for (unsigned i = 0; i < 16; i++) {
		descriptors[i].len = 0;
		descriptors[i].flags |= VRING_DESC_F_NEXT;
	}
	assert_int_equal(virtqueue_pop(&pair.device, &chains[0]), -EPROTO);
	assert_string_equal(pair.device.broken, "more descriptors are available than the ring has");
	pair_close(&pair);
}

static void rings_outside_of_memory_are_refused(void **state)
{
	struct error error;

	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		pair_open(&pair, 16, is_packed, false, false);
		pair.setup.device_address += PAIR_MEMORY_BYTES;
		assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
		pair.setup.device_address -= PAIR_MEMORY_BYTES;
		pair.setup.size = 0;
		assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
		pair_close(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(split_ring_carries_chains_over_many_laps),
		cmocka_unit_test(packed_ring_carries_chains_over_many_laps),
		cmocka_unit_test(kicks_and_calls_come_when_asked_for),
		cmocka_unit_test(nothing_is_seen_before_it_is_published),
		cmocka_unit_test(a_split_ring_that_breaks_the_protocol_is_stopped_with_the_reason),
		cmocka_unit_test(a_packed_ring_with_endless_chains_is_stopped),
		cmocka_unit_test(rings_outside_of_memory_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
