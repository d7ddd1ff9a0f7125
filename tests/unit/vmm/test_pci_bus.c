/* The bus as a kernel finds it: by two ports, function by function. */
#include "../cmocka_all.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "virtio_driver.h"

#define BAR_BYTES 0x8000u
#define MARK 0x600df00du /* what the registers of the function in slot n say, plus n */

static struct guest guest;
static struct pci_function functions[PCI_FUNCTIONS_MAX + 1];
static uint64_t mapped_at[PCI_FUNCTIONS_MAX + 1];
static struct error error;

static uint64_t read_mark(void *device, uint64_t offset, unsigned size_bytes)
{
	return MARK + (uint64_t)((uint64_t *)device - mapped_at);
}

static void mapped(void *device, enum pci_bar_index bar, uint64_t address)
{
	*(uint64_t *)device = address;
}

static void unmapped(void *device, enum pci_bar_index bar, uint64_t address)
{
	assert_int_equal(*(uint64_t *)device, address);
	*(uint64_t *)device = 0;
}

static const struct pci_function_operations operations = {.mapped = mapped, .unmapped = unmapped};

/* The function that will be in that slot. */
static void init(unsigned slot)
{
	const struct pci_identity identity = {.vendor = 0x1234,
		.device = (uint16_t)(0x5600 + slot),
		.class_code = 0x010203,
		.revision = 7,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x40};
	const struct register_range range = {.kind = REGISTER_VIRTIO_COMMON,
		.size_bytes = 64,
		.read = read_mark,
		.device = &mapped_at[slot]};

	pci_function_init(&functions[slot], &identity, &operations, &mapped_at[slot]);
	pci_function_add_bar(&functions[slot], PCI_BAR_0, BAR_BYTES);
	pci_function_add_range(&functions[slot], PCI_BAR_0, &range, 0x1000);
}

static int set_up(void **state)
{
	guest_create(&guest);
	memset(mapped_at, 0, sizeof mapped_at);
	for (unsigned slot = 1; slot <= 2; slot++) {
		init(slot);
		assert_int_equal(pci_bus_add(guest.bus, &functions[slot], &error), 0);
	}
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned slot = 1; slot <= 2; slot++)
		pci_bus_remove(guest.bus, &functions[slot]);
	guest_destroy(&guest);
	return 0;
}

static uint32_t bar_of(unsigned slot)
{
	return guest_config_read(&guest, slot, PCI_BASE_ADDRESS_0, 4);
}

static void set_bar(unsigned slot, uint32_t address)
{
	guest_config_write(&guest, slot, PCI_BASE_ADDRESS_0, 4, address);
}

static void set_decoding(unsigned slot, bool is_on)
{
	guest_config_write(&guest, slot, PCI_COMMAND, 2, is_on ? PCI_COMMAND_MEMORY : 0);
}

/* Who answers at this address, by slot; 0: nobody. */
static unsigned who_is_at(uint64_t bar)
{
	uint32_t value = (uint32_t)guest_read(&guest, bar + 0x1000, 4);

	return value == UINT32_MAX ? 0 : value - MARK;
}

static void slot_0_is_a_host_bridge_and_empty_ones_read_as_all_ones(void **state)
{
	assert_int_equal(guest_config_read(&guest, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	assert_int_not_equal(guest_config_read(&guest, 0, PCI_VENDOR_ID, 2), 0xffff);
	assert_int_equal(guest_config_read(&guest, 3, PCI_VENDOR_ID, 4), UINT32_MAX);
	assert_int_equal(guest_config_read(&guest, 31, PCI_VENDOR_ID, 2), 0xffff);
}

static void other_buses_functions_and_disabled_accesses_are_nobodys(void **state)
{
	static const uint32_t addresses[] = {
		0x80000000u | 1u << 16 | 1u << 11, 0x80000000u | 1u << 8 | 1u << 11, 1u << 11};

	for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		uint32_t value = 0;

		registers_write(guest.registers, REGISTER_PORT, 0xcf8, &addresses[i], 4);
		registers_read(guest.registers, REGISTER_PORT, 0xcfc, &value, 4);
		assert_int_equal(value, UINT32_MAX);
		value = 0;
		registers_write(guest.registers, REGISTER_PORT, 0xcfc, &value, 4);
	}
}

static void the_address_port_is_written_as_a_whole(void **state)
{
	uint32_t address = 0x80000000u | 1u << 11, value;
	const uint8_t reset = 6;

	registers_write(guest.registers, REGISTER_PORT, 0xcf8, &address, 4);
	registers_write(guest.registers, REGISTER_PORT, 0xcf9, &reset, 1);
	registers_read(guest.registers, REGISTER_PORT, 0xcf8, &value, 4);
	assert_int_equal(value, address);
}

static void configuration_space_is_read_by_bytes_words_and_whole(void **state)
{
	assert_int_equal(guest_config_read(&guest, 1, PCI_VENDOR_ID, 4), 0x56011234);
	assert_int_equal(guest_config_read(&guest, 1, PCI_DEVICE_ID, 2), 0x5601);
	assert_int_equal(guest_config_read(&guest, 1, PCI_DEVICE_ID + 1, 1), 0x56);
	assert_int_equal(guest_config_read(&guest, 1, PCI_CLASS_REVISION, 4), 0x01020307);
	assert_int_equal(guest_config_read(&guest, 1, PCI_SUBSYSTEM_VENDOR_ID, 4), 0x00401af4);
	assert_int_equal(guest_config_read(&guest, 1, PCI_HEADER_TYPE, 1), 0);
	assert_int_equal(guest_config_read(&guest, 1, PCI_INTERRUPT_PIN, 1), 0);
}

static void only_what_may_be_written_changes(void **state)
{
	guest_config_write(&guest, 1, PCI_VENDOR_ID, 4, 0);
	guest_config_write(&guest, 1, PCI_STATUS, 2, 0xffff);
	guest_config_write(&guest, 1, PCI_INTERRUPT_LINE, 1, 11);
	guest_config_write(&guest, 1, PCI_BASE_ADDRESS_1, 4, UINT32_MAX);
	guest_config_write(&guest, 1, PCI_ROM_ADDRESS, 4, UINT32_MAX);
	assert_int_equal(guest_config_read(&guest, 1, PCI_VENDOR_ID, 4), 0x56011234);
	assert_int_equal(guest_config_read(&guest, 1, PCI_STATUS, 2), 0);
	assert_int_equal(guest_config_read(&guest, 1, PCI_INTERRUPT_LINE, 1), 11);
	assert_int_equal(guest_config_read(&guest, 1, PCI_BASE_ADDRESS_1, 4), 0);
	assert_int_equal(guest_config_read(&guest, 1, PCI_ROM_ADDRESS, 4), 0);
}

static void registers_have_places_of_their_own_and_are_there_when_decoded(void **state)
{
	assert_int_not_equal(bar_of(1), bar_of(2));
	assert_in_range(bar_of(1), 0xc0000000u, 0xfe000000u - BAR_BYTES);
	assert_int_equal(who_is_at(bar_of(1)), 0);
	set_decoding(1, true);
	set_decoding(2, true);
	assert_int_equal(who_is_at(bar_of(1)), 1);
	assert_int_equal(who_is_at(bar_of(2)), 2);
	set_decoding(1, false);
	assert_int_equal(who_is_at(bar_of(1)), 0);
	assert_int_equal(mapped_at[1], 0);
}

static void a_base_address_register_tells_its_size(void **state)
{
	const uint32_t before = bar_of(1);

	set_decoding(1, true);
	set_bar(1, UINT32_MAX);
	assert_int_equal(bar_of(1), ~(BAR_BYTES - 1));
	assert_int_equal(who_is_at(before), 0);
	set_bar(1, before);
	assert_int_equal(who_is_at(before), 1);
}

static void registers_move_with_their_base_address(void **state)
{
	const uint32_t before = bar_of(1);

	set_decoding(1, true);
	set_bar(1, 0xd0000000u);
	assert_int_equal(who_is_at(0xd0000000u), 1);
	assert_int_equal(who_is_at(before), 0);
	assert_int_equal(mapped_at[1], 0xd0000000u);
	guest_config_write(&guest, 1, PCI_BASE_ADDRESS_0 + 3, 1, 0xd1);
	assert_int_equal(who_is_at(0xd1000000u), 1);
}

static void registers_beyond_the_window_are_unreachable(void **state)
{
	static const uint32_t places[] = {
		0, 0x100000, 0xbfff8000u, 0xfe000000u, 0xfec00000u, 0xfee00000u, 0xffff8000u};

	set_decoding(1, true);
	for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
		set_bar(1, places[i]);
		assert_int_equal(who_is_at(places[i]), 0);
		assert_int_equal(mapped_at[1], 0);
	}
}

static void of_two_in_one_place_the_first_is_there_and_the_second_when_it_has_left(void **state)
{
	set_decoding(1, true);
	set_decoding(2, true);
	set_bar(2, bar_of(1));
	assert_int_equal(who_is_at(bar_of(1)), 1);
	assert_int_equal(mapped_at[2], 0);
	set_bar(1, 0xd0000000u);
	assert_int_equal(who_is_at(bar_of(2)), 2);
	assert_int_equal(who_is_at(0xd0000000u), 1);
}

static void capabilities_are_linked_in_their_order(void **state)
{
	static const uint8_t first[] = {9, 0, 3}, second[] = {17, 0, 1, 2};
	unsigned at;

	init(3);
	pci_function_add_capability(&functions[3], first, sizeof first);
	pci_function_add_capability(&functions[3], second, sizeof second);
	assert_int_equal(pci_bus_add(guest.bus, &functions[3], &error), 0);
	assert_int_equal(guest_config_read(&guest, 3, PCI_STATUS, 2), PCI_STATUS_CAP_LIST);
	at = guest_config_read(&guest, 3, PCI_CAPABILITY_LIST, 1);
	assert_int_equal(guest_config_read(&guest, 3, at, 1), 9);
	at = guest_config_read(&guest, 3, at + 1, 1);
	assert_int_equal(at % 4, 0);
	assert_int_equal(guest_config_read(&guest, 3, at, 4), 0x02010011);
	pci_bus_remove(guest.bus, &functions[3]);
}

static void the_bus_has_31_places(void **state)
{
	for (unsigned slot = 3; slot <= PCI_FUNCTIONS_MAX; slot++) {
		init(slot);
		assert_int_equal(pci_bus_add(guest.bus, &functions[slot], &error), 0);
	}
	init(0);
	assert_int_equal(pci_bus_add(guest.bus, &functions[0], &error), -ENOSPC);
	assert_int_equal(guest_config_read(&guest, 31, PCI_DEVICE_ID, 2), 0x561f);
	for (unsigned slot = 3; slot <= PCI_FUNCTIONS_MAX; slot++)
		pci_bus_remove(guest.bus, &functions[slot]);
}

#define BUS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(slot_0_is_a_host_bridge_and_empty_ones_read_as_all_ones),
		BUS_TEST(other_buses_functions_and_disabled_accesses_are_nobodys),
		BUS_TEST(the_address_port_is_written_as_a_whole),
		BUS_TEST(configuration_space_is_read_by_bytes_words_and_whole),
		BUS_TEST(only_what_may_be_written_changes),
		BUS_TEST(registers_have_places_of_their_own_and_are_there_when_decoded),
		BUS_TEST(a_base_address_register_tells_its_size),
		BUS_TEST(registers_move_with_their_base_address),
		BUS_TEST(registers_beyond_the_window_are_unreachable),
		BUS_TEST(of_two_in_one_place_the_first_is_there_and_the_second_when_it_has_left),
		BUS_TEST(capabilities_are_linked_in_their_order),
		BUS_TEST(the_bus_has_31_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
