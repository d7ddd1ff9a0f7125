/*
 * An exit slot: where one vCPU's thread leaves an exit for whoever handles it, and waits for the answer.
 *
 * Theory of operation. The state says whose the vCPU's struct kvm_run is: the thread's own, or, once it is
 * posted, the handler's. Posting and answering are stores with release order, looking is a load with
 * acquire order, so each side sees what the other wrote before.
 *
 * The thread spins for a window that adapts (an answer that came within spin_ns_max doubles it, one that did
 * not halves it), then says that it sleeps, by a compare-and-swap that fails if the answer came first, and waits
 * in a futex. The answer is an exchange, which tells the handler whether it must wake somebody. A thread that
 * shares its CPU with the handler has a spin_ns_max of 0: spinning there only keeps the answer away.
 */
#ifndef SLUICE_VMM_EXITS_EXIT_SLOT_H
#define SLUICE_VMM_EXITS_EXIT_SLOT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/exits/exit_counters.h"
#include "vmm/exits/exit_handlers.h"

#define EXIT_SLOT_SPIN_NS_DEFAULT 50000u

enum exit_slot_state {
	EXIT_SLOT_OWN, /* the vCPU's thread's */
	EXIT_SLOT_POSTED,
	EXIT_SLOT_POSTED_ASLEEP, /* and its thread sleeps until the answer */
};

struct exit_slot {
	_Alignas(64) uint32_t state; /* of exit_slot_state; atomic; a futex */
	uint64_t spin_ns_max;
	uint64_t spin_ns; /* the window now */
	pthread_t thread; /* set before it posts */
	struct exit_context context;
	_Alignas(64) struct exit_counters_of_vcpu by_vcpu;
	_Alignas(64) struct exit_counters_of_core by_core;
};

void exit_slot_init(
	struct exit_slot *slot, const struct exit_context *context, uint64_t spin_ns_max);

/* ---- On the vCPU's thread ---- */

void exit_slot_post(struct exit_slot *slot);

/*
 * Wait for the answer to what was posted.
 *
 * @posted_ns: when (base/clock.h)
 * Returns the time now.
 */
uint64_t exit_slot_wait(struct exit_slot *slot, uint64_t posted_ns);

/* ---- On the handler's ---- */

bool exit_slot_is_posted(const struct exit_slot *slot);

/* Give the vCPU back to its thread. */
void exit_slot_answer(struct exit_slot *slot);

#endif
