#include "vmm/pci/pci_function.h"

#include <assert.h>
#include <linux/pci_regs.h>
#include <string.h>

#include "vmm/layout.h"

#define COMMAND_WRITABLE                                                                   \
	(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR | \
		PCI_COMMAND_INTX_DISABLE)

/* ---- fields ---- */

uint16_t pci_function_get_u16(const struct pci_function *function, unsigned offset)
{
	uint16_t value;

	memcpy(&value, function->config + offset, sizeof value);
	return value;
}

uint32_t pci_function_get_u32(const struct pci_function *function, unsigned offset)
{
	uint32_t value;

	memcpy(&value, function->config + offset, sizeof value);
	return value;
}

void pci_function_set_u16(struct pci_function *function, unsigned offset, uint16_t value)
{
	memcpy(function->config + offset, &value, sizeof value);
}

void pci_function_set_u32(struct pci_function *function, unsigned offset, uint32_t value)
{
	memcpy(function->config + offset, &value, sizeof value);
}

/* ---- set-up ---- */

void pci_function_init(struct pci_function *function, const struct pci_identity *identity,
	const struct pci_function_operations *operations, void *device)
{
	const uint16_t command = COMMAND_WRITABLE;

	memset(function, 0, sizeof *function);
	function->operations = operations;
	function->device = device;
	function->capability_link = PCI_CAPABILITY_LIST;
	function->capability_end = PCI_STD_HEADER_SIZEOF;
	pci_function_set_u16(function, PCI_VENDOR_ID, identity->vendor);
	pci_function_set_u16(function, PCI_DEVICE_ID, identity->device);
	pci_function_set_u32(
		function, PCI_CLASS_REVISION, identity->class_code << 8 | identity->revision);
	pci_function_set_u16(function, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor);
	pci_function_set_u16(function, PCI_SUBSYSTEM_ID, identity->subsystem);
	memcpy(function->writable + PCI_COMMAND, &command, sizeof command);
	function->writable[PCI_CACHE_LINE_SIZE] = 0xff;
	function->writable[PCI_LATENCY_TIMER] = 0xff;
	function->writable[PCI_INTERRUPT_LINE] = 0xff;
}

uint8_t pci_function_add_capability(
	struct pci_function *function, const void *capability, unsigned size_bytes)
{
	uint8_t offset = function->capability_end;

	assert(offset + size_bytes <= PCI_CONFIG_BYTES);
	memcpy(function->config + offset, capability, size_bytes);
	function->config[function->capability_link] = offset;
	function->capability_link = offset + PCI_CAP_LIST_NEXT;
	function->config[function->capability_link] = 0;
	function->capability_end = (uint8_t)((offset + size_bytes + 3) & ~3u);
	function->config[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	return offset;
}

void pci_function_add_range(
	struct pci_function *function, const struct register_range *range, uint32_t offset)
{
	const uint32_t writable = ~(function->bar_bytes - 1);

	assert(function->range_count < PCI_FUNCTION_RANGES_MAX);
	assert(offset + range->size_bytes <= function->bar_bytes);
	function->ranges[function->range_count++] = (struct pci_range){*range, offset};
	memcpy(function->writable + PCI_BASE_ADDRESS_0, &writable, sizeof writable);
}

const struct pci_range *pci_function_find_range(
	const struct pci_function *function, uint32_t offset, uint32_t size_bytes)
{
	for (unsigned i = 0; i < function->range_count; i++) {
		const struct pci_range *range = &function->ranges[i];

		if (offset >= range->offset && size_bytes <= range->range.size_bytes &&
			offset - range->offset <= range->range.size_bytes - size_bytes)
			return range;
	}
	return NULL;
}

/* ---- configuration space ---- */

uint32_t pci_function_read(struct pci_function *function, unsigned offset, unsigned size_bytes)
{
	uint32_t value = 0;

	if (function->operations && function->operations->will_read)
		function->operations->will_read(function->device, offset, size_bytes);
	memcpy(&value, function->config + offset, size_bytes);
	return value;
}

void pci_function_write(
	struct pci_function *function, unsigned offset, unsigned size_bytes, uint32_t value)
{
	for (unsigned i = 0; i < size_bytes; i++, value >>= 8) {
		uint8_t writable = function->writable[offset + i];
		uint8_t *byte = &function->config[offset + i];

		*byte = (uint8_t)((*byte & ~writable) | (value & writable));
	}
	if (function->operations && function->operations->was_written)
		function->operations->was_written(function->device, offset, size_bytes);
}

/* ---- where the registers are ---- */

bool pci_function_wanted_address(const struct pci_function *function, uint64_t *address)
{
	*address = pci_function_get_u32(function, PCI_BASE_ADDRESS_0);
	return function->bar_bytes &&
	       pci_function_get_u16(function, PCI_COMMAND) & PCI_COMMAND_MEMORY &&
	       *address >= LAYOUT_PCI_MEMORY_START &&
	       *address + function->bar_bytes <= LAYOUT_PCI_MEMORY_END;
}

static void remove_ranges(
	struct pci_function *function, struct registers *registers, unsigned count)
{
	while (count-- > 0)
		registers_remove(registers, &function->ranges[count].range);
}

int pci_function_map(struct pci_function *function, struct registers *registers, uint64_t address)
{
	for (unsigned i = 0; i < function->range_count; i++) {
		struct pci_range *range = &function->ranges[i];
		int result;

		range->range.base = address + range->offset;
		result = registers_add(registers, &range->range);
		if (result < 0) {
			remove_ranges(function, registers, i);
			return result;
		}
	}
	function->is_mapped = true;
	function->mapped_address = address;
	if (function->operations && function->operations->mapped)
		function->operations->mapped(function->device, address);
	return 0;
}

void pci_function_unmap(struct pci_function *function, struct registers *registers)
{
	if (!function->is_mapped)
		return;
	if (function->operations && function->operations->unmapped)
		function->operations->unmapped(function->device, function->mapped_address);
	remove_ranges(function, registers, function->range_count);
	function->is_mapped = false;
}
