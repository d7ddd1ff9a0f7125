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
#include <sys/queue.h>

#include "vmm/exits/exit_table.h"

struct register_range {
	enum register_kind kind;
	uint64_t base; /* port, or guest-physical address, by the kind's space */
	uint64_t size_bytes;

	/*
	 * An access of 1, 2, 4 or 8 bytes, `offset` from the base, wholly within the range; values are
	 * little-endian numbers. NULL: reads as all ones; is ignored. Must not block: what takes
	 * long (a conversation with a back end) is handed to a thread of its own, and its progress is
	 * read from a register.
	 */
	uint64_t (*read)(void *device, uint64_t offset, unsigned size_bytes);
	void (*write)(void *device, uint64_t offset, uint64_t value, unsigned size_bytes);
	void *device;

	/* Kept by the map. */
	TAILQ_ENTRY(register_range) link;
	uint64_t reads, writes; /* read by other threads: base/counter.h */
};

struct registers;

struct registers *registers_create(void); /* NULL: no memory */
void registers_destroy(struct registers *registers);

/* Returns 0, or -EEXIST if another range has some of it. The range stays the caller's. */
int registers_add(struct registers *registers, struct register_range *range);
void registers_remove(struct registers *registers, struct register_range *range);

/* An access as KVM reports it: `data` is size_bytes long. What nobody has reads as all ones. */
void registers_read(struct registers *registers, enum register_space space, uint64_t address,
	void *data, unsigned size_bytes);
void registers_write(struct registers *registers, enum register_space space, uint64_t address,
	const void *data, unsigned size_bytes);

#endif
