/* A gate as its two files know it: gate.c, for control threads, and gate_slots.c, for the sidecore. */
#ifndef SLUICE_DISK_GATE_PRIVATE_H
#define SLUICE_DISK_GATE_PRIVATE_H

#include <semaphore.h>

#include "disk/gate.h"
#include "disk/pool_private.h"

/* What sluiced knows of a slot, whatever the slot says. */
enum gate_turn_state {
	GATE_TURN_IDLE,
	GATE_TURN_WAITING,
	GATE_TURN_GRANTED,
	GATE_TURN_OVERDUE, /* done for the scheduler, and not ended yet */
};

struct gate_turn {
	struct pool_request request;
	struct gate *gate;
	enum gate_turn_state state;
	enum gate_kind kind;
	TAILQ_ENTRY(gate_turn) link; /* among those granted */
	struct caller wake;
};

struct gate {
	struct gate_config config;
	struct pool_member member;
	uint64_t transfer_bytes_max;
	uint64_t flush_bytes_max;

	/* While it is open. */
	struct gate_descriptors descriptors;
	struct gate_region *region;
	sem_t closed; /* posted by the sidecore when it has let go of everything */

	/* The sidecore only. */
	struct poller poller;
	struct doorbell doorbell;
	struct timer timer;		 /* not later than when the first grant is overdue */
	TAILQ_HEAD(, gate_turn) granted; /* in the order of their grants */
	uint64_t grant_ns_max;
	uint64_t overdue_at_ns; /* when one was, last */
	bool is_watched;	/* the sidecore still has the doorbell */
	bool is_closing;
	struct gate_turn turns[GATE_SLOTS];
	uint64_t reads, writes, flushes;
	uint64_t read_bytes, write_bytes;
	uint64_t overdue;
	uint64_t in_flight;
};

/* ---- on the sidecore; `argument` is the gate ---- */

/* Serve the region, as a process finds it that has just started. */
void gate_slots_open(void *argument);

/* Forget what waits, complete what is granted, let go of all descriptors, and then post `closed`. */
void gate_slots_close(void *argument);

#endif
