/*
 * ACPI tables (ACPI 6.4, hardware-reduced): a root pointer, XSDT, FADT, MADT, and the DSDT that is compiled from
 * dsdt.asl. They say what CPUs there are, how to turn the machine off, where PCI and the serial port are.
 */
#ifndef SLUICE_VMM_BOOT_ACPI_H
#define SLUICE_VMM_BOOT_ACPI_H

#include <stdint.h>

#include "vmm/vm_memory.h"

#define ACPI_TABLES_BYTES_MAX 8192u

/*
 * Write them for memory at `guest_address`, beginning with the root pointer.
 *
 * @bytes: ACPI_TABLES_BYTES_MAX of room
 * Returns how many bytes they are.
 */
unsigned acpi_write_tables(uint8_t *bytes, uint64_t guest_address, unsigned vcpu_count);

/* The same, at LAYOUT_ACPI of a guest's memory. */
void acpi_place_tables(const struct vm_memory *memory, unsigned vcpu_count);

#endif
