#include "offload/host/worker_pool.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/counter.h"
#include "base/log.h"

struct worker {
	struct worker_pool *pool;
	pthread_t thread;
	bool is_started;
	sem_t work;		/* there is a job, or with none, the end */
	struct worker_job *job; /* handed over with `work`, back with a message */
	struct worker *next;	/* to be started by this one before its job; or NULL */
	SLIST_ENTRY(worker) link;
};

struct worker_pool {
	struct sidecore *sidecore;
	unsigned workers_max;

	/* The sidecore's. */
	SLIST_HEAD(, worker) idle; /* the last to have worked first: its stack is in the cache */
	STAILQ_HEAD(, worker_job) waiting;
	unsigned used; /* of `workers`: a worker with a lower place starts each */
	bool is_starting; /* the last of these; one at a time, so that no more are made than are needed */
	bool is_ending;

	uint64_t running; /* threads */
	struct worker workers[];
};

static void begin(void *argument);
static void do_without(void *argument);
static void finish(void *argument);

/* ---- on the worker ---- */

static void *work(void *argument);

static bool start(struct worker *worker)
{
	int result = pthread_create(&worker->thread, NULL, work, worker);

	worker->is_started = result == 0;
	if (result)
		log_warning("no thread for one more request that waits: %s; those that come wait "
			    "for others",
			strerror(result));
	return worker->is_started;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct worker_pool *pool = worker->pool;

	pthread_setname_np(pthread_self(), "worker");
	__atomic_add_fetch(&pool->running, 1, __ATOMIC_RELAXED);
	sidecore_post(pool->sidecore, begin, worker);
	for (;;) {
		while (sem_wait(&worker->work) < 0)
			;
		if (worker->next && !start(worker->next))
			sidecore_post(pool->sidecore, do_without, pool);
		if (!worker->job)
			return NULL;
		worker->job->run(worker->job);
		sidecore_post(pool->sidecore, finish, worker);
	}
}

/* ---- on the sidecore ---- */

/* Wakes it, which is no waiting. */
static void hand_over(struct worker *worker, struct worker_job *job)
{
	struct worker_pool *pool = worker->pool;
	bool is_last = SLIST_EMPTY(&pool->idle) && !pool->is_ending && !pool->is_starting;

	worker->job = job;
	worker->next = NULL;
	if (job)
		sidecore_count_helpers(pool->sidecore, 1);
	if (is_last && pool->used < pool->workers_max) {
		worker->next = &pool->workers[pool->used++];
		pool->is_starting = true;
	}
	sem_post(&worker->work);
}

static void become_idle(void *argument)
{
	struct worker *worker = argument;
	struct worker_pool *pool = worker->pool;
	struct worker_job *job = STAILQ_FIRST(&pool->waiting);

	if (job)
		STAILQ_REMOVE_HEAD(&pool->waiting, link);
	if (job || pool->is_ending)
		hand_over(worker, job);
	else
		SLIST_INSERT_HEAD(&pool->idle, worker, link);
}

static void begin(void *argument)
{
	struct worker *worker = argument;

	worker->pool->is_starting = false;
	become_idle(worker);
}

static void do_without(void *argument)
{
	struct worker_pool *pool = argument;

	pool->is_starting = false;
	pool->used--;
}

static void finish(void *argument)
{
	struct worker *worker = argument;
	struct worker_job *job = worker->job;

	sidecore_count_helpers(worker->pool->sidecore, -1);
	become_idle(worker);
	job->done(job);
}

void worker_pool_run(struct worker_pool *pool, struct worker_job *job)
{
	struct worker *worker = SLIST_FIRST(&pool->idle);

	if (!worker) {
		STAILQ_INSERT_TAIL(&pool->waiting, job, link);
		return;
	}
	SLIST_REMOVE_HEAD(&pool->idle, link);
	hand_over(worker, job);
}

static void end(void *argument)
{
	struct worker_pool *pool = argument;
	struct worker *worker;

	pool->is_ending = true;
	while ((worker = SLIST_FIRST(&pool->idle))) {
		SLIST_REMOVE_HEAD(&pool->idle, link);
		hand_over(worker, NULL);
	}
}

/* ---- from outside ---- */

int worker_pool_create(struct sidecore *sidecore, unsigned workers_max, struct worker_pool **pool,
	struct error *error)
{
	struct worker_pool *made = calloc(1, sizeof *made + workers_max * sizeof *made->workers);

	if (!made)
		return error_set(error, -ENOMEM, "no memory for workers");
	made->sidecore = sidecore;
	made->workers_max = workers_max;
	SLIST_INIT(&made->idle);
	STAILQ_INIT(&made->waiting);
	for (unsigned i = 0; i < workers_max; i++) {
		made->workers[i].pool = made;
		sem_init(&made->workers[i].work, 0, 0);
	}
	made->used = 1;
	made->is_starting = true;
	if (start(&made->workers[0])) {
		*pool = made;
		return 0;
	}
	free(made);
	return error_set(error, -EAGAIN, "no thread for requests that wait");
}

void worker_pool_destroy(struct worker_pool *pool)
{
	if (!pool)
		return;
	sidecore_call(pool->sidecore, end, pool);
	/* In this order: when one has ended, it is known whether those that it was to start have begun. */
	for (unsigned i = 0; i < pool->workers_max; i++)
		if (pool->workers[i].is_started)
			pthread_join(pool->workers[i].thread, NULL);
	for (unsigned i = 0; i < pool->workers_max; i++)
		sem_destroy(&pool->workers[i].work);
	free(pool);
}

uint64_t worker_pool_worker_count(const struct worker_pool *pool)
{
	return counter_get(&pool->running);
}
