/* The machine that this guest knows: Sluice's, or one like it. */
#ifndef SLUICE_BARE_MACHINE_H
#define SLUICE_BARE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define PORT_SERIAL 0x3f8u
#define PORT_SERIAL_LINE_STATUS (PORT_SERIAL + 5)
#define PORT_SERIAL_SCRATCH (PORT_SERIAL + 7)
#define PORT_KEYBOARD 0x64u /* which can reset the machine */
#define PORT_POWER 0x600u   /* ACPI's sleep control register, and what is beside it */
#define PORT_POWER_COUNT 4u
#define PORT_PCI_ADDRESS 0xcf8u
#define PORT_PCI_DATA 0xcfcu

#define PCI_MEMORY_START 0xc0000000u /* where devices' registers can be */
#define PCI_MEMORY_END 0xfe000000u

/* Turn it off. */
_Noreturn void machine_off(void);

#endif
