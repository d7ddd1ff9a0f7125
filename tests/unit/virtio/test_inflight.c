/*
 * A device that dies between any two steps, and its successor: what the driver has made available is
 * used exactly once, or popped again; none is lost.
 *
 * The death is simulated by forgetting the device's private state and attaching anew to the same ring
 * and region. Deaths within a step are simulated by putting back older bytes of the region, as a
 * process would have left them that was killed before its last stores.
 */
#include "ring_pair.h"

#include <errno.h>

#define CHAINS 4096u

static struct ring_pair pair;
static struct descriptor_chain popped[64];
static unsigned popped_count;
static uint8_t answers[CHAINS];
static uint64_t seed;

static unsigned chance(unsigned bound)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (unsigned)((seed >> 33) % bound);
}

static void collect(void)
{
	struct driver_completion done[64];
	int count = driver_ring_poll(&pair.driver, done, 64);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(++answers[(uintptr_t)done[i].token - 1], 1);
}

static void die_and_attach(void)
{
	/* As a front end that lost its back end without warning: it does not know the base. */
	pair.setup.base = driver_ring_base(&pair.driver);
	popped_count = 0;
	pair_attach(&pair);
}

static void pop_some(void)
{
	for (unsigned i = chance(5); i > 0 && popped_count < 64; i--)
		if (virtqueue_pop(&pair.device, &popped[popped_count]) == 1)
			popped_count++;
	assert_null(pair.device.broken);
}

static void push_one(void)
{
	unsigned index = chance(popped_count);

	virtqueue_push(&pair.device, &popped[index], 0);
	popped[index] = popped[--popped_count];
}

static void live_and_die(bool is_packed, uint64_t with_seed)
{
	uintptr_t added = 0;

	seed = with_seed;
	memset(answers, 0, sizeof answers);
	pair_open(&pair, 32, is_packed, true, false);
	pair_track(&pair);
	popped_count = 0;
	pair_attach(&pair);
	while (added < CHAINS) {
		for (unsigned i = chance(4); i > 0 && added < CHAINS; i--)
			if (pair_add(&pair, added) == 0)
				added++;
		driver_ring_publish(&pair.driver);
		pop_some();
		for (unsigned i = chance(5); i > 0 && popped_count; i--)
			push_one();
		if (chance(3))
			virtqueue_publish(&pair.device);
		if (chance(10) == 0)
			die_and_attach();
		collect();
	}
	die_and_attach();
	for (unsigned rounds = 0; rounds < 100; rounds++) {
		pop_some();
		while (popped_count)
			push_one();
		virtqueue_publish(&pair.device);
		collect();
	}
	for (unsigned i = 0; i < CHAINS; i++)
		assert_int_equal(answers[i], 1);
	pair_close(&pair);
}

static void every_chain_is_answered_once_however_often_the_device_dies(void **state)
{
	for (uint64_t with_seed = 1; with_seed <= 40; with_seed++) {
		live_and_die(false, with_seed);
		live_and_die(true, with_seed);
	}
}

/* Killed after the driver could see a batch, before the region says so: nothing is done twice. */
static void a_batch_that_the_driver_saw_is_not_done_again(void **state)
{
	size_t bytes = inflight_queue_bytes(false, 32);
	void *before = malloc(bytes);

	memset(answers, 0, sizeof answers);
	pair_open(&pair, 32, false, false, false);
	pair_track(&pair);
	pair_attach(&pair);
	for (unsigned i = 0; i < 5; i++)
		pair_add(&pair, i);
	driver_ring_publish(&pair.driver);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(virtqueue_pop(&pair.device, &popped[i]), 1);
	for (unsigned i = 0; i < 3; i++)
		virtqueue_push(&pair.device, &popped[i], 0);
	memcpy(before, pair.inflight, bytes);
	virtqueue_publish(&pair.device);
	memcpy(pair.inflight, before, bytes);
	collect();
	die_and_attach();
	assert_int_equal(pair.device.resubmit_count, 2);
	while (virtqueue_pop(&pair.device, &popped[popped_count]) == 1)
		assert_true(pair_number(&popped[popped_count++]) >= 3);
	assert_int_equal(popped_count, 2);
	free(before);
	pair_close(&pair);
}

/* A region is new but the ring is not, and the process dies before it has completed anything. */
static void death_before_the_first_completion_loses_nothing(void **state)
{
	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		memset(answers, 0, sizeof answers);
		pair_open(&pair, 32, is_packed, false, false);
		pair_attach(&pair);
		for (unsigned i = 0; i < 100; i++) {
			pair_add(&pair, i);
			driver_ring_publish(&pair.driver);
			assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
			virtqueue_push(&pair.device, &popped[0], 0);
			virtqueue_publish(&pair.device);
			collect();
		}
		pair.setup.base = virtqueue_base(&pair.device);
		pair_track(&pair);
		pair_attach(&pair);
		for (unsigned i = 100; i < 103; i++)
			pair_add(&pair, i);
		driver_ring_publish(&pair.driver);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(virtqueue_pop(&pair.device, &popped[i]), 1);
		pair_attach(&pair);
		for (uintptr_t i = 100; i < 103; i++) {
			assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
			assert_int_equal(pair_number(&popped[0]), i);
		}
		assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 0);
		pair_close(&pair);
	}
}

static void make_available(unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		assert_int_equal(pair_add(&pair, i), 0);
	driver_ring_publish(&pair.driver);
}

/* However often it is resubmitted: what was popped first is popped first again. */
static void chains_are_done_again_in_the_order_of_their_first_pop(void **state)
{
	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		pair_open(&pair, 32, is_packed, false, false);
		pair_track(&pair);
		pair_attach(&pair);
		make_available(0, 5);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
		for (unsigned deaths = 0; deaths < 4; deaths++) {
			die_and_attach();
			for (uintptr_t i = 0; i <= deaths; i++) {
				assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
				assert_int_equal(pair_number(&popped[0]), i);
			}
		}
		pair_close(&pair);
	}
}

static void kicks_are_not_waited_for_while_there_is_something_to_do_again(void **state)
{
	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		pair_open(&pair, 32, is_packed, false, false);
		pair_track(&pair);
		pair_attach(&pair);
		make_available(0, 1);
		assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
		die_and_attach();
		assert_true(virtqueue_enable_kicks(&pair.device));
		assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
		assert_false(virtqueue_enable_kicks(&pair.device));
		pair_close(&pair);
	}
}

static unsigned count_free_entries(void)
{
	const struct inflight_packed_region *region = pair.inflight;
	unsigned count = 0;

	for (uint16_t i = region->free_head; i < pair.setup.size; i = region->entries[i].next)
		count++;
	return count;
}

/* A ring that is mended by its driver, without a reset, is tracked as before. */
static void a_chain_that_breaks_the_ring_leaves_nothing_in_the_region(void **state)
{
	struct vring_packed_desc *descriptors;

	pair_open(&pair, 32, true, false, false);
	pair_track(&pair);
	pair_attach(&pair);
	descriptors = pair.driver.descriptor_area;
	make_available(0, 2);
	descriptors[3].addr = UINT64_MAX - 1000;
	assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
	assert_int_equal(virtqueue_pop(&pair.device, &popped[1]), -EPROTO);
	virtqueue_push(&pair.device, &popped[0], 0);
	virtqueue_publish(&pair.device);
	assert_int_equal(count_free_entries(), 32);
	descriptors[3].addr = PAIR_BUFFERS;
	die_and_attach();
	assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), 1);
	assert_int_equal(pair_number(&popped[0]), 1);
	pair_close(&pair);
}

/* The front end makes a chain longer after the successor has counted what it must do again. */
static void a_chain_that_grows_in_the_region_breaks_the_ring(void **state)
{
	struct inflight_packed_region *region;

	pair_open(&pair, 32, true, false, false);
	pair_track(&pair);
	pair_attach(&pair);
	make_available(0, 2);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(virtqueue_pop(&pair.device, &popped[i]), 1);
	die_and_attach();
	region = pair.inflight;
	for (unsigned i = 0; i < 32; i++)
		region->entries[i] = (struct inflight_packed_entry){
			.inflight = 1, .next = i, .last = i, .num = 60000};
	assert_int_equal(virtqueue_pop(&pair.device, &popped[0]), -EPROTO);
	assert_string_equal(pair.device.broken, "the in-flight region contradicts itself");
	pair_close(&pair);
}

/* Whatever a front end writes into the region, the device stays within its memory (ASan looks). */
static void scribbling_over_the_region_harms_nobody(void **state)
{
	for (seed = 1; seed < 3000; seed++) {
		bool is_packed = seed % 2;
		uint8_t *bytes;

		pair_open(&pair, 16, is_packed, false, false);
		pair_track(&pair);
		pair_attach(&pair);
		bytes = pair.inflight;
		for (unsigned round = 0; round < 4; round++) {
			struct error error;

			for (unsigned i = 0; i < 16; i++)
				bytes[chance((unsigned)inflight_queue_bytes(is_packed, 16))] =
					(uint8_t)chance(256);
			pair.setup.inflight = pair.inflight;
			if (virtqueue_attach(&pair.device, &pair.setup, &error) < 0)
				break;
			pair_add(&pair, round);
			driver_ring_publish(&pair.driver);
			popped_count = 0;
			while (popped_count < 16 &&
				virtqueue_pop(&pair.device, &popped[popped_count]) == 1)
				popped_count++;
			while (popped_count)
				push_one();
			virtqueue_publish(&pair.device);
		}
		pair_close(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_chain_is_answered_once_however_often_the_device_dies),
		cmocka_unit_test(a_batch_that_the_driver_saw_is_not_done_again),
		cmocka_unit_test(death_before_the_first_completion_loses_nothing),
		cmocka_unit_test(chains_are_done_again_in_the_order_of_their_first_pop),
		cmocka_unit_test(kicks_are_not_waited_for_while_there_is_something_to_do_again),
		cmocka_unit_test(a_chain_that_breaks_the_ring_leaves_nothing_in_the_region),
		cmocka_unit_test(a_chain_that_grows_in_the_region_breaks_the_ring),
		cmocka_unit_test(scribbling_over_the_region_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
