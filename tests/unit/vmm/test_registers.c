#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "vmm/exits/registers.h"

#define ACCESSES_MAX 16u

/* A device that remembers what it was asked, and whose registers count up from a number of its own. */
struct fake_device {
	struct register_range range;
	uint8_t first_byte;
	unsigned count;
	struct access {
		uint64_t offset, value;
		unsigned size_bytes;
	} accesses[ACCESSES_MAX];
};

static struct registers *registers;

static void note(struct fake_device *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	assert_true(offset + size_bytes <= device->range.size_bytes);
	assert_true(device->count < ACCESSES_MAX);
	device->accesses[device->count++] = (struct access){offset, value, size_bytes};
}

static uint64_t read_fake(void *argument, uint64_t offset, unsigned size_bytes)
{
	struct fake_device *device = argument;
	uint64_t value = 0;

	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)(uint8_t)(device->first_byte + offset + i) << (8 * i);
	note(device, offset, value, size_bytes);
	return value;
}

static void write_fake(void *argument, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	note(argument, offset, value, size_bytes);
}

static struct fake_device fake(
	enum register_kind kind, uint64_t base, uint64_t size_bytes, uint8_t first_byte)
{
	return (struct fake_device){.range = {.kind = kind,
					    .base = base,
					    .size_bytes = size_bytes,
					    .read = read_fake,
					    .write = write_fake},
		.first_byte = first_byte};
}

static int add(struct fake_device *device)
{
	device->range.device = device;
	return registers_add(registers, &device->range);
}

static void assert_access(const struct fake_device *device, unsigned index, uint64_t offset,
	unsigned size_bytes, uint64_t value)
{
	assert_true(index < device->count);
	assert_int_equal(device->accesses[index].offset, offset);
	assert_int_equal(device->accesses[index].size_bytes, size_bytes);
	assert_int_equal(device->accesses[index].value, value);
}

static int set_up(void **state)
{
	registers = registers_create();
	assert_non_null(registers);
	return 0;
}

static int tear_down(void **state)
{
	registers_destroy(registers);
	return 0;
}

static void access_reaches_the_range_it_is_in(void **state)
{
	struct fake_device low = fake(REGISTER_VIRTIO_COMMON, 0x1000, 0x100, 0x10);
	struct fake_device high = fake(REGISTER_MSIX_TABLE, 0x2000, 0x100, 0x20);
	uint32_t value = 0;

	assert_int_equal(add(&high), 0);
	assert_int_equal(add(&low), 0);
	registers_read(registers, REGISTER_MEMORY, 0x1004, &value, sizeof value);
	assert_int_equal(value, 0x17161514);
	value = 0xcafebabe;
	registers_write(registers, REGISTER_MEMORY, 0x20fc, &value, sizeof value);
	assert_int_equal(low.count, 1);
	assert_int_equal(high.count, 1);
	assert_access(&high, 0, 0xfc, 4, 0xcafebabe);
}

static void ports_and_memory_are_apart(void **state)
{
	struct fake_device port = fake(REGISTER_SERIAL, 0x3f8, 8, 0);
	struct fake_device memory = fake(REGISTER_MSIX_TABLE, 0x3f8, 8, 0);
	uint8_t value = 7;

	assert_int_equal(add(&port), 0);
	assert_int_equal(add(&memory), 0);
	registers_write(registers, REGISTER_PORT, 0x3f8, &value, 1);
	assert_int_equal(port.count, 1);
	assert_int_equal(memory.count, 0);
}

static void what_nobody_has_reads_as_all_ones(void **state)
{
	struct fake_device device = fake(REGISTER_SERIAL, 0x3f8, 8, 0);
	uint64_t value = 0;

	registers_read(registers, REGISTER_MEMORY, 0x3f8, &value, 8);
	assert_int_equal(value, UINT64_MAX);
	assert_int_equal(add(&device), 0);
	value = 0;
	registers_read(registers, REGISTER_PORT, 0x3f6, &value, 2);
	assert_int_equal(value, 0xffff);
	registers_write(registers, REGISTER_PORT, 0x400, &value, 2);
	assert_int_equal(device.count, 0);
}

static void range_without_functions_reads_as_all_ones_and_ignores(void **state)
{
	struct register_range range = {.kind = REGISTER_POWER, .base = 0x600, .size_bytes = 4};
	uint32_t value = 0;

	assert_int_equal(registers_add(registers, &range), 0);
	registers_write(registers, REGISTER_PORT, 0x600, &value, 4);
	registers_read(registers, REGISTER_PORT, 0x600, &value, 4);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(range.reads, 1);
	assert_int_equal(range.writes, 1);
}

static void overlapping_ranges_are_refused(void **state)
{
	struct fake_device device = fake(REGISTER_MSIX_TABLE, 0x1000, 0x100, 0);
	const struct {
		uint64_t base, size_bytes;
		int result;
	} cases[] = {
		{0xf00, 0x101, -EEXIST},
		{0xf00, 0x1000, -EEXIST},
		{0x1000, 0x100, -EEXIST},
		{0x1080, 1, -EEXIST},
		{0x10ff, 0x100, -EEXIST},
		{0xf00, 0x100, 0},
		{0x1100, 0x100, 0},
	};

	assert_int_equal(add(&device), 0);
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fake_device other =
			fake(REGISTER_MSIX_TABLE, cases[i].base, cases[i].size_bytes, 0);

		assert_int_equal(add(&other), cases[i].result);
		if (cases[i].result == 0)
			registers_remove(registers, &other.range);
	}
}

static void range_that_is_empty_or_leaves_its_space_is_refused(void **state)
{
	struct fake_device empty = fake(REGISTER_MSIX_TABLE, 0x1000, 0, 0);
	struct fake_device wraps = fake(REGISTER_MSIX_TABLE, UINT64_MAX - 1, 3, 0);
	struct fake_device last = fake(REGISTER_MSIX_TABLE, UINT64_MAX - 1, 2, 0);
	struct fake_device beyond = fake(REGISTER_SERIAL, 0xffff, 2, 0);
	uint32_t value = 0;

	assert_int_equal(add(&empty), -EINVAL);
	assert_int_equal(add(&wraps), -EINVAL);
	assert_int_equal(add(&beyond), -EINVAL);
	assert_int_equal(add(&last), 0);
	/* The address goes on at 0, where nobody is. */
	registers_write(registers, REGISTER_MEMORY, UINT64_MAX - 1, &value, 4);
	assert_int_equal(last.count, 1);
	assert_access(&last, 0, 0, 2, 0);
}

static void full_map_is_refused_and_works(void **state)
{
	static struct fake_device devices[REGISTERS_RANGES_MAX + 1];
	uint8_t value = 0;

	for (unsigned i = 0; i <= REGISTERS_RANGES_MAX; i++) {
		/* In an order that is none. */
		devices[i] =
			fake(REGISTER_MSIX_TABLE, (uint64_t)(i * 37 % 513) * 16, 16, (uint8_t)i);
		assert_int_equal(add(&devices[i]), i < REGISTERS_RANGES_MAX ? 0 : -ENOSPC);
	}
	for (unsigned i = 0; i < REGISTERS_RANGES_MAX; i++) {
		registers_read(registers, REGISTER_MEMORY, devices[i].range.base, &value, 1);
		assert_int_equal(value, (uint8_t)i);
		registers_remove(registers, &devices[i].range);
		registers_read(registers, REGISTER_MEMORY, devices[i].range.base, &value, 1);
		assert_int_equal(value, 0xff);
	}
}

static void removing_a_range_that_was_not_added_changes_nothing(void **state)
{
	struct fake_device in = fake(REGISTER_MSIX_TABLE, 0x1000, 0x100, 0);
	struct fake_device out = fake(REGISTER_MSIX_TABLE, 0x1000, 0x100, 0);
	uint8_t value = 0;

	registers_remove(registers, &out.range);
	assert_int_equal(add(&in), 0);
	registers_remove(registers, &out.range);
	registers_read(registers, REGISTER_MEMORY, 0x1000, &value, 1);
	assert_int_equal(in.count, 1);
}

static void access_across_a_border_is_split(void **state)
{
	struct fake_device low = fake(REGISTER_MSIX_TABLE, 0x1000, 6, 0x10);
	struct fake_device high = fake(REGISTER_MSIX_PENDING, 0x1006, 4, 0x20);
	uint8_t data[8];

	assert_int_equal(add(&low), 0);
	assert_int_equal(add(&high), 0);
	registers_read(registers, REGISTER_MEMORY, 0x1003, data, 8);
	assert_memory_equal(data, "\x13\x14\x15\x20\x21\x22\x23\xff", 8);
	assert_access(&low, 0, 3, 2, low.accesses[0].value);
	assert_access(&low, 1, 5, 1, low.accesses[1].value);
	assert_access(&high, 0, 0, 4, high.accesses[0].value);
}

static void access_of_an_odd_size_is_split(void **state)
{
	struct fake_device device = fake(REGISTER_MSIX_TABLE, 0x1000, 16, 0);
	const uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	assert_int_equal(add(&device), 0);
	registers_write(registers, REGISTER_MEMORY, 0x1001, data, 7);
	assert_int_equal(device.count, 3);
	assert_access(&device, 0, 1, 4, 0x04030201);
	assert_access(&device, 1, 5, 2, 0x0605);
	assert_access(&device, 2, 7, 1, 0x07);
}

/* What the guest does to a base address register in the middle of an access. */
static void write_that_moves(void *argument, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	struct fake_device *device = argument;

	registers_remove(registers, &device->range);
	device->range.base = value;
	assert_int_equal(registers_add(registers, &device->range), 0);
}

static void range_may_move_while_it_is_written_to(void **state)
{
	struct fake_device device = fake(REGISTER_MSIX_TABLE, 0x1000, 16, 0x40);
	uint64_t value = 0x9000;

	device.range.write = write_that_moves;
	assert_int_equal(add(&device), 0);
	registers_write(registers, REGISTER_MEMORY, 0x1000, &value, 8);
	registers_read(registers, REGISTER_MEMORY, 0x1000, &value, 1);
	assert_int_equal(value & 0xff, 0xff);
	registers_read(registers, REGISTER_MEMORY, 0x9000, &value, 1);
	assert_int_equal(value & 0xff, 0x40);
}

static void accesses_are_counted_by_kind_and_way(void **state)
{
	struct fake_device device = fake(REGISTER_SERIAL, 0x3f8, 8, 0);
	const struct register_counts *counts = registers_counts(registers, REGISTER_SERIAL);
	uint8_t value = 0;

	assert_int_equal(add(&device), 0);
	registers_write(registers, REGISTER_PORT, 0x3f8, &value, 1);
	registers_come_by(registers, EXIT_BY_COALESCING);
	registers_write(registers, REGISTER_PORT, 0x3f8, &value, 1);
	registers_write(registers, REGISTER_PORT, 0x3f8, &value, 1);
	registers_come_by(registers, EXIT_BY_POST);
	registers_read(registers, REGISTER_PORT, 0x3f8, &value, 1);
	registers_read(registers, REGISTER_PORT, 0x400, &value, 1);
	assert_int_equal(counter_get(&counts->writes[EXIT_BY_POST]), 1);
	assert_int_equal(counter_get(&counts->writes[EXIT_BY_COALESCING]), 2);
	assert_int_equal(counter_get(&counts->reads[EXIT_BY_POST]), 1);
	assert_int_equal(registers_counts_of_nobody(registers)->reads[EXIT_BY_POST], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			access_reaches_the_range_it_is_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ports_and_memory_are_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_nobody_has_reads_as_all_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			range_without_functions_reads_as_all_ones_and_ignores, set_up, tear_down),
		cmocka_unit_test_setup_teardown(overlapping_ranges_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			range_that_is_empty_or_leaves_its_space_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full_map_is_refused_and_works, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			removing_a_range_that_was_not_added_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(access_across_a_border_is_split, set_up, tear_down),
		cmocka_unit_test_setup_teardown(access_of_an_odd_size_is_split, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			range_may_move_while_it_is_written_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			accesses_are_counted_by_kind_and_way, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
