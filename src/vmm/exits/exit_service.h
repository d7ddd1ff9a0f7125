/*
 * Whoever handles a VM's exits: a hypervisor core, or, when the split is off, the vCPU that has one.
 *
 * Theory of operation. Split: the service is a poller of a sidecore. A vCPU's thread that leaves KVM_RUN
 * posts its exit in its slot (exit_slot.h) and waits; the sidecore finds it, looks the reason up in the exit
 * table, has the registers' device answer, and releases the thread. Coalesced writes are drained in the same
 * poll, always before an exit of the same VM is handled, so that the guest's order is kept. Coalescing is off
 * until a burst of writes has earned it (coalescing.h), and again when the poller parks: each write is then an
 * exit, which rings the poller's doorbell, so nothing that the guest wrote stays unseen while nobody polls.
 *
 * Parking: the poller says that it is parked, then looks at the slots and the ring once more; a vCPU's thread
 * posts, then looks whether the poller is parked. With a full fence between the two steps on both sides,
 * one of them sees the other: no post is left lying.
 *
 * Not split: the vCPU's thread does the same, under a lock. Nothing is coalesced then: nobody would look at the ring
 * before the guest's next exit, which may be never.
 *
 * In both cases one thing at a time happens to a VM's devices; what touches them besides exits does so on the
 * sidecore, between exit_service_enter and exit_service_leave.
 */
#ifndef SLUICE_VMM_EXITS_EXIT_SERVICE_H
#define SLUICE_VMM_EXITS_EXIT_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "sidecore/sidecore.h"
#include "vmm/exits/exit_slot.h"
#include "vmm/exits/registers.h"

struct exit_service;

/* ---- For devices ---- */

/* The sidecore, for io_uring operations of devices (a serial port's output). */
struct sidecore *exit_service_sidecore(struct exit_service *service);

/*
 * On the sidecore's thread, in a completion, a timer or a poller of its own: begin and end touching devices. Costs
 * nothing when the split is on.
 */
void exit_service_enter(struct exit_service *service);
void exit_service_leave(struct exit_service *service);

/* In between: do what vCPUs have written so far, and KVM has coalesced. */
void exit_service_drain(struct exit_service *service);

/* ---- For the machine ---- */

struct exit_service_config {
	bool is_split;
	struct sidecore *sidecore;
	struct registers *registers;
	/* The guest is done, or cannot go on. Called where exits are handled, perhaps more than once. */
	void (*end)(void *context, enum exit_verdict verdict);
	void *context;
};

/* Where KVM coalesces writes: in a page of page_bytes, if it can at all (else NULL). */
struct exit_service_coalescing {
	int vm_fd;
	bool has_ports;
	void *page;
	uint32_t page_bytes;
};

struct exit_service_counters {
	uint64_t coalesced_writes;
	uint64_t coalesced_invalid;   /* entries of the ring that cannot be */
	uint64_t coalescing_switched; /* times it was switched on */
};

/* All that the configuration points to outlives the service. */
int exit_service_create(const struct exit_service_config *config, struct exit_service **service,
	struct error *error);
void exit_service_destroy(struct exit_service *service);

/*
 * Take over the exits of these vCPUs: before they run. Their slots stay where they are until
 * exit_service_stop has returned, which is after they have run.
 */
void exit_service_start(struct exit_service *service, struct exit_slot *const *slots,
	unsigned slot_count, const struct exit_service_coalescing *coalescing);

/* Whoever was at the devices, and has perhaps ended the machine from there, has left them when this returns. */
void exit_service_stop(struct exit_service *service);

/* Any thread: from now on, give vCPUs back to their threads without handling their exits. */
void exit_service_drop(struct exit_service *service);

void exit_service_counters(
	const struct exit_service *service, struct exit_service_counters *counters);

/* ---- For vCPUs' threads ---- */

/*
 * Have the exit in the slot's struct kvm_run handled, and wait until it is.
 *
 * @left_ns: when the vCPU left KVM_RUN
 */
void exit_service_take(struct exit_service *service, struct exit_slot *slot, uint64_t left_ns);

#endif
