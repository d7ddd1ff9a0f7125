/*
 * The memory by which a module's threads ask sluiced for leave to do I/O, and say when they have done it.
 *
 * Theory of operation. A slot is one I/O of one thread. The thread claims it (FREE to CLAIMED, by compare-and-swap), writes what it
 * wants to do, stores ASKED, sets the slot's bit in `posted`, and rings the doorbell if `is_parked`. sluiced stores GRANTED when it is the
 * I/O's turn; a thread that has said it sleeps is woken by the slot's eventfd. When it has done the I/O the thread stores ENDED and sets the
 * bit again; sluiced stores FREE.
 *
 * `is_sleeping` and `state`, and `is_parked` and `posted`, are each written by one side and read by the other before it waits, so
 * these stores and loads are sequentially consistent.
 *
 * sluiced trusts none of this memory: it knows by itself in which state a slot is, and reads what a slot asks for once.
 */
#ifndef SLUICE_DISK_GATE_PROTOCOL_H
#define SLUICE_DISK_GATE_PROTOCOL_H

#include <stdint.h>

#define GATE_SLOTS 64u /* bits of `posted` */
#define GATE_VERSION 1u

enum gate_slot_state {
	GATE_FREE,
	GATE_CLAIMED,
	GATE_ASKED,
	GATE_GRANTED,
	GATE_ENDED,
};

enum gate_kind {
	GATE_READ,
	GATE_WRITE,
	GATE_FLUSH, /* with `bytes` that are written back by it */
	GATE_KINDS
};

struct gate_slot {
	_Alignas(64) uint32_t state;
	uint32_t is_sleeping; /* the thread waits for the eventfd */
	uint32_t kind;
	uint32_t is_sequential; /* it begins where an earlier one of its kind and file ended */
	uint64_t bytes;
};

struct gate_region {
	/* Written by sluiced before the module's process has it. */
	uint32_t version;
	uint32_t slot_count;
	uint64_t
		transfer_bytes_max; /* of one read or write; what is larger has to ask several times */
	uint64_t flush_bytes_max; /* likewise */

	_Alignas(64) uint64_t posted;	 /* a bit per slot that sluiced has to look at */
	_Alignas(64) uint32_t is_parked; /* sluiced has to be rung */

	struct gate_slot slots[GATE_SLOTS];
};

#endif
