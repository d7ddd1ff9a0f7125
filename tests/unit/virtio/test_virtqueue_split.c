/* What is particular to split rings: their indexes and notifications. */
#include "split_ring.h"

/* ---- the available index ---- */

static void an_index_ahead_by_more_than_the_ring_breaks_it(void **state)
{
	open_ring_at(65530, false);
	available()->idx = (uint16_t)(65530 + SIZE + 1);
	assert_breaks("the available index jumped");
}

static void an_index_that_goes_back_breaks_the_ring(void **state)
{
	open_ring_at(3, false);
	available()->idx = 2;
	assert_breaks("the available index jumped");
}

/* What was popped before can still be given back, and the driver gets to see it. */
static void a_broken_ring_takes_what_is_in_flight(void **state)
{
	struct descriptor_chain next;

	open_ring(false);
	describe(descriptors(), 0, 0, 8, 0, 0);
	offer(0);
	offer(SIZE);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(virtqueue_pop(&pair.device, &next), -EPROTO);
	virtqueue_push(&pair.device, &chain, 0);
	virtqueue_publish(&pair.device);
	assert_int_equal(used()->idx, 1);
	assert_int_equal(used()->ring[0].id, 0);
	assert_int_equal(pair.device.in_flight, 0);
	assert_int_equal(virtqueue_pop(&pair.device, &next), -EPROTO);
	pair_close(&pair);
}

/* ---- indexes ---- */

static void indexes_wrap_around(void **state)
{
	open_ring_at(65530, true);
	for (unsigned i = 0; i < 20; i++) {
		describe(descriptors(), (uint16_t)(i % SIZE), i, 8, VRING_DESC_F_WRITE, 0);
		offer((uint16_t)(i % SIZE));
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
		assert_int_equal(chain.id, i % SIZE);
		virtqueue_push(&pair.device, &chain, i);
		virtqueue_publish(&pair.device);
		assert_int_equal(used()->idx, (uint16_t)(65530 + i + 1));
		assert_int_equal(used()->ring[(65530 + i) % SIZE].id, i % SIZE);
		assert_int_equal(used()->ring[(65530 + i) % SIZE].len, i);
	}
	assert_int_equal(virtqueue_base(&pair.device), (uint16_t)(65530 + 20));
	pair_close(&pair);
}

static void a_full_ring_is_no_jump(void **state)
{
	open_ring_at(65530, false);
	for (uint16_t i = 0; i < SIZE; i++) {
		describe(descriptors(), i, 0, 8, 0, 0);
		offer(i);
	}
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 0);
	pair_close(&pair);
}

static void a_ring_goes_on_from_its_base(void **state)
{
	uint32_t base;

	open_ring(false);
	for (uint16_t i = 0; i < 3; i++) {
		describe(descriptors(), i, 0, 8, 0, 0);
		offer(i);
	}
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	virtqueue_push(&pair.device, &chain, 0);
	virtqueue_publish(&pair.device);
	base = virtqueue_base(&pair.device);
	assert_int_equal(base, 1);
	pair.setup.base = base;
	pair_attach(&pair);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.id, 1);
	virtqueue_push(&pair.device, &chain, 0);
	virtqueue_publish(&pair.device);
	assert_int_equal(used()->idx, 2);
	pair_close(&pair);
}

/* It has not been popped, and its driver may mend it. */
static void the_base_stays_at_a_chain_that_breaks_the_ring(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 0, 8, 0, 0);
	describe(descriptors(), 1, UINT64_MAX / 2, 8, 0, 0);
	offer(0);
	offer(1);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), -EPROTO);
	assert_int_equal(virtqueue_base(&pair.device), 1);
	pair_close(&pair);
}

static void a_large_batch_publishes_itself(void **state)
{
	static struct descriptor_chain chains[128];

	pair_open(&pair, 128, false, false, false);
	pair_attach(&pair);
	for (uint16_t i = 0; i < VIRTQUEUE_BATCH_MAX; i++) {
		describe(descriptors(), i, 0, 8, 0, 0);
		available()->ring[i] = i;
	}
	available()->idx = VIRTQUEUE_BATCH_MAX;
	for (unsigned i = 0; i < VIRTQUEUE_BATCH_MAX; i++) {
		assert_int_equal(virtqueue_pop(&pair.device, &chains[i]), 1);
		assert_int_equal(used()->idx, 0);
	}
	for (unsigned i = 0; i < VIRTQUEUE_BATCH_MAX; i++)
		virtqueue_push(&pair.device, &chains[i], 0);
	assert_int_equal(used()->idx, VIRTQUEUE_BATCH_MAX);
	pair_close(&pair);
}

/* ---- notifications ---- */

static void use(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		offer(0);
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
		virtqueue_push(&pair.device, &chain, 0);
		virtqueue_publish(&pair.device);
	}
}

/* 2.7.7.2: a call is due when the used index passes the event, and only then. */
static void calls_follow_the_used_event(void **state)
{
	for (int distance = -20; distance <= 20; distance++)
		for (unsigned count = 1; count <= 5; count++) {
			open_ring_at(65533, true);
			describe(descriptors(), 0, 0, 8, 0, 0);
			available()->ring[SIZE] = (uint16_t)(65533 + distance);
			use(count);
			assert_int_equal(virtqueue_needs_call(&pair.device),
				distance >= 0 && distance < (int)count);
			virtqueue_settle_call(&pair.device);
			assert_false(virtqueue_needs_call(&pair.device));
			pair_close(&pair);
		}
}

static void the_driver_can_do_without_calls(void **state)
{
	open_ring(false);
	describe(descriptors(), 0, 0, 8, 0, 0);
	available()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	use(1);
	assert_false(virtqueue_needs_call(&pair.device));
	virtqueue_settle_call(&pair.device);
	available()->flags = 0;
	assert_false(virtqueue_needs_call(&pair.device));
	use(1);
	assert_true(virtqueue_needs_call(&pair.device));
	pair_close(&pair);
}

static void kicks_are_asked_for_by_flag(void **state)
{
	open_ring(false);
	virtqueue_disable_kicks(&pair.device);
	assert_int_equal(used()->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(virtqueue_enable_kicks(&pair.device));
	assert_int_equal(used()->flags, 0);
	offer(0);
	assert_true(virtqueue_enable_kicks(&pair.device));
	pair_close(&pair);
}

static void kicks_are_asked_for_by_event_index(void **state)
{
	open_ring_at(65535, true);
	describe(descriptors(), 0, 0, 8, 0, 0);
	assert_false(virtqueue_enable_kicks(&pair.device));
	assert_int_equal(*(uint16_t *)&used()->ring[SIZE], 65535);
	offer(0);
	assert_true(virtqueue_enable_kicks(&pair.device));
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_false(virtqueue_enable_kicks(&pair.device));
	assert_int_equal(*(uint16_t *)&used()->ring[SIZE], 0);
	pair_close(&pair);
}

/* ---- attaching ---- */

static void impossible_rings_are_refused(void **state)
{
	struct error error;

	pair_open(&pair, SIZE, false, false, false);
	pair.setup.size = 24;
	assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
	pair.setup.size = VIRTQUEUE_SIZE_MAX * 2;
	assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
	pair.setup.size = SIZE;
	pair.setup.descriptor_address += 8;
	assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
	pair.setup.descriptor_address -= 8;
	pair.setup.driver_address += 1;
	assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
	pair.setup.driver_address -= 1;
	pair.setup.device_address += 2;
	assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
	pair_close(&pair);
}

/* The used ring's event index is the last thing in it, and has to be in memory as well. */
static void a_ring_whose_end_lies_outside_is_refused(void **state)
{
	uint64_t end;
	struct error error;

	pair_open(&pair, SIZE, false, false, false);
	end = pair.setup.descriptor_address + PAIR_MEMORY_BYTES;
	pair.setup.device_address = end - (4 + SIZE * 8);
	assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
	pair.setup.device_address = end - (4 + SIZE * 8 + 4);
	assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), 0);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_index_ahead_by_more_than_the_ring_breaks_it),
		cmocka_unit_test(an_index_that_goes_back_breaks_the_ring),
		cmocka_unit_test(a_broken_ring_takes_what_is_in_flight),
		cmocka_unit_test(indexes_wrap_around),
		cmocka_unit_test(a_full_ring_is_no_jump),
		cmocka_unit_test(a_ring_goes_on_from_its_base),
		cmocka_unit_test(the_base_stays_at_a_chain_that_breaks_the_ring),
		cmocka_unit_test(a_large_batch_publishes_itself),
		cmocka_unit_test(calls_follow_the_used_event),
		cmocka_unit_test(the_driver_can_do_without_calls),
		cmocka_unit_test(kicks_are_asked_for_by_flag),
		cmocka_unit_test(kicks_are_asked_for_by_event_index),
		cmocka_unit_test(impossible_rings_are_refused),
		cmocka_unit_test(a_ring_whose_end_lies_outside_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
