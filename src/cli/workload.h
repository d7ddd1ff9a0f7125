/*
 * A workload for a virtio-blk device behind a vhost-user socket: what to ask for, and what came of it.
 *
 * Theory of operation. One thread drives all queues, round robin, with a fixed number of request slots
 * each. Closed loop (no rate): a slot that completes is used again at once. Open loop (a rate): requests
 * are due at fixed times, in bursts; one that finds no free slot waits, and its latency counts from
 * when it was due, so that a slow device cannot hide behind its own slowness.
 */
#ifndef SLUICE_CLI_WORKLOAD_H
#define SLUICE_CLI_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"

#define WORKLOAD_DEPTH_MAX 256u
#define WORKLOAD_SEGMENTS_MAX 126u

struct workload_config {
	const char *socket_path;
	unsigned queue_count;
	unsigned depth; /* requests in flight per queue, at most WORKLOAD_DEPTH_MAX */
	uint64_t request_bytes;
	unsigned segments;	/* data segments per request, at most WORKLOAD_SEGMENTS_MAX */
	unsigned write_percent; /* 0 to 100; the rest are reads */
	bool is_sequential;
	bool is_packed;
	bool has_event_index;
	bool uses_indirect;
	bool waits_for_calls; /* sleep until the back end calls; otherwise poll */
	bool verifies;	      /* write every block of the region once, then read and compare each */
	uint64_t region_bytes; /* of the disk, from its start; 0: all of it */
	uint64_t duration_ns;
	uint64_t request_limit; /* stop after so many; 0: no limit */
	uint64_t rate_per_s;	/* open loop; 0: closed loop */
	uint64_t burst;		/* requests that are due at one time, in open loop */
	int cpu;		/* to run on; -1: any */
};

struct workload_result {
	uint64_t requests;
	uint64_t bytes;
	uint64_t errors;     /* answered with another status than OK */
	uint64_t mismatches; /* blocks that did not read as written */
	uint64_t first_mismatch_offset;
	uint64_t elapsed_ns;
	uint64_t cpu_ns; /* of the driving thread */
	uint64_t kicks_sent;
	uint64_t calls_received;
	uint64_t disk_bytes;
	struct histogram latency_ns;
};

/*
 * Run a workload to its end, or until `*interrupted` becomes true.
 *
 * Returns 0 or a negative errno with `error` set: a queue cannot hold so many requests of so many
 * segments, nothing listens, the device is too small or hangs up.
 */
int workload_run(const struct workload_config *config, const volatile int *interrupted,
	struct workload_result *result, struct error *error);

#endif
