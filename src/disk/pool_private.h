/* A pool as the files of this room know it. */
#ifndef SLUICE_DISK_POOL_PRIVATE_H
#define SLUICE_DISK_POOL_PRIVATE_H

#include "disk/pool.h"
#include "disk/pool_member.h"
#include "slo/cost.h"
#include "slo/scheduler.h"

struct pool {
	struct pool_config config;
	struct sidecore *sidecore;
	struct scheduler *scheduler;

	/* Control threads only. */
	struct pool_member_list members;
	unsigned member_count;

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

/* ---- on the sidecore ---- */

/* Send to the device what the scheduler lets go. Safe to call from within a completion. */
void pool_dispatch(struct pool *pool, uint64_t now_ns);

/* The device has done a request, or failed it. Others may go then: pool_dispatch is the caller's to call. */
void pool_complete(
	struct pool *pool, struct pool_request *request, bool has_failed, uint64_t now_ns);

#endif
