/*
 * A machine that runs guest/bare, from its first instruction to power-off: to measure and to test what exits and
 * exit rings do, without an operating system in between.
 */
#ifndef SLUICE_VMM_BENCH_BARE_MACHINE_H
#define SLUICE_VMM_BENCH_BARE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/exits/exit_ring.h"
#include "vmm/machine.h"

struct bare_machine_config {
	const char *guest_path;	  /* of build/guest/bare/sluice-bare-guest */
	const char *command_line; /* a job of guest/bare/jobs.h */
	unsigned vcpu_count;
	bool is_split;	      /* as in struct machine_config */
	int vcpu_cpu;	      /* of all vCPUs, or SIDECORE_NOT_PINNED */
	int hypervisor_cpu;   /* or SIDECORE_NOT_PINNED */
	uint64_t poll_ns_max; /* of the hypervisor core */
	int output_fd;	      /* what the guest prints goes there */
};

struct bare_machine_result {
	enum machine_end end;
	uint64_t kvm_exits;		 /* KVM's own count, over all vCPUs; 0 if it has none */
	uint64_t user_exits;		 /* those of them that came to user space */
	struct exit_ring_counters rings; /* the sum over all vCPUs */
	unsigned rings_stopped;
};

/* Returns 0 when the guest has ended, however that was; or a negative errno with `error` set. */
int bare_machine_run(const struct bare_machine_config *config, struct bare_machine_result *result,
	struct error *error);

#endif
