/* The segments with which a kernel begins: flat, and as both of its formats ask. */
#ifndef SLUICE_VMM_BOOT_SEGMENTS_H
#define SLUICE_VMM_BOOT_SEGMENTS_H

#include <stdint.h>

/* Linux's boot protocol fixes these two selectors. */
#define SEGMENT_CODE 0x10u
#define SEGMENT_DATA 0x18u
#define SEGMENT_TASK 0x20u

/* What is at LAYOUT_GDT in the guest's memory (Intel SDM 3A, 3.4.5). */
#define SEGMENTS_COUNT 5u
static const uint64_t segment_descriptors[SEGMENTS_COUNT] = {
	[SEGMENT_CODE / 8] = 0x00cf9b000000ffff, /* execute and read, accessed, 4 GiB, 32-bit */
	[SEGMENT_DATA / 8] = 0x00cf93000000ffff, /* read and write, the same */
	[SEGMENT_TASK / 8] = 0x00008b0000000067, /* a busy 32-bit TSS, which nobody uses */
};

#endif
