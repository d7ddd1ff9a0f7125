/* What is particular to packed rings, with the driver's side written by hand. */
#include "ring_pair.h"

#include <errno.h>

#define SIZE 5u
#define AVAILABLE (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED (1u << VRING_PACKED_DESC_F_USED)
#define WRAP (1u << VRING_PACKED_EVENT_F_WRAP_CTR)

static struct ring_pair pair;
static struct descriptor_chain chain;

/* Where the driver is in the ring. */
static uint16_t next_slot;
static bool wrap;

static struct vring_packed_desc *descriptors(void)
{
	return pair.driver.descriptor_area;
}

static struct vring_packed_desc_event *driver_event(void)
{
	return pair.driver.driver_area;
}

static struct vring_packed_desc_event *device_event(void)
{
	return pair.driver.device_area;
}

static uint32_t base_of(uint16_t slot, bool with_wrap)
{
	uint32_t half = slot | (with_wrap ? WRAP : 0);

	return half | half << 16;
}

static void open_ring_of(uint16_t size, bool has_event_index)
{
	pair_open(&pair, size, true, has_event_index, false);
	pair_attach(&pair);
	next_slot = 0;
	wrap = true;
}

static void open_ring(void)
{
	open_ring_of(SIZE, false);
}

static void offer_flags(uint64_t offset, uint32_t size_bytes, uint16_t id, uint16_t flags)
{
	descriptors()[next_slot] = (struct vring_packed_desc){PAIR_BUFFERS + offset, size_bytes, id,
		(uint16_t)(flags | (wrap ? AVAILABLE : USED))};
	if (++next_slot == pair.setup.size) {
		next_slot = 0;
		wrap = !wrap;
	}
}

static void offer(uint16_t id)
{
	offer_flags(id * 8u, 8, id, VRING_DESC_F_WRITE);
}

/* Let chains of one descriptor go through until the ring stands at `slot`. */
static void go_to(uint16_t slot)
{
	while (next_slot != slot) {
		offer(0);
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
		virtqueue_push(&pair.device, &chain, 0);
		virtqueue_publish(&pair.device);
	}
	virtqueue_settle_call(&pair.device);
}

static void assert_used(uint16_t slot, uint16_t id, bool with_wrap)
{
	uint16_t flags = descriptors()[slot].flags;

	assert_int_equal(descriptors()[slot].id, id);
	assert_int_equal(!!(flags & AVAILABLE), with_wrap);
	assert_int_equal(!!(flags & USED), with_wrap);
}

static struct vring_packed_desc *table_at(uint64_t offset)
{
	return (struct vring_packed_desc *)(pair.memory + PAIR_BUFFERS + offset);
}

static void assert_breaks(const char *reason)
{
	assert_int_equal(virtqueue_pop(&pair.device, &chain), -EPROTO);
	assert_string_equal(pair.device.broken, reason);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), -EPROTO);
	pair_close(&pair);
}

/* ---- chains ---- */

static void the_id_of_a_chain_is_that_of_its_last_descriptor(void **state)
{
	open_ring();
	offer_flags(0, 16, 11, VRING_DESC_F_NEXT);
	offer_flags(64, 8, 12, VRING_DESC_F_WRITE);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.id, 12);
	assert_int_equal(chain.ring_slots, 2);
	assert_int_equal(chain.readable_count, 1);
	assert_int_equal(chain.writable_count, 1);
	pair_close(&pair);
}

static void a_chain_may_go_over_the_end_of_the_ring(void **state)
{
	open_ring();
	go_to(4);
	offer_flags(0, 16, 7, VRING_DESC_F_NEXT);
	offer_flags(64, 8, 7, VRING_DESC_F_WRITE);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.ring_slots, 2);
	virtqueue_push(&pair.device, &chain, 8);
	virtqueue_publish(&pair.device);
	assert_used(4, 7, true);
	assert_int_equal(virtqueue_base(&pair.device), base_of(1, false));
	pair_close(&pair);
}

/* Of a table's flags only WRITE counts, and all of its descriptors belong to the chain (2.8.7). */
static void an_indirect_table_is_one_slot(void **state)
{
	open_ring();
	offer_flags(1, 3 * 16, 9, VRING_DESC_F_INDIRECT);
	memcpy(table_at(1), &(struct vring_packed_desc){PAIR_BUFFERS, 16, 1, VRING_DESC_F_NEXT},
		16);
	memcpy(table_at(17), &(struct vring_packed_desc){PAIR_BUFFERS, 0, 2, 0}, 16);
	memcpy(table_at(33),
		&(struct vring_packed_desc){
			PAIR_BUFFERS, 8, 3, VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT},
		16);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(chain.id, 9);
	assert_int_equal(chain.ring_slots, 1);
	assert_int_equal(chain.readable_count, 1);
	assert_int_equal(chain.writable_count, 1);
	pair_close(&pair);
}

static void chains_are_given_back_in_the_order_of_completion(void **state)
{
	struct descriptor_chain chains[3];

	open_ring();
	for (uint16_t i = 0; i < 3; i++)
		offer(i);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(virtqueue_pop(&pair.device, &chains[i]), 1);
	virtqueue_push(&pair.device, &chains[2], 8);
	virtqueue_push(&pair.device, &chains[0], 8);
	virtqueue_publish(&pair.device);
	assert_used(0, 2, true);
	assert_used(1, 0, true);
	assert_int_equal(descriptors()[2].id, 2);
	assert_true(descriptors()[0].flags & VRING_DESC_F_WRITE);
	pair_close(&pair);
}

static void rings_of_any_size_go_round(void **state)
{
	for (uint16_t size = 1; size <= 9; size++) {
		open_ring_of(size, false);
		for (unsigned i = 0; i < 5u * size; i++) {
			uint16_t slot = next_slot;
			bool lap = wrap;

			assert_int_equal(virtqueue_pop(&pair.device, &chain), 0);
			offer((uint16_t)i);
			assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
			assert_int_equal(chain.id, i);
			virtqueue_push(&pair.device, &chain, 0);
			virtqueue_publish(&pair.device);
			assert_used(slot, (uint16_t)i, lap);
		}
		pair_close(&pair);
	}
}

static void a_ring_goes_on_from_its_base(void **state)
{
	for (uint16_t slot = 0; slot < SIZE; slot++) {
		uint32_t base;

		open_ring();
		go_to(2);
		go_to(slot);
		offer(33);
		base = virtqueue_base(&pair.device);
		assert_int_equal(base, base_of(slot, slot >= 2));
		pair.setup.base = base;
		pair_attach(&pair);
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
		assert_int_equal(chain.id, 33);
		virtqueue_push(&pair.device, &chain, 0);
		virtqueue_publish(&pair.device);
		assert_used(slot, 33, slot >= 2);
		pair_close(&pair);
	}
}

static void a_full_ring_is_popped_and_no_more(void **state)
{
	open_ring();
	for (uint16_t i = 0; i < SIZE; i++)
		offer(i);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 0);
	pair_close(&pair);
}

/* ---- a hostile driver ---- */

static void a_ring_that_offers_what_is_in_flight_breaks(void **state)
{
	open_ring();
	for (uint16_t i = 0; i < SIZE; i++)
		offer(i);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	offer(0);
	assert_breaks("more descriptors are available than the ring has");
}

static void a_chain_that_reaches_into_what_is_in_flight_breaks_the_ring(void **state)
{
	open_ring();
	offer(0);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	for (unsigned i = 0; i < SIZE - 1; i++)
		offer_flags(0, 8, 0, VRING_DESC_F_NEXT);
	assert_breaks("more descriptors are available than the ring has");
}

static void a_readable_buffer_after_a_writable_one_breaks_the_ring(void **state)
{
	open_ring();
	offer_flags(0, 8, 0, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT);
	offer_flags(0, 8, 0, 0);
	assert_breaks("a readable buffer follows a writable one");
}

static void buffers_outside_of_memory_break_the_ring(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t size_bytes;
	} buffers[] = {
		{PAIR_MEMORY_BYTES - PAIR_BUFFERS, 1},
		{PAIR_MEMORY_BYTES - PAIR_BUFFERS - 4, 5},
		{0, UINT32_MAX},
		{UINT64_MAX - PAIR_BUFFERS, 1},
		{UINT64_MAX - PAIR_BUFFERS, 2},
	};

	for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
		open_ring();
		offer_flags(buffers[i].offset, buffers[i].size_bytes, 0, 0);
		assert_breaks("a buffer lies outside of the guest's memory");
	}
}

static void bad_tables_break_the_ring(void **state)
{
	static const struct {
		const char *reason;
		uint64_t offset;
		uint32_t size_bytes;
		uint16_t flags;
	} tables[] = {
		{"an indirect table has an impossible size", 0, 0, 0},
		{"an indirect table has an impossible size", 0, 17, 0},
		{"an indirect table lies outside of the guest's memory",
			PAIR_MEMORY_BYTES - PAIR_BUFFERS - 16, 32, 0},
		{"an indirect descriptor has a next one", 0, 16, VRING_DESC_F_NEXT},
		{"a chain has more descriptors than the device's limit", 0,
			16 * (DESCRIPTOR_CHAIN_LENGTH_MAX + 1), 0},
	};

	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
		open_ring();
		offer_flags(tables[i].offset, tables[i].size_bytes, 0,
			tables[i].flags | VRING_DESC_F_INDIRECT);
		assert_breaks(tables[i].reason);
	}
}

static void a_table_after_a_buffer_breaks_the_ring(void **state)
{
	open_ring();
	offer_flags(0, 8, 0, VRING_DESC_F_NEXT);
	offer_flags(0, 16, 0, VRING_DESC_F_INDIRECT);
	assert_breaks("an indirect descriptor follows another");
}

static void bases_beyond_the_ring_are_refused(void **state)
{
	static const uint32_t bases[] = {SIZE, SIZE << 16, 0x7fff7fff};
	struct error error;

	for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
		pair_open(&pair, SIZE, true, false, false);
		pair.setup.base = bases[i];
		assert_int_equal(virtqueue_attach(&pair.device, &pair.setup, &error), -EINVAL);
		pair_close(&pair);
	}
}

/* ---- notifications ---- */

/* A position that only ever grows, as slot and wrap counter. */
static uint16_t event_at(unsigned position)
{
	return (uint16_t)(position % SIZE | (position / SIZE % 2 ? 0 : WRAP));
}

/* 2.8.10.1: a call is due when the slot of the event has been used, and only then. */
static void calls_follow_the_drivers_event(void **state)
{
	for (unsigned from = 0; from < 2 * SIZE; from++)
		for (unsigned count = 1; count <= SIZE; count++)
			for (unsigned event = from; event < from + SIZE; event++) {
				open_ring_of(SIZE, true);
				for (unsigned i = 0; i < from; i++)
					go_to((uint16_t)((i + 1) % SIZE));
				driver_event()->flags = VRING_PACKED_EVENT_FLAG_DESC;
				driver_event()->off_wrap = event_at(event);
				for (unsigned i = 0; i < count; i++) {
					offer(0);
					assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
					virtqueue_push(&pair.device, &chain, 0);
				}
				virtqueue_publish(&pair.device);
				assert_int_equal(
					virtqueue_needs_call(&pair.device), event < from + count);
				virtqueue_settle_call(&pair.device);
				assert_false(virtqueue_needs_call(&pair.device));
				pair_close(&pair);
			}
}

static void use_one(void)
{
	offer(0);
	assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
	virtqueue_push(&pair.device, &chain, 0);
	virtqueue_publish(&pair.device);
}

static void the_driver_can_do_without_calls(void **state)
{
	for (unsigned has_event_index = 0; has_event_index < 2; has_event_index++) {
		open_ring_of(SIZE, has_event_index);
		driver_event()->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
		use_one();
		assert_false(virtqueue_needs_call(&pair.device));
		virtqueue_settle_call(&pair.device);
		driver_event()->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
		assert_false(virtqueue_needs_call(&pair.device));
		use_one();
		assert_true(virtqueue_needs_call(&pair.device));
		pair_close(&pair);
	}
}

static void kicks_are_asked_for_at_the_next_slot(void **state)
{
	open_ring_of(SIZE, true);
	virtqueue_disable_kicks(&pair.device);
	assert_int_equal(device_event()->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	for (unsigned i = 0; i < 2 * SIZE; i++) {
		assert_false(virtqueue_enable_kicks(&pair.device));
		assert_int_equal(device_event()->flags, VRING_PACKED_EVENT_FLAG_DESC);
		assert_int_equal(device_event()->off_wrap, event_at(i));
		offer(0);
		assert_true(virtqueue_enable_kicks(&pair.device));
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
		virtqueue_push(&pair.device, &chain, 0);
		virtqueue_publish(&pair.device);
	}
	pair_close(&pair);
}

static void kicks_are_asked_for_by_flag(void **state)
{
	open_ring();
	virtqueue_disable_kicks(&pair.device);
	assert_int_equal(device_event()->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	assert_false(virtqueue_enable_kicks(&pair.device));
	assert_int_equal(device_event()->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_id_of_a_chain_is_that_of_its_last_descriptor),
		cmocka_unit_test(a_chain_may_go_over_the_end_of_the_ring),
		cmocka_unit_test(an_indirect_table_is_one_slot),
		cmocka_unit_test(chains_are_given_back_in_the_order_of_completion),
		cmocka_unit_test(rings_of_any_size_go_round),
		cmocka_unit_test(a_ring_goes_on_from_its_base),
		cmocka_unit_test(a_full_ring_is_popped_and_no_more),
		cmocka_unit_test(a_ring_that_offers_what_is_in_flight_breaks),
		cmocka_unit_test(a_chain_that_reaches_into_what_is_in_flight_breaks_the_ring),
		cmocka_unit_test(a_readable_buffer_after_a_writable_one_breaks_the_ring),
		cmocka_unit_test(buffers_outside_of_memory_break_the_ring),
		cmocka_unit_test(bad_tables_break_the_ring),
		cmocka_unit_test(a_table_after_a_buffer_breaks_the_ring),
		cmocka_unit_test(bases_beyond_the_ring_are_refused),
		cmocka_unit_test(calls_follow_the_drivers_event),
		cmocka_unit_test(the_driver_can_do_without_calls),
		cmocka_unit_test(kicks_are_asked_for_at_the_next_slot),
		cmocka_unit_test(kicks_are_asked_for_by_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
