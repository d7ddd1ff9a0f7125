/*
 * A gate: what a module's process does to its device, as a member of a pool. Its threads do the I/O themselves, but ask for leave first,
 * which the pool's scheduler gives as it sends a disk's request to the device: so tiers, deadlines, weight, limit, window and
 * audit are those of disks.
 *
 * Theory of operation. The sidecore polls the memory that the process and sluiced share (gate_protocol.h). What a slot asks for
 * becomes a request in the scheduler; sending it means writing GRANTED; the thread's ENDED completes it.
 *
 * The process is hostile. It may claim anything in a slot: a kind that there is not is a write, and no size is more than
 * the pool's largest request. It may ask and never end, and hold the room in the pool's window that others need: a grant counts as
 * completed after a second, and each time that happens the gate's next grants get half as long, down to a millisecond, until there was none
 * for a minute. What it says of latencies teaches the window nothing. What it cannot be made to do is ask: one that has broken out of the
 * functions that do (offload/gate/gated_calls.c) but not out of its sandbox reaches its files without.
 */
#ifndef SLUICE_DISK_GATE_H
#define SLUICE_DISK_GATE_H

#include <stdint.h>

#include "base/error.h"
#include "disk/gate_protocol.h"
#include "disk/pool.h"
#include "slo/slo.h"

#define GATE_NAME_BYTES 64

struct gate_config {
	char name[GATE_NAME_BYTES]; /* of the module */
	struct slo slo;
};

/* What the module's process gets; they are the gate's, and are closed by gate_close. */
struct gate_descriptors {
	int region; /* memory of a struct gate_region, whose size is sealed */
	int doorbell;
	int wake[GATE_SLOTS];
};

struct gate;

/* ---- for control threads, serialized by the control plane ---- */

/*
 * Ask for admission, and take a place in the pool.
 *
 * Returns 0, or a negative errno with `error` set: -EINVAL, -ENOSPC if the SLO cannot be promised, -ENOMEM.
 */
int gate_create(struct pool *pool, const struct gate_config *config, struct gate **gate,
	struct error *error);

/* Destroy a gate that is not open. */
void gate_destroy(struct gate *gate);

/* Change the SLO under running I/O. Returns 0, -EINVAL or -ENOSPC with `error` set. */
int gate_set_slo(struct gate *gate, const struct slo *slo, struct error *error);

const struct gate_config *gate_config(const struct gate *gate);
struct pool *gate_pool(const struct gate *gate);

/* ---- for the thread that keeps the module's process, one at a time ---- */

/*
 * A process is about to start: make what it shares with the gate, and serve it.
 *
 * Returns 0 with `*descriptors` to be handed over, or a negative errno with `error` set.
 */
int gate_open(struct gate *gate, struct gate_descriptors *descriptors, struct error *error);

/* It has ended: what it asked for is forgotten, what it was granted is done. */
void gate_close(struct gate *gate);

/* ---- for any thread ---- */

struct gate_statistics {
	uint64_t reads, writes, flushes; /* ended */
	uint64_t read_bytes, write_bytes;
	uint64_t overdue;   /* grants that were not ended in time */
	uint64_t in_flight; /* asked for or granted */
};
void gate_statistics(const struct gate *gate, struct gate_statistics *statistics);

/* The audit of a tier; tier == tier_count is best effort. See flow_audit. */
const struct tier_audit *gate_audit(const struct gate *gate, unsigned tier);

#endif
