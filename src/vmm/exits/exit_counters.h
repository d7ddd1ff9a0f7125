/*
 * What is counted of a vCPU's exits. Two threads count, each in its own structure: the vCPU's, and whoever
 * handles its exits. Any thread reads (base/counter.h, base/histogram.h).
 */
#ifndef SLUICE_VMM_EXITS_EXIT_COUNTERS_H
#define SLUICE_VMM_EXITS_EXIT_COUNTERS_H

#include <stdint.h>

#include "base/histogram.h"
#include "vmm/exits/exit_table.h"

/* By the vCPU's thread. */
struct exit_counters_of_vcpu {
	uint64_t exits[EXIT_REASON_COUNT]; /* returns from KVM_RUN */
	uint64_t answered_spinning;	   /* posts whose answer came while the thread spun */
	uint64_t answered_asleep;	   /* those for which it had to wait in a futex */
	uint64_t doorbells;		   /* posts for which a parked service had to be woken */
	uint64_t handled;		   /* exits whose handler ran on this thread */
	struct histogram lost_ns; /* from KVM_RUN's return until it can be called again, per exit */
};

/* By whoever handles the exits, if that is another thread. */
struct exit_counters_of_core {
	uint64_t handled;
	uint64_t wakes;	  /* answers that had to wake the vCPU's thread */
	uint64_t dropped; /* posted, and not handled since the machine had ended */
};

#endif
