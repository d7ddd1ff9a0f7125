#include "vmm/pci/pci_bus.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/layout.h"

#define SLOTS (1u + PCI_FUNCTIONS_MAX) /* the host bridge is in the first */

/* The address port: what the next access to the data port is about. */
#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BUS_AND_FUNCTION 0x00ffff00u
#define ADDRESS_OTHERS 0x00ff0700u /* another bus, or another function of a device */
#define ADDRESS_SLOT_SHIFT 11u
#define ADDRESS_SLOT_MASK 0x1fu
#define ADDRESS_REGISTER 0xfcu

/* Red Hat's host bridge without particulars: no driver wants to do anything to it. */
static const struct pci_identity host_bridge = {
	.vendor = 0x1b36, .device = 0x0008, .class_code = 0x060000};

struct pci_bus {
	struct registers *registers;
	struct pci_function bridge;
	struct pci_function *slots[SLOTS];
	uint64_t next_address;
	uint32_t address; /* what the address port was set to */
	struct register_range address_port, data_port;
};

/* ---- where functions' registers are ---- */

static void unmap_what_left(struct pci_bus *bus, struct pci_function *function)
{
	for (enum pci_bar_index bar = 0; bar < PCI_FUNCTION_BARS; bar++) {
		uint64_t address;

		if (!pci_function_wanted_address(function, bar, &address) ||
			address != function->bars[bar].address)
			pci_function_unmap(function, bar, bus->registers);
	}
}

static void map_what_has_come(struct pci_bus *bus, struct pci_function *function)
{
	for (enum pci_bar_index bar = 0; bar < PCI_FUNCTION_BARS; bar++) {
		uint64_t address;

		if (!function->bars[bar].is_mapped &&
			pci_function_wanted_address(function, bar, &address))
			pci_function_map(function, bar, bus->registers, address);
	}
}

/* One that another was in the way of may have its place now, so all are tried. */
static void update_map(struct pci_bus *bus)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (bus->slots[i])
			unmap_what_left(bus, bus->slots[i]);
	for (unsigned i = 0; i < SLOTS; i++)
		if (bus->slots[i])
			map_what_has_come(bus, bus->slots[i]);
}

/* ---- the ports ---- */

static uint64_t read_address(void *device, uint64_t offset, unsigned size_bytes)
{
	const struct pci_bus *bus = device;

	return bus->address >> (8 * offset);
}

/* Only the whole of it is the address port; its bytes are other machines' other things. */
static void write_address(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	struct pci_bus *bus = device;

	if (size_bytes == sizeof bus->address)
		bus->address = (uint32_t)value &
			       (ADDRESS_ENABLE | ADDRESS_BUS_AND_FUNCTION | ADDRESS_REGISTER);
}

static struct pci_function *addressed(const struct pci_bus *bus)
{
	if (!(bus->address & ADDRESS_ENABLE) || bus->address & ADDRESS_OTHERS)
		return NULL;
	return bus->slots[bus->address >> ADDRESS_SLOT_SHIFT & ADDRESS_SLOT_MASK];
}

static bool is_aligned(uint64_t offset, unsigned size_bytes)
{
	return size_bytes <= 4 && offset % size_bytes == 0;
}

static uint64_t read_data(void *device, uint64_t offset, unsigned size_bytes)
{
	struct pci_bus *bus = device;
	struct pci_function *function = addressed(bus);

	if (!function || !is_aligned(offset, size_bytes))
		return UINT64_MAX;
	return pci_function_read(
		function, (bus->address & ADDRESS_REGISTER) + (unsigned)offset, size_bytes);
}

static void write_data(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	struct pci_bus *bus = device;
	struct pci_function *function = addressed(bus);

	if (!function || !is_aligned(offset, size_bytes))
		return;
	pci_function_write(function, (bus->address & ADDRESS_REGISTER) + (unsigned)offset,
		size_bytes, (uint32_t)value);
	update_map(bus);
}

/* ---- the bus ---- */

/* Returns where the next address is free then, or 0 if there is no room. */
static uint64_t place_bars(const struct pci_bus *bus, struct pci_function *function)
{
	uint64_t next = bus->next_address;

	for (enum pci_bar_index bar = 0; bar < PCI_FUNCTION_BARS; bar++) {
		const uint64_t bytes = function->bars[bar].bytes;
		const uint64_t address = bytes ? (next + bytes - 1) & ~(bytes - 1) : 0;

		if (address + bytes > LAYOUT_PCI_MEMORY_END)
			return 0;
		if (bytes)
			next = address + bytes;
		pci_function_set_u32(function, pci_function_bar_offset(bar), (uint32_t)address);
	}
	return next;
}

int pci_bus_add(struct pci_bus *bus, struct pci_function *function, struct error *error)
{
	uint64_t next;
	unsigned slot = 1;

	while (slot < SLOTS && bus->slots[slot])
		slot++;
	if (slot == SLOTS)
		return error_set(error, -ENOSPC, "the PCI bus is full: a VM has at most %u devices",
			PCI_FUNCTIONS_MAX);
	next = place_bars(bus, function);
	if (!next)
		return error_set(error, -ENOSPC,
			"the PCI bus is full: devices have %llu MiB of addresses between them",
			(LAYOUT_PCI_MEMORY_END - LAYOUT_PCI_MEMORY_START) >> 20);
	bus->next_address = next;
	bus->slots[slot] = function;
	return 0;
}

void pci_bus_remove(struct pci_bus *bus, struct pci_function *function)
{
	for (enum pci_bar_index bar = 0; bar < PCI_FUNCTION_BARS; bar++)
		pci_function_unmap(function, bar, bus->registers);
	for (unsigned i = 0; i < SLOTS; i++)
		if (bus->slots[i] == function)
			bus->slots[i] = NULL;
}

int pci_bus_create(struct registers *registers, struct pci_bus **bus, struct error *error)
{
	struct pci_bus *new_one = calloc(1, sizeof *new_one);
	int result;

	if (!new_one)
		return error_set(error, -ENOMEM, "no memory for a PCI bus");
	new_one->registers = registers;
	new_one->next_address = LAYOUT_PCI_MEMORY_START;
	pci_function_init(&new_one->bridge, &host_bridge, NULL, NULL);
	new_one->slots[0] = &new_one->bridge;
	new_one->address_port = (struct register_range){.kind = REGISTER_PCI_CONFIG,
		.base = LAYOUT_PORT_PCI_ADDRESS,
		.size_bytes = 4,
		.read = read_address,
		.write = write_address,
		.device = new_one};
	new_one->data_port = (struct register_range){.kind = REGISTER_PCI_CONFIG,
		.base = LAYOUT_PORT_PCI_DATA,
		.size_bytes = 4,
		.read = read_data,
		.write = write_data,
		.device = new_one};
	result = registers_add(registers, &new_one->address_port);
	if (result < 0)
		goto fail;
	result = registers_add(registers, &new_one->data_port);
	if (result < 0)
		goto fail_data;
	*bus = new_one;
	return 0;
fail_data:
	registers_remove(registers, &new_one->address_port);
fail:
	free(new_one);
	return error_set(error, result, "the PCI bus's ports are taken");
}

void pci_bus_destroy(struct pci_bus *bus)
{
	registers_remove(bus->registers, &bus->address_port);
	registers_remove(bus->registers, &bus->data_port);
	free(bus);
}
