/* What iasl does not work out itself in a resource template; acpi.c checks it against layout.h. */
#ifndef SLUICE_VMM_BOOT_DSDT_NUMBERS_H
#define SLUICE_VMM_BOOT_DSDT_NUMBERS_H

#define DSDT_PCI_MEMORY_LAST 0xfdffffff
#define DSDT_PCI_MEMORY_BYTES 0x3e000000

#endif
