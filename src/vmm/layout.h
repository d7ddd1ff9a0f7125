/*
 * Where things are in a guest's physical address space, in its port space, and on its interrupt
 * controller's pins. Everything that is written into tables for the guest, or looked for by it, has its
 * address from here.
 *
 *          0 .. 3 GiB      RAM, the legacy hole at 640 KiB .. 1 MiB left out of the memory map
 *      3 GiB .. 4064 MiB   what PCI's base address registers may be set to
 *   4064 MiB .. 4065 MiB   exit rings (exits/exit_ring.h), memory that is always there
 *   4076 MiB, 4078 MiB     I/O APIC, local APIC
 *      4 GiB ..            the rest of RAM
 */
#ifndef SLUICE_VMM_LAYOUT_H
#define SLUICE_VMM_LAYOUT_H

#define LAYOUT_LOW_RAM_END 0xc0000000ull
#define LAYOUT_HIGH_RAM_START 0x100000000ull

/* Below 1 MiB: what the kernel is given when it starts. */
#define LAYOUT_GDT 0x500ull
#define LAYOUT_START_INFO 0x6000ull	 /* of PVH */
#define LAYOUT_BOOT_PARAMETERS 0x7000ull /* of a bzImage */
#define LAYOUT_COMMAND_LINE 0x20000ull
#define LAYOUT_COMMAND_LINE_BYTES_MAX 0x10000ull
#define LAYOUT_LEGACY_HOLE_START 0xa0000ull
#define LAYOUT_ACPI 0xe0000ull /* tables; the root pointer is the first of them */
#define LAYOUT_ACPI_BYTES_MAX 0x20000ull
#define LAYOUT_RESET_VECTOR 0xffff0ull /* where a BIOS would begin */
#define LAYOUT_KERNEL 0x100000ull      /* of a bzImage: its protected-mode part */

#define LAYOUT_PCI_MEMORY_START 0xc0000000ull
#define LAYOUT_PCI_MEMORY_END 0xfe000000ull
#define LAYOUT_EXIT_RINGS 0xfe000000ull
#define LAYOUT_EXIT_RINGS_BYTES_MAX 0x100000ull
#define LAYOUT_IO_APIC 0xfec00000ull
#define LAYOUT_LOCAL_APIC 0xfee00000ull
#define LAYOUT_IDENTITY_MAP 0xfffbc000ull /* Intel's need: one page, and three after it */
#define LAYOUT_TASK_STATE 0xfffbd000ull

/* Ports. */
#define LAYOUT_PORT_KEYBOARD 0x64u /* only to reset the machine */
#define LAYOUT_PORT_SERIAL 0x3f8u
#define LAYOUT_PORT_SERIAL_COUNT 8u
#define LAYOUT_PORT_POWER 0x600u /* see devices/power.h */
#define LAYOUT_PORT_POWER_COUNT 4u
#define LAYOUT_PORT_EXIT_DOORBELL 0x610u /* 4 bytes: the index of a vCPU; see exits/exit_ring.h */
#define LAYOUT_PORT_PCI_ADDRESS 0xcf8u
#define LAYOUT_PORT_PCI_DATA 0xcfcu

/* Pins of the I/O APIC, which are global system interrupts as well. */
#define LAYOUT_GSI_SERIAL 4u
#define LAYOUT_GSI_POWER 5u
#define LAYOUT_GSI_COUNT 24u /* message-signalled ones are numbered from here */

#define VCPUS_MAX 64u

#endif
