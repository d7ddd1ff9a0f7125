/*
 * Who shares a pool: a disk, or the gate of a module. Each has an SLO and a place in the scheduler (its flow); admission counts
 * those of all members together.
 */
#ifndef SLUICE_DISK_POOL_MEMBER_H
#define SLUICE_DISK_POOL_MEMBER_H

#include <sys/queue.h>

#include "base/error.h"
#include "slo/scheduler.h"

struct pool;

struct pool_member {
	struct pool *pool;
	struct slo *slo; /* in its owner's configuration */
	struct flow *flow;
	TAILQ_ENTRY(pool_member) link;
};

TAILQ_HEAD(pool_member_list, pool_member);

/* A request of a member, embedded in the member's own. */
struct pool_request {
	struct slo_request slo;

	/* The scheduler has let it go: bring it to the device. Say when it is done with pool_complete. */
	void (*send)(struct pool_request *request);
};

/* ---- for control threads ---- */

/*
 * Ask for admission, and take a place in the scheduler.
 *
 * @slo: has passed slo_check; stays the owner's, and in place until pool_leave
 * Returns 0, or with `error` set -ENOSPC if the pool could not keep all promises, -ENOMEM.
 */
int pool_join(struct pool *pool, struct pool_member *member, struct slo *slo, struct error *error);

/* Nothing of the member's is queued or at the device any more. */
void pool_leave(struct pool_member *member);

/* Change the SLO under running I/O. Returns 0, -EINVAL or -ENOSPC with `error` set. */
int pool_member_set_slo(struct pool_member *member, const struct slo *slo, struct error *error);

#endif
