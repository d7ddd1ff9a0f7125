/*
 * The exit rings of a machine, one for each vCPU, in guest-physical memory from LAYOUT_EXIT_RINGS.
 *
 * Theory of operation. Each ring is a poller of the service's sidecore, whether exits are split or not: its
 * requests are handled there, between exit_service_enter and exit_service_leave. A ring that has been quiet
 * is parked, and its guest rings its doorbell: a port that KVM turns into a write to an eventfd, by the
 * number that is written. Completions that the guest does not wait for interrupt it by a message of
 * interrupts.h.
 */
#ifndef SLUICE_VMM_EXITS_EXIT_RINGS_H
#define SLUICE_VMM_EXITS_EXIT_RINGS_H

#include <stdint.h>

#include "base/error.h"
#include "vmm/exits/exit_ring.h"
#include "vmm/exits/exit_service.h"
#include "vmm/interrupts.h"
#include "vmm/vm_memory.h"

/* KVM's number for the memory that the rings are in. */
#define EXIT_RINGS_MEMORY_SLOT VM_MEMORY_SLOTS

struct exit_rings_config {
	const char *name; /* of the machine, for the log; outlives the rings */
	unsigned count;	  /* vCPUs, up to VCPUS_MAX */
};

/* What they work with; all outlive them. */
struct exit_rings_place {
	int vm_fd;
	const struct vm_memory *memory;
	struct interrupts *interrupts;
	struct registers *registers;
	struct exit_service *service;
};

struct exit_rings;

/*
 * Give the VM its rings, and begin to serve them. Before any vCPU runs; the service's sidecore must.
 * Returns 0 or a negative errno with `error` set.
 */
int exit_rings_create(const struct exit_rings_config *config, const struct exit_rings_place *place,
	struct exit_rings **rings, struct error *error);

/* While no vCPU runs. NULL is left alone. */
void exit_rings_destroy(struct exit_rings *rings);

/* eax, ebx, ecx and edx of leaf SLUICE_CPUID_EXIT_RINGS. */
void exit_rings_leaf(const struct exit_rings *rings, uint32_t leaf[4]);

/* What a ring has done, and whether it is served; from any thread. */
const struct exit_ring_counters *exit_rings_counters(
	const struct exit_rings *rings, unsigned index);
enum sluice_exit_ring_state exit_rings_state(const struct exit_rings *rings, unsigned index);

#endif
