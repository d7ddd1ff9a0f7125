/*
 * A pool: one device, the disks (and modules) on it, and the scheduler that shares it out among them. All of it
 * lives on one sidecore; the functions here are for control threads, and are not safe to call from
 * two of them at once (the control plane serializes them).
 */
#ifndef SLUICE_DISK_POOL_H
#define SLUICE_DISK_POOL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "disk/backend.h"
#include "sidecore/sidecore.h"
#include "slo/admission.h"
#include "slo/scheduler.h"

#define POOL_NAME_BYTES 64
#define POOL_MEMBERS_MAX 16384u

struct pool_config {
	char name[POOL_NAME_BYTES];
	const struct backend_ops *backend;
	char path[PATH_MAX]; /* of back end file: a directory of images, or a block device */
	double capacity_units_per_s; /* 0: unknown; then no guarantees can be admitted */
	uint64_t latency_ns;	     /* the device's own; see admission.h */
	struct slo_cost_model cost;
	uint64_t largest_request_bytes; /* that can be guaranteed */
	unsigned in_flight_max;		/* cost units at the device; 0: as its latency allows */
	bool is_enforcing;		/* false: SLOs are audited but not enforced */
	bool use_page_cache;		/* do not use O_DIRECT */
};

struct pool;

/* Create a pool on a sidecore that outlives it. Returns 0 or a negative errno with `error` set. */
int pool_create(const struct pool_config *config, struct sidecore *sidecore, struct pool **pool,
	struct error *error);

/* Destroy a pool that has no members. */
void pool_destroy(struct pool *pool);

const struct pool_config *pool_config(const struct pool *pool);
struct sidecore *pool_sidecore(const struct pool *pool);

/* What admission asks of a pool. */
struct admission_pool pool_admission(const struct pool_config *config);

/* What all admitted SLOs together need of the capacity, in units/s. */
double pool_reserved_units_per_s(const struct pool *pool);

/* What the pool's device has done; relaxed reads of counters. */
struct pool_statistics {
	uint64_t requests; /* completed by the device */
	uint64_t bytes;
	uint64_t errors; /* the device failed a request */
	struct scheduler_state scheduler;
};
void pool_statistics(const struct pool *pool, struct pool_statistics *statistics);

#endif
