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

unsigned pci_function_bar_offset(enum pci_bar_index bar)
{
	static const uint8_t offsets[PCI_FUNCTION_BARS] = {
		[PCI_BAR_0] = PCI_BASE_ADDRESS_0, [PCI_BAR_2] = PCI_BASE_ADDRESS_2};

	return offsets[bar];
}

void pci_function_add_bar(struct pci_function *function, enum pci_bar_index bar, uint32_t bytes)
{
	const uint32_t writable = ~(bytes - 1);

	function->bars[bar].bytes = bytes;
	memcpy(function->writable + pci_function_bar_offset(bar), &writable, sizeof writable);
}

void pci_function_add_range(struct pci_function *function, enum pci_bar_index bar,
	const struct register_range *range, uint32_t offset)
{
	assert(function->range_count < PCI_FUNCTION_RANGES_MAX);
	assert(offset + range->size_bytes <= function->bars[bar].bytes);
	function->ranges[function->range_count++] = (struct pci_range){*range, bar, offset};
}

const struct pci_range *pci_function_find_range(
	const struct pci_function *function, uint32_t offset, uint32_t size_bytes)
{
	for (unsigned i = 0; i < function->range_count; i++) {
		const struct pci_range *range = &function->ranges[i];

		if (range->bar == PCI_BAR_0 && offset >= range->offset &&
			size_bytes <= range->range.size_bytes &&
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

bool pci_function_wanted_address(
	const struct pci_function *function, enum pci_bar_index bar, uint64_t *address)
{
	const uint32_t bytes = function->bars[bar].bytes;

	*address = pci_function_get_u32(function, pci_function_bar_offset(bar));
	return bytes && pci_function_get_u16(function, PCI_COMMAND) & PCI_COMMAND_MEMORY &&
	       *address >= LAYOUT_PCI_MEMORY_START && *address + bytes <= LAYOUT_PCI_MEMORY_END;
}

static void remove_ranges(struct pci_function *function, enum pci_bar_index bar,
	struct registers *registers, unsigned count)
{
	while (count-- > 0)
		if (function->ranges[count].bar == bar)
			registers_remove(registers, &function->ranges[count].range);
}

static int add_ranges(struct pci_function *function, enum pci_bar_index bar,
	struct registers *registers, uint64_t address)
{
	for (unsigned i = 0; i < function->range_count; i++) {
		struct pci_range *range = &function->ranges[i];
		int result;

		if (range->bar != bar)
			continue;
		range->range.base = address + range->offset;
		result = registers_add(registers, &range->range);
		if (result < 0) {
			remove_ranges(function, bar, registers, i);
			return result;
		}
	}
	return 0;
}

int pci_function_map(struct pci_function *function, enum pci_bar_index bar,
	struct registers *registers, uint64_t address)
{
	int result = add_ranges(function, bar, registers, address);

	if (result < 0)
		return result;
	function->bars[bar].is_mapped = true;
	function->bars[bar].address = address;
	if (function->operations && function->operations->mapped)
		function->operations->mapped(function->device, bar, address);
	return 0;
}

void pci_function_unmap(
	struct pci_function *function, enum pci_bar_index bar, struct registers *registers)
{
	if (!function->bars[bar].is_mapped)
		return;
	if (function->operations && function->operations->unmapped)
		function->operations->unmapped(function->device, bar, function->bars[bar].address);
	remove_ranges(function, bar, registers, function->range_count);
	function->bars[bar].is_mapped = false;
}
