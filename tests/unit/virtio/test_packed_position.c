/* A device that dies at any moment, and a successor that is told a position from long ago. */
#include "ring_pair.h"

#define SIZE 13u /* no power of two: chains meet the end of the ring in all ways */
#define POPPED_MAX SIZE
#define ROUNDS 200000u

static struct ring_pair pair;
static struct descriptor_chain popped[POPPED_MAX];
static unsigned popped_count;
static uint64_t added, done;
static bool is_receiving; /* all chains are written, or all are read */

static void add_one(void)
{
	struct driver_segment segments[4];
	unsigned count = 1 + (unsigned)rand() % 4;

	for (unsigned i = 0; i < count; i++)
		segments[i] = (struct driver_segment){PAIR_BUFFERS + 64ull * i, 32};
	if (driver_ring_add(&pair.driver, segments, is_receiving ? 0 : count,
		    is_receiving ? count : 0, &pair) == 0)
		added++;
	driver_ring_publish(&pair.driver);
}

static void pop_one(void)
{
	if (popped_count < POPPED_MAX && virtqueue_pop(&pair.device, &popped[popped_count]) == 1)
		popped_count++;
}

static void push_one(void)
{
	if (!popped_count)
		return;
	virtqueue_push(&pair.device, &popped[0], is_receiving ? 8 : 0);
	memmove(popped, popped + 1, --popped_count * sizeof *popped);
}

static void collect(void)
{
	struct driver_completion completions[SIZE];
	int count = driver_ring_poll(&pair.driver, completions, SIZE);

	assert_true(count >= 0);
	done += (uint64_t)count;
}

static void publish(void)
{
	virtqueue_publish(&pair.device);
	collect();
}

static void die(void)
{
	collect();
	memset(&pair.device, 0xee, sizeof pair.device);
	popped_count = 0;
	pair_attach(&pair);
	assert_int_equal(pair.device.next_used, pair.driver.next_used);
	assert_int_equal(pair.device.used_wrap, pair.driver.used_wrap);
}

/* As far as the first of a batch: all behind it are marked as used. */
static void die_while_publishing(void)
{
	struct vring_packed_desc *descriptors = pair.driver.descriptor_area;
	struct vring_packed_desc before[SIZE];
	unsigned hidden =
		pair.device.batch_count ? 1 + (unsigned)rand() % pair.device.batch_count : 0;
	uint16_t slots[SIZE], spans[SIZE];

	for (unsigned i = 0; i < hidden; i++) {
		slots[i] = pair.device.batch_slots[i];
		spans[i] = pair.device.batch_spans[i];
	}
	memcpy(before, descriptors, sizeof before);
	virtqueue_publish(&pair.device);
	for (unsigned i = 0; i < hidden; i++)
		for (unsigned k = 0; k < spans[i]; k++)
			descriptors[(slots[i] + k) % SIZE] = before[(slots[i] + k) % SIZE];
	die();
}

static void put_back(void)
{
	if (popped_count)
		virtqueue_unpop(&pair.device, &popped[--popped_count]);
}

static void finish(void)
{
	for (unsigned i = 0; i < 4 * SIZE; i++) {
		pop_one();
		push_one();
		publish();
	}
	assert_int_equal(done, added);
}

static void die_again_and_again(void)
{
	static void (*const ways[])(void) = {add_one, add_one, add_one, pop_one, pop_one, pop_one,
		push_one, push_one, publish, publish, put_back, die, die_while_publishing};

	added = done = 0;
	pair_open(&pair, SIZE, true, false, false);
	pair_attach(&pair);
	for (unsigned i = 0; i < ROUNDS; i++) {
		ways[(unsigned)rand() % (sizeof ways / sizeof *ways)]();
		if (i % 1000 == 0)
			finish();
	}
	finish();
	assert_true(added > ROUNDS / 200);
	pair_close(&pair);
}

static void a_successor_goes_on_where_its_predecessor_died(void **state)
{
	srand(1);
	die_again_and_again();
	is_receiving = true;
	die_again_and_again();
}

/* The driver has written all of a chain but its first descriptor, when the successor looks. */
static void a_chain_that_is_being_written_is_not_taken_for_one_that_is(void **state)
{
	struct vring_packed_desc *descriptors;

	pair_open(&pair, 4, true, false, false);
	descriptors = pair.driver.descriptor_area;
	descriptors[0] = (struct vring_packed_desc){.flags = 1u << 7 | 1u << 15};
	descriptors[2] = (struct vring_packed_desc){.flags = 1u << 7};
	pair_attach(&pair);
	assert_int_equal(pair.device.next_available, 1);
	assert_true(pair.device.available_wrap);
	pair_close(&pair);
}

/* Devices of others mark only the first descriptor of a chain. */
static void a_ring_of_anothers_device_is_taken_up_where_the_front_end_says(void **state)
{
	struct vring_packed_desc *descriptors;

	pair_open(&pair, 8, true, false, false);
	descriptors = pair.driver.descriptor_area;
	for (unsigned i = 0; i < 6; i++)
		descriptors[i] = (struct vring_packed_desc){
			.flags = (uint16_t)(1u << 7 | (i % 2 ? 0 : 1u << 15))};
	pair.setup.base = 0x80068006;
	pair_attach(&pair);
	assert_int_equal(pair.device.next_available, 6);
	assert_true(pair.device.available_wrap);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_successor_goes_on_where_its_predecessor_died),
		cmocka_unit_test(a_chain_that_is_being_written_is_not_taken_for_one_that_is),
		cmocka_unit_test(a_ring_of_anothers_device_is_taken_up_where_the_front_end_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
