/* A pool as the files of this room know it. */
#ifndef SLUICE_DISK_POOL_PRIVATE_H
#define SLUICE_DISK_POOL_PRIVATE_H

#include "disk/disk.h"
#include "disk/pool.h"
#include "slo/cost.h"
#include "slo/scheduler.h"

TAILQ_HEAD(disk_list, disk);

struct pool {
	struct pool_config config;
	struct sidecore *sidecore;
	struct scheduler *scheduler;

	/* Control threads only. */
	struct disk_list disks;
	unsigned disk_count;

	/* The sidecore only. */
	struct timer timer; /* set while a limit holds requests back */
	bool is_dispatching;
	uint64_t requests;
	uint64_t bytes;
	uint64_t errors;
};

/* What one operation costs on this pool's device. */
double pool_cost_units(
	const struct pool *pool, enum slo_operation operation, bool is_sequential, uint64_t bytes);

/*
 * Would the pool keep its promises with one SLO added or, if `replaced` is not NULL, put in place of
 * that disk's? Returns 0 or -ENOSPC with `error` set.
 */
int pool_admit(const struct pool *pool, const struct slo *slo, const struct disk *replaced,
	struct error *error);

/* ---- on the sidecore ---- */

/* Send to the device what the scheduler lets go. Safe to call from within a completion. */
void pool_dispatch(struct pool *pool, uint64_t now_ns);

#endif
