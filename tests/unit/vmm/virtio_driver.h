/*
 * A machine's bus without vCPUs, and what a guest's kernel does on it: finds functions by the ports, virtio's
 * registers by capabilities, and sets up devices, as Linux's virtio-pci driver does.
 */
#ifndef SLUICE_TESTS_VIRTIO_DRIVER_H
#define SLUICE_TESTS_VIRTIO_DRIVER_H

#include "kvm_double.h"
#include "vmm/exits/registers.h"
#include "vmm/interrupts.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/vm_memory.h"

#define GUEST_BYTES (8u << 20)
#define NO_VECTOR 0xffffu

struct guest {
	struct registers *registers;
	struct interrupts *interrupts;
	struct pci_bus *bus;
	struct vm_memory memory;
};

void guest_create(struct guest *guest);
void guest_destroy(struct guest *guest);

/* Configuration space of the function in a slot, by the ports. */
uint32_t guest_config_read(
	struct guest *guest, unsigned slot, unsigned offset, unsigned size_bytes);
void guest_config_write(
	struct guest *guest, unsigned slot, unsigned offset, unsigned size_bytes, uint32_t value);

/* Registers in memory; a write that KVM has a doorbell for is no exit. */
uint64_t guest_read(struct guest *guest, uint64_t address, unsigned size_bytes);
void guest_write(struct guest *guest, uint64_t address, unsigned size_bytes, uint64_t value);

/* A function, as its driver has found it. */
struct virtio_driver {
	struct guest *guest;
	unsigned slot;
	uint64_t bar;
	uint64_t common, isr, device, doorbells; /* guest-physical addresses */
	uint32_t device_bytes;
	uint32_t doorbell_multiplier;
	uint8_t window; /* offset of the capability for access by configuration space */
	uint8_t msix;	/* and of MSI-X's */
	uint64_t table, pending;
};

/* Walk the capabilities, and turn memory decoding on. Fails the test if something is missing. */
void virtio_driver_find(struct virtio_driver *driver, struct guest *guest, unsigned slot);

uint8_t virtio_driver_status(struct virtio_driver *driver);
void virtio_driver_set_status(struct virtio_driver *driver, uint8_t status);

/* Set status to 0, and wait until it is. */
void virtio_driver_reset(struct virtio_driver *driver);

uint64_t virtio_driver_offered(struct virtio_driver *driver);

/* ACKNOWLEDGE, DRIVER, features, FEATURES_OK. Returns whether the device takes them. */
bool virtio_driver_negotiate(struct virtio_driver *driver, uint64_t features);

struct virtio_driver_queue {
	uint16_t size, vector;
	uint64_t descriptors, driver, device;
};

void virtio_driver_set_queue(struct virtio_driver *driver, uint16_t index,
	const struct virtio_driver_queue *queue, bool is_enabled);

/* Enable MSI-X; point a vector somewhere, or mask it. */
void virtio_driver_enable_msix(struct virtio_driver *driver);
void virtio_driver_set_vector(
	struct virtio_driver *driver, unsigned vector, uint64_t address, uint32_t data);
void virtio_driver_mask_vector(struct virtio_driver *driver, unsigned vector, bool is_masked);

void virtio_driver_kick(struct virtio_driver *driver, uint16_t index);

#endif
