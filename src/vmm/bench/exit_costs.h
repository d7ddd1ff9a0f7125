/*
 * What exits cost on this CPU, as SplitX's first table has it (Landau et al., WIOV'11, section 2): the switch itself, what
 * the hypervisor evicts, and how long the guest waits; each with exits handled on the vCPU's own core and on another.
 *
 * A bare guest measures (guest/bare/bench.c); here it is run, and what it prints is read.
 */
#ifndef SLUICE_VMM_BENCH_EXIT_COSTS_H
#define SLUICE_VMM_BENCH_EXIT_COSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Ways to the hypervisor. */
enum exit_way {
	EXIT_WAY_NONE, /* no way at all: what measuring costs */
	EXIT_WAY_CPUID,
	EXIT_WAY_DOORBELL,
	EXIT_WAY_PORT_READ,
	EXIT_WAY_PORT_WRITE,
	EXIT_WAY_MEMORY_READ,
	EXIT_WAY_COALESCED_WRITE,
	EXIT_WAY_RING_NOTHING,
	EXIT_WAY_RING_PORT_READ,
	EXIT_WAY_RING_POST,
	EXIT_WAY_COUNT,
};

struct exit_way_row {
	const char *name; /* as the guest calls it */
	const char *text;
	const char *handled_by;
};

extern const struct exit_way_row exit_ways[EXIT_WAY_COUNT];

/* Memory that the guest goes through after an exit, to find out what has been evicted. */
#define EXIT_COSTS_LAPS 2u
extern const uint64_t exit_costs_lap_bytes[EXIT_COSTS_LAPS];

/* Medians, in cycles of the time stamp counter, what measuring costs taken off. */
struct exit_costs {
	uint64_t wait_cycles[EXIT_WAY_COUNT];		       /* until the guest goes on */
	uint64_t lost_cycles[EXIT_COSTS_LAPS][EXIT_WAY_COUNT]; /* by a lap after it */
};

struct exit_costs_config {
	const char *guest_path; /* of build/guest/bare/sluice-bare-guest */
	unsigned samples;
	int guest_cpu, hypervisor_cpu;
};

/*
 * Measure, with exits handled on the hypervisor core (`is_split`) or on the guest's.
 *
 * Returns 0, or a negative errno with `error` set: as kvm_open's, or -EPROTO if the guest has not said all.
 */
int exit_costs_measure(const struct exit_costs_config *config, bool is_split,
	struct exit_costs *costs, struct error *error);

/* Read what the guest has printed. Returns 0 or -EPROTO with `error` set. */
int exit_costs_read(const char *text, struct exit_costs *costs, struct error *error);

#endif
