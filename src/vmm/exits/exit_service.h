/*
 * Whoever handles a VM's exits: a hypervisor core, or, when the split is off, the vCPU that has one.
 *
 * Theory of operation. Split: the service is a poller of a sidecore. A vCPU's thread that leaves KVM_RUN
 * posts its exit in its slot (exit_slot.h) and waits; the sidecore finds it, looks the reason up in the exit
 * table, has the registers' device answer, and releases the thread. Coalesced writes are drained in the same
 * poll, always before an exit of the same VM is handled, so that the guest's order is kept. When the
 * poller parks, coalescing is switched off (each write is then an exit, which rings the poller's
 * doorbell), so nothing that the guest wrote stays unseen while nobody polls.
 *
 * Not split: the vCPU's thread does the same, under a lock.
 *
 * In both cases one thing at a time happens to a VM's devices; whatever touches them from elsewhere uses
 * exit_service_run.
 */
#ifndef SLUICE_VMM_EXITS_EXIT_SERVICE_H
#define SLUICE_VMM_EXITS_EXIT_SERVICE_H

#include <stdbool.h>

#include "base/error.h"
#include "sidecore/sidecore.h"
#include "vmm/exits/registers.h"

struct exit_service;

/* The sidecore, for io_uring operations of devices (a serial port's output). */
struct sidecore *exit_service_sidecore(struct exit_service *service);

/*
 * On the sidecore's thread, in a completion or a timer: begin and end touching devices. Costs nothing when
 * the split is on.
 */
void exit_service_enter(struct exit_service *service);
void exit_service_leave(struct exit_service *service);

/* From any other thread: have `function(argument)` done to the devices, and wait until it is. */
void exit_service_run(
	struct exit_service *service, void (*function)(void *argument), void *argument);

#endif
