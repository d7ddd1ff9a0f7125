#include "virtio_driver.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <unistd.h>

#include "../cmocka_all.h"
#include "vmm/layout.h"

/* ---- the machine ---- */

void guest_create(struct guest *guest)
{
	const struct vm_memory_config memory = {
		.size_bytes = GUEST_BYTES, .huge_pages = HUGE_PAGES_NEVER};
	struct error error;

	kvm_double_reset();
	guest->registers = registers_create();
	assert_non_null(guest->registers);
	assert_int_equal(vm_memory_create(&guest->memory, &memory, &error), 0);
	assert_int_equal(interrupts_create(-1, &guest->interrupts, &error), 0);
	assert_int_equal(pci_bus_create(guest->registers, &guest->bus, &error), 0);
}

void guest_destroy(struct guest *guest)
{
	pci_bus_destroy(guest->bus);
	interrupts_destroy(guest->interrupts);
	vm_memory_destroy(&guest->memory);
	registers_destroy(guest->registers);
}

static void select_register(struct guest *guest, unsigned slot, unsigned offset)
{
	const uint32_t address = 0x80000000u | slot << 11 | (offset & 0xfcu);

	registers_write(guest->registers, REGISTER_PORT, LAYOUT_PORT_PCI_ADDRESS, &address, 4);
}

uint32_t guest_config_read(struct guest *guest, unsigned slot, unsigned offset, unsigned size_bytes)
{
	uint32_t value = 0;

	select_register(guest, slot, offset);
	registers_read(guest->registers, REGISTER_PORT, LAYOUT_PORT_PCI_DATA + (offset & 3), &value,
		size_bytes);
	return value;
}

void guest_config_write(
	struct guest *guest, unsigned slot, unsigned offset, unsigned size_bytes, uint32_t value)
{
	select_register(guest, slot, offset);
	registers_write(guest->registers, REGISTER_PORT, LAYOUT_PORT_PCI_DATA + (offset & 3),
		&value, size_bytes);
}

uint64_t guest_read(struct guest *guest, uint64_t address, unsigned size_bytes)
{
	uint64_t value = 0;

	registers_read(guest->registers, REGISTER_MEMORY, address, &value, size_bytes);
	return value;
}

void guest_write(struct guest *guest, uint64_t address, unsigned size_bytes, uint64_t value)
{
	if (!kvm_double_write(address))
		registers_write(guest->registers, REGISTER_MEMORY, address, &value, size_bytes);
}

/* ---- finding ---- */

static void note_virtio(struct virtio_driver *driver, unsigned at)
{
	struct guest *guest = driver->guest;
	uint8_t type =
		(uint8_t)guest_config_read(guest, driver->slot, at + VIRTIO_PCI_CAP_CFG_TYPE, 1);
	uint64_t address =
		driver->bar + guest_config_read(guest, driver->slot, at + VIRTIO_PCI_CAP_OFFSET, 4);
	uint32_t length = guest_config_read(guest, driver->slot, at + VIRTIO_PCI_CAP_LENGTH, 4);

	assert_int_equal(guest_config_read(guest, driver->slot, at + VIRTIO_PCI_CAP_BAR, 1), 0);
	if (type == VIRTIO_PCI_CAP_COMMON_CFG)
		driver->common = address;
	if (type == VIRTIO_PCI_CAP_ISR_CFG)
		driver->isr = address;
	if (type == VIRTIO_PCI_CAP_PCI_CFG)
		driver->window = (uint8_t)at;
	if (type == VIRTIO_PCI_CAP_DEVICE_CFG) {
		driver->device = address;
		driver->device_bytes = length;
	}
	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
		driver->doorbells = address;
		driver->doorbell_multiplier =
			guest_config_read(guest, driver->slot, at + VIRTIO_PCI_NOTIFY_CAP_MULT, 4);
	}
}

static void note_msix(struct virtio_driver *driver, unsigned at)
{
	struct guest *guest = driver->guest;

	driver->msix = (uint8_t)at;
	driver->table =
		driver->bar + guest_config_read(guest, driver->slot, at + PCI_MSIX_TABLE, 4);
	driver->pending =
		driver->bar + guest_config_read(guest, driver->slot, at + PCI_MSIX_PBA, 4);
}

void virtio_driver_find(struct virtio_driver *driver, struct guest *guest, unsigned slot)
{
	unsigned at, count = 0;

	*driver = (struct virtio_driver){.guest = guest, .slot = slot};
	assert_int_equal(guest_config_read(guest, slot, PCI_VENDOR_ID, 2), 0x1af4);
	driver->bar = guest_config_read(guest, slot, PCI_BASE_ADDRESS_0, 4);
	guest_config_write(guest, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(guest_config_read(guest, slot, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	at = guest_config_read(guest, slot, PCI_CAPABILITY_LIST, 1);
	while (at) {
		uint8_t id = (uint8_t)guest_config_read(guest, slot, at, 1);

		assert_true(++count < 48);
		if (id == PCI_CAP_ID_VNDR)
			note_virtio(driver, at);
		if (id == PCI_CAP_ID_MSIX)
			note_msix(driver, at);
		at = guest_config_read(guest, slot, at + PCI_CAP_LIST_NEXT, 1);
	}
	assert_true(driver->common && driver->isr && driver->device && driver->doorbells);
	assert_true(driver->window && driver->msix);
}

/* ---- common configuration ---- */

static void set_common(
	struct virtio_driver *driver, unsigned offset, unsigned size_bytes, uint64_t value)
{
	guest_write(driver->guest, driver->common + offset, size_bytes, value);
}

static uint64_t get_common(struct virtio_driver *driver, unsigned offset, unsigned size_bytes)
{
	return guest_read(driver->guest, driver->common + offset, size_bytes);
}

uint8_t virtio_driver_status(struct virtio_driver *driver)
{
	return (uint8_t)get_common(driver, VIRTIO_PCI_COMMON_STATUS, 1);
}

void virtio_driver_set_status(struct virtio_driver *driver, uint8_t status)
{
	set_common(driver, VIRTIO_PCI_COMMON_STATUS, 1, status);
}

void virtio_driver_reset(struct virtio_driver *driver)
{
	virtio_driver_set_status(driver, 0);
	for (unsigned i = 0; i < 15000 && virtio_driver_status(driver) != 0; i++)
		usleep(1000);
	assert_int_equal(virtio_driver_status(driver), 0);
}

uint64_t virtio_driver_offered(struct virtio_driver *driver)
{
	uint64_t features;

	set_common(driver, VIRTIO_PCI_COMMON_DFSELECT, 4, 0);
	features = get_common(driver, VIRTIO_PCI_COMMON_DF, 4);
	set_common(driver, VIRTIO_PCI_COMMON_DFSELECT, 4, 1);
	return features | get_common(driver, VIRTIO_PCI_COMMON_DF, 4) << 32;
}

bool virtio_driver_negotiate(struct virtio_driver *driver, uint64_t features)
{
	uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE;

	virtio_driver_set_status(driver, status);
	virtio_driver_set_status(driver, status |= VIRTIO_CONFIG_S_DRIVER);
	for (unsigned half = 0; half < 2; half++) {
		set_common(driver, VIRTIO_PCI_COMMON_GFSELECT, 4, half);
		set_common(driver, VIRTIO_PCI_COMMON_GF, 4, (uint32_t)(features >> (32 * half)));
	}
	virtio_driver_set_status(driver, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return virtio_driver_status(driver) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void virtio_driver_set_queue(struct virtio_driver *driver, uint16_t index,
	const struct virtio_driver_queue *queue, bool is_enabled)
{
	set_common(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	set_common(driver, VIRTIO_PCI_COMMON_Q_SIZE, 2, queue->size);
	set_common(driver, VIRTIO_PCI_COMMON_Q_MSIX, 2, queue->vector);
	set_common(driver, VIRTIO_PCI_COMMON_Q_DESCLO, 4, (uint32_t)queue->descriptors);
	set_common(driver, VIRTIO_PCI_COMMON_Q_DESCHI, 4, queue->descriptors >> 32);
	set_common(driver, VIRTIO_PCI_COMMON_Q_AVAILLO, 8, queue->driver);
	set_common(driver, VIRTIO_PCI_COMMON_Q_USEDLO, 8, queue->device);
	set_common(driver, VIRTIO_PCI_COMMON_Q_ENABLE, 2, is_enabled);
}

/* ---- MSI-X ---- */

void virtio_driver_enable_msix(struct virtio_driver *driver)
{
	guest_config_write(driver->guest, driver->slot, driver->msix + PCI_MSIX_FLAGS, 2,
		PCI_MSIX_FLAGS_ENABLE);
}

void virtio_driver_set_vector(
	struct virtio_driver *driver, unsigned vector, uint64_t address, uint32_t data)
{
	uint64_t row = driver->table + (uint64_t)vector * PCI_MSIX_ENTRY_SIZE;

	guest_write(driver->guest, row + PCI_MSIX_ENTRY_LOWER_ADDR, 4, (uint32_t)address);
	guest_write(driver->guest, row + PCI_MSIX_ENTRY_UPPER_ADDR, 4, address >> 32);
	guest_write(driver->guest, row + PCI_MSIX_ENTRY_DATA, 4, data);
}

void virtio_driver_mask_vector(struct virtio_driver *driver, unsigned vector, bool is_masked)
{
	uint64_t row = driver->table + (uint64_t)vector * PCI_MSIX_ENTRY_SIZE;

	guest_write(driver->guest, row + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, is_masked);
}

/* ---- doorbells ---- */

void virtio_driver_kick(struct virtio_driver *driver, uint16_t index)
{
	uint64_t offset;

	set_common(driver, VIRTIO_PCI_COMMON_Q_SELECT, 2, index);
	offset = get_common(driver, VIRTIO_PCI_COMMON_Q_NOFF, 2) * driver->doorbell_multiplier;
	guest_write(driver->guest, driver->doorbells + offset, 2, index);
}
