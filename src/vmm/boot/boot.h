/*
 * Loading a kernel: what a boot loader and firmware would do. Takes a Linux bzImage (boot protocol 2.06 or
 * later, by its 32-bit entry) or an ELF file with a PVH note (Xen's and Linux's xen/interface/hvm/start_info.h).
 * Both begin in 32-bit protected mode without paging (boot/segments.h), with one register that points to what
 * they are told.
 *
 * Writes into the guest's memory: the kernel, the initial RAM disk as high below 3 GiB as the kernel takes it,
 * the command line, the memory map, and ACPI's tables (boot/acpi.h).
 */
#ifndef SLUICE_VMM_BOOT_BOOT_H
#define SLUICE_VMM_BOOT_BOOT_H

#include <stdint.h>

#include "base/error.h"
#include "vmm/vm_memory.h"

struct boot_config {
	int kernel_fd;
	int initrd_fd; /* -1: none */
	const char *command_line;
	unsigned vcpu_count;
};

/* How the first vCPU begins; others wait for its start-up message. */
struct boot_entry {
	uint32_t eip; /* all are guest-physical */
	uint32_t ebx; /* what PVH is told */
	uint32_t esi; /* what a bzImage is told */
};

/*
 * Returns 0, or a negative errno with what is wrong with which file, and the mend, in `error`: -ENOEXEC if
 * it is no kernel, -EFBIG if it does not fit the memory. The files are untrusted. The memory is new: all
 * zeroes.
 */
int boot_load(const struct vm_memory *memory, const struct boot_config *config,
	struct boot_entry *entry, struct error *error);

#endif
