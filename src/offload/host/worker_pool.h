/*
 * Threads that do what a sidecore must not: whatever may wait.
 *
 * Theory of operation. The sidecore owns the list of idle workers and the queue of jobs that wait for one, so neither needs a
 * lock. It hands a job to a worker by a semaphore, and a worker that has done one says so by a message, upon which the job's
 * `done` runs on the sidecore. One worker is idle always, as long as there may be more: the worker that takes the place of the
 * last idle one starts another before it begins, since making a thread is nothing for a sidecore.
 */
#ifndef SLUICE_OFFLOAD_HOST_WORKER_POOL_H
#define SLUICE_OFFLOAD_HOST_WORKER_POOL_H

#include <sys/queue.h>

#include "base/error.h"
#include "sidecore/sidecore.h"

struct worker_pool;

/* Embed it; the callbacks get it back. It can be run again from `done` on. */
struct worker_job {
	void (*run)(struct worker_job *job);  /* on a worker */
	void (*done)(struct worker_job *job); /* then, on the sidecore */

	STAILQ_ENTRY(worker_job) link; /* kept by the pool */
};

/*
 * @workers_max: how many jobs are under way at most, if the system gives that many threads
 * Returns 0, or a negative errno with the reason in `error`.
 */
int worker_pool_create(struct sidecore *sidecore, unsigned workers_max, struct worker_pool **pool,
	struct error *error);

/* End all threads; no job may be under way. NULL is ignored. Not from the sidecore. */
void worker_pool_destroy(struct worker_pool *pool);

/* Have a job run as soon as there is a worker for it. On the sidecore. */
void worker_pool_run(struct worker_pool *pool, struct worker_job *job);

/* How many threads there are. Any thread. */
uint64_t worker_pool_worker_count(const struct worker_pool *pool);

#endif
