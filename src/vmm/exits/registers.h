/*
 * Who answers for which registers: ranges of ports and of memory, each with the device that has it.
 *
 * Every kind of range is a row of exit_table.h, which says what class its reads and writes are. The map
 * is looked at by whoever handles exits, one at a time (exits/exit_service.h), and may only be
 * changed there, or while no vCPU runs.
 */
#ifndef SLUICE_VMM_EXITS_REGISTERS_H
#define SLUICE_VMM_EXITS_REGISTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exits/exit_table.h"

#define REGISTERS_RANGES_MAX 512u /* of each space */

struct register_range {
	enum register_kind kind;
	uint64_t base; /* port, or guest-physical address, by the kind's space */
	uint64_t size_bytes;

	/*
	 * An access of 1, 2, 4 or 8 bytes, `offset` from the base, wholly within the range; values are
	 * little-endian numbers. NULL: reads as all ones; is ignored. Must not block: what takes
	 * long (a conversation with a back end) is handed to a thread of its own, and its progress is
	 * read from a register. May add and remove ranges, its own included.
	 */
	uint64_t (*read)(void *device, uint64_t offset, unsigned size_bytes);
	void (*write)(void *device, uint64_t offset, uint64_t value, unsigned size_bytes);
	void *device;

	/* Kept by the map. */
	uint64_t reads, writes; /* read by other threads: base/counter.h */
};

/* Accesses to one kind of register since the machine was made, by the way they came. */
struct register_counts {
	uint64_t reads[EXIT_PATH_COUNT];
	uint64_t writes[EXIT_PATH_COUNT];
};

struct registers;

struct registers *registers_create(void); /* NULL: no memory */
void registers_destroy(struct registers *registers);

/*
 * Returns 0; -EEXIST if another range has some of it; -EINVAL if it is empty or leaves its space; -ENOSPC when
 * there are REGISTERS_RANGES_MAX. The range stays the caller's.
 */
int registers_add(struct registers *registers, struct register_range *range);
void registers_remove(struct registers *registers, struct register_range *range);

/*
 * An access as KVM reports it: `data` is size_bytes long, 1 to 8. What nobody has reads as all ones. One
 * that leaves a range, or has an odd size, reaches devices as several.
 */
void registers_read(struct registers *registers, enum register_space space, uint64_t address,
	void *data, unsigned size_bytes);
void registers_write(struct registers *registers, enum register_space space, uint64_t address,
	const void *data, unsigned size_bytes);

/* By which way the accesses come that follow: for the counts. EXIT_BY_POST, if nothing is said. */
void registers_come_by(struct registers *registers, enum exit_path path);

/* Call `function` with each range of the space, in the order of their bases. */
void registers_each(struct registers *registers, enum register_space space,
	void (*function)(const struct register_range *range, void *argument), void *argument);

/* Any thread: the numbers are counters (base/counter.h). */
const struct register_counts *registers_counts(
	const struct registers *registers, enum register_kind kind);
const struct register_counts *registers_counts_of_nobody(const struct registers *registers);

#endif
