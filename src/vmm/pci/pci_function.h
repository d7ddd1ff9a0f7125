/*
 * A function on the bus: 256 bytes of configuration space (PCI Local Bus 3.0, chapter 6, header type 0),
 * capabilities, and up to two base address registers, of 32 bits of memory each, behind which its registers are. What is
 * not registers but memory of the guest's has a range, too, so that nobody else is where it is.
 *
 * What a guest can change is what `writable` has bits for; the function's device hears of it afterwards.
 */
#ifndef SLUICE_VMM_PCI_PCI_FUNCTION_H
#define SLUICE_VMM_PCI_PCI_FUNCTION_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exits/registers.h"

#define PCI_CONFIG_BYTES 256u
#define PCI_FUNCTION_RANGES_MAX 8u

/* In the order of their numbers: those of the devices that there are have these. */
enum pci_bar_index { PCI_BAR_0, PCI_BAR_2, PCI_FUNCTION_BARS };

struct pci_identity {
	uint16_t vendor, device;
	uint32_t class_code; /* base class, subclass, programming interface: 24 bits */
	uint8_t revision;
	uint16_t subsystem_vendor, subsystem;
};

/* What the device wants to know. Called where exits are handled; each may be NULL. */
struct pci_function_operations {
	/* Configuration space is about to be read, or has been written. */
	void (*will_read)(void *device, unsigned offset, unsigned size_bytes);
	void (*was_written)(void *device, unsigned offset, unsigned size_bytes);

	/* What is behind the base address register is at this address now; no longer. */
	void (*mapped)(void *device, enum pci_bar_index bar, uint64_t address);
	void (*unmapped)(void *device, enum pci_bar_index bar, uint64_t address);
};

struct pci_bar {
	uint32_t bytes; /* a power of two; 0: there is none */
	bool is_mapped;
	uint64_t address; /* if it is */
};

struct pci_range {
	struct register_range range; /* its base is set when it is mapped */
	enum pci_bar_index bar;
	uint32_t offset; /* behind the base address register */
};

struct pci_function {
	const struct pci_function_operations *operations;
	void *device;
	uint8_t config[PCI_CONFIG_BYTES];
	uint8_t writable[PCI_CONFIG_BYTES]; /* bits */
	uint8_t capability_link; /* where the next capability's offset is to be written */
	uint8_t capability_end;
	struct pci_bar bars[PCI_FUNCTION_BARS];
	unsigned range_count;
	struct pci_range ranges[PCI_FUNCTION_RANGES_MAX];
};

void pci_function_init(struct pci_function *function, const struct pci_identity *identity,
	const struct pci_function_operations *operations, void *device);

/*
 * Append a capability. There is room for all that Sluice's devices have.
 *
 * @capability: its first byte is its ID, the second is filled in
 * Returns its offset in configuration space.
 */
uint8_t pci_function_add_capability(
	struct pci_function *function, const void *capability, unsigned size_bytes);

/* Give it a base address register, of `bytes`, a power of two. */
void pci_function_add_bar(struct pci_function *function, enum pci_bar_index bar, uint32_t bytes);

/* Registers, at an offset behind a base address register that it has. */
void pci_function_add_range(struct pci_function *function, enum pci_bar_index bar,
	const struct register_range *range, uint32_t offset);

/* The registers that have all of these bytes behind base address register 0; or NULL. */
const struct pci_range *pci_function_find_range(
	const struct pci_function *function, uint32_t offset, uint32_t size_bytes);

/* Where a base address register is in configuration space. */
unsigned pci_function_bar_offset(enum pci_bar_index bar);

/* An access of 1, 2 or 4 bytes, naturally aligned. */
uint32_t pci_function_read(struct pci_function *function, unsigned offset, unsigned size_bytes);
void pci_function_write(
	struct pci_function *function, unsigned offset, unsigned size_bytes, uint32_t value);

/* Where the guest wants them to be. Returns false if nowhere: decoding is off, or beyond the window. */
bool pci_function_wanted_address(
	const struct pci_function *function, enum pci_bar_index bar, uint64_t *address);

/* Put the registers there. Returns 0, or -EEXIST if others have some of it. */
int pci_function_map(struct pci_function *function, enum pci_bar_index bar,
	struct registers *registers, uint64_t address);

/* If they are somewhere. */
void pci_function_unmap(
	struct pci_function *function, enum pci_bar_index bar, struct registers *registers);

/* Fields of configuration space are little-endian, as the host is. */
uint16_t pci_function_get_u16(const struct pci_function *function, unsigned offset);
uint32_t pci_function_get_u32(const struct pci_function *function, unsigned offset);
void pci_function_set_u16(struct pci_function *function, unsigned offset, uint16_t value);
void pci_function_set_u32(struct pci_function *function, unsigned offset, uint32_t value);

#endif
