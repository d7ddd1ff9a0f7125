#include "../cmocka_all.h"

#include <string.h>

#include "vmm/exits/coalesced_ring.h"
#include "vmm/exits/registers.h"

#define PAGE_BYTES 4096u

static _Alignas(4096) uint8_t page[PAGE_BYTES];
static struct kvm_coalesced_mmio_ring *const kernels = (struct kvm_coalesced_mmio_ring *)page;
static struct coalesced_ring ring;
static struct registers *registers;
static struct register_range range;
static uint64_t written[512];
static unsigned count;

static void note(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	assert_true(count < sizeof written / sizeof *written);
	written[count++] = value;
}

static int set_up(void **state)
{
	memset(page, 0, sizeof page);
	count = 0;
	registers = registers_create();
	range = (struct register_range){
		.kind = REGISTER_SERIAL, .base = 0x3f8, .size_bytes = 8, .write = note};
	assert_int_equal(registers_add(registers, &range), 0);
	coalesced_ring_init(&ring, page, PAGE_BYTES);
	return 0;
}

static int tear_down(void **state)
{
	registers_destroy(registers);
	return 0;
}

/* As KVM does it; false if the ring is full. */
static bool put(uint64_t address, uint32_t size_bytes, uint8_t value)
{
	uint32_t next = (kernels->last + 1) % ring.entry_count;

	if (next == kernels->first)
		return false;
	kernels->coalesced_mmio[kernels->last] = (struct kvm_coalesced_mmio){
		.phys_addr = address, .len = size_bytes, .pio = 1, .data = {value}};
	kernels->last = next;
	return true;
}

static void ring_fits_its_page(void **state)
{
	assert_true(sizeof(struct kvm_coalesced_mmio_ring) +
			    ring.entry_count * sizeof(struct kvm_coalesced_mmio) <=
		    PAGE_BYTES);
	assert_int_equal(ring.entry_count, 170);
}

static void writes_come_out_in_order_and_once(void **state)
{
	uint8_t value = 0;

	for (unsigned round = 0; round < 5; round++) {
		unsigned before = count;

		assert_true(coalesced_ring_is_empty(&ring));
		while (put(0x3f8, 1, value))
			value++;
		assert_int_equal(coalesced_ring_drain(&ring, registers), ring.entry_count - 1);
		assert_int_equal(coalesced_ring_drain(&ring, registers), 0);
		assert_int_equal(written[before], (uint8_t)(value - ring.entry_count + 1));
		assert_int_equal(written[count - 1], (uint8_t)(value - 1));
		if (round < 2)
			continue;
		count = 0;
	}
	assert_int_equal(ring.writes, 5 * (ring.entry_count - 1));
	assert_int_equal(registers_counts(registers, REGISTER_SERIAL)->writes[EXIT_BY_COALESCING],
		ring.writes);
}

static void index_out_of_bounds_makes_it_empty(void **state)
{
	static const uint32_t lasts[] = {170, 171, 0x7fffffff, UINT32_MAX};

	for (unsigned i = 0; i < sizeof lasts / sizeof *lasts; i++) {
		kernels->last = lasts[i];
		assert_true(coalesced_ring_is_empty(&ring));
		assert_int_equal(coalesced_ring_drain(&ring, registers), 0);
	}
	kernels->last = 0;
	assert_true(put(0x3f8, 1, 5));
	assert_int_equal(coalesced_ring_drain(&ring, registers), 1);
	assert_int_equal(written[0], 5);
}

static void changed_first_changes_nothing(void **state)
{
	assert_true(put(0x3f8, 1, 1));
	kernels->first = UINT32_MAX;
	assert_int_equal(coalesced_ring_drain(&ring, registers), 1);
	assert_int_equal(kernels->first, 1);
	assert_int_equal(count, 1);
}

static void entry_of_no_size_is_passed_over(void **state)
{
	assert_true(put(0x3f8, 0, 1));
	assert_true(put(0x3f8, 9, 2));
	assert_true(put(0x3f8, UINT32_MAX, 3));
	assert_true(put(0x3f8, 1, 4));
	assert_int_equal(coalesced_ring_drain(&ring, registers), 4);
	assert_int_equal(count, 1);
	assert_int_equal(written[0], 4);
	assert_int_equal(ring.invalid, 3);
}

/* A guest that writes as fast as it is drained gets a ring's worth of work, and not more. */
static void put_another(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	put(0x3f8, 1, 1);
}

static void draining_is_bounded(void **state)
{
	range.write = put_another;
	assert_true(put(0x3f8, 1, 1));
	assert_true(put(0x3f8, 1, 1));
	assert_int_equal(coalesced_ring_drain(&ring, registers), 2);
	assert_false(coalesced_ring_is_empty(&ring));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ring_fits_its_page, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			writes_come_out_in_order_and_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			index_out_of_bounds_makes_it_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changed_first_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(entry_of_no_size_is_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(draining_is_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
