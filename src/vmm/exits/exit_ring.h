/*
 * The server's end of one exit ring: pure logic over memory that the guest shares. The protocol is
 * guest/exit-ring/sluice_exit_ring.h and docs/exit-ring.md; rings of a whole machine are exit_rings.h.
 *
 * The guest is hostile: each of its indices and each request is read once into local memory, and checked. The
 * server's own indices are private; what the ring holds of them is for the guest to read. A request reaches
 * registers, and nothing else that an exit could not reach. A ring whose guest breaks the protocol is stopped
 * for good, and says why.
 *
 * One thread per ring.
 */
#ifndef SLUICE_VMM_EXITS_EXIT_RING_H
#define SLUICE_VMM_EXITS_EXIT_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "exit-ring/sluice_exit_ring.h"
#include "vmm/exits/registers.h"
#include "vmm/vm_memory.h"

/* What one poll does at most, in requests of the simplest kind; so that rings take turns. */
#define EXIT_RING_POLL_COST_MAX 32u

/* Written where the ring is served, read by any thread (base/counter.h). */
struct exit_ring_counters {
	uint64_t synchronous;  /* requests that were answered */
	uint64_t asynchronous; /* requests that were not */
	uint64_t refused;      /* of both; they had no effect */
	uint64_t interrupts;   /* that completions were due for */
};

struct exit_ring_config {
	struct sluice_exit_ring *shared; /* zeroed; outlives the ring */
	struct registers *registers;
	const struct vm_memory *memory; /* what the console is written from */
	/* The message to interrupt by, or address 0 for none. Returns 0 or a negative errno. */
	int (*set_interrupt)(void *context, uint64_t address, uint32_t data);
	/* Send it; only called after it was set. */
	void (*interrupt)(void *context);
	/*
	 * There are requests, which are handled when this returns: do what their vCPU did before it posted them, by
	 * other ways than the ring. Those that are posted from now on wait for the next poll.
	 */
	void (*catch_up)(void *context);
	void *context;
};

struct exit_ring {
	struct exit_ring_config config;
	struct exit_ring_counters counters;
	uint32_t request_head;
	uint32_t completion_tail;
	uint32_t completion_shown; /* as far as the guest has been told */
	uint32_t completion_head;  /* the guest's, as read last */
	enum sluice_exit_ring_state state;
	bool has_interrupt;
};

void exit_ring_init(struct exit_ring *ring, const struct exit_ring_config *config);

/* Has the guest put something in, sensible or not? */
bool exit_ring_is_pending(const struct exit_ring *ring);

/* Handle requests, at most a poll's worth, and show the completions. Returns how many. */
unsigned exit_ring_poll(struct exit_ring *ring);

/* Ask for the doorbell at the next request. Returns true if there is one already. */
bool exit_ring_arm(struct exit_ring *ring);
/* The doorbell is not needed: the state of a new ring. */
void exit_ring_disarm(struct exit_ring *ring);

/* Why a ring was stopped, for the log. */
const char *exit_ring_state_text(enum sluice_exit_ring_state state);

#endif
