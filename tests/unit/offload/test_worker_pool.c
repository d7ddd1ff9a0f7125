/* Jobs that wait run on threads of their own, and are done on the sidecore. */
#include "../cmocka_all.h"

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/container.h"
#include "offload/host/worker_pool.h"

#define JOBS 6

struct waiting_job {
	struct worker_job job;
	struct worker_pool *pool;
	sem_t *may_end, *has_begun, *is_done;
};

static void run(struct worker_job *job)
{
	struct waiting_job *waiting = container_of(job, struct waiting_job, job);

	sem_post(waiting->has_begun);
	sem_wait(waiting->may_end);
}

static void done(struct worker_job *job)
{
	sem_post(container_of(job, struct waiting_job, job)->is_done);
}

struct fixture {
	struct sidecore *sidecore;
	struct worker_pool *pool;
	struct waiting_job jobs[JOBS];
	sem_t may_end, has_begun, is_done;
};

static void set_up(struct fixture *fixture, unsigned workers_max)
{
	const struct sidecore_config config = {.name = "test", .cpu = SIDECORE_NOT_PINNED};

	assert_int_equal(sidecore_start(&config, &fixture->sidecore, NULL), 0);
	assert_int_equal(
		worker_pool_create(fixture->sidecore, workers_max, &fixture->pool, NULL), 0);
	sem_init(&fixture->may_end, 0, 0);
	sem_init(&fixture->has_begun, 0, 0);
	sem_init(&fixture->is_done, 0, 0);
	for (unsigned i = 0; i < JOBS; i++)
		fixture->jobs[i] = (struct waiting_job){{run, done, {NULL}}, fixture->pool,
			&fixture->may_end, &fixture->has_begun, &fixture->is_done};
}

static void tear_down(struct fixture *fixture)
{
	worker_pool_destroy(fixture->pool);
	sidecore_stop(fixture->sidecore);
}

static void post(void *argument)
{
	struct waiting_job *job = argument;

	worker_pool_run(job->pool, &job->job);
}

static void post_all(struct fixture *fixture)
{
	for (unsigned i = 0; i < JOBS; i++)
		sidecore_post(fixture->sidecore, post, &fixture->jobs[i]);
}

static void wait_for(sem_t *semaphore, unsigned count)
{
	while (count--)
		sem_wait(semaphore);
}

static void jobs_that_wait_do_not_hold_up_others(void **state)
{
	struct fixture fixture;

	set_up(&fixture, JOBS);
	post_all(&fixture);
	wait_for(&fixture.has_begun, JOBS); /* at one time, before any has ended */
	assert_int_equal(worker_pool_worker_count(fixture.pool), JOBS);
	for (unsigned i = 0; i < JOBS; i++)
		sem_post(&fixture.may_end);
	wait_for(&fixture.is_done, JOBS);
	tear_down(&fixture);
}

static void no_more_threads_than_allowed_are_made(void **state)
{
	struct fixture fixture;
	int begun;

	set_up(&fixture, 2);
	post_all(&fixture);
	wait_for(&fixture.has_begun, 2);
	sem_getvalue(&fixture.has_begun, &begun);
	assert_int_equal(begun, 0);
	for (unsigned i = 0; i < JOBS; i++)
		sem_post(&fixture.may_end);
	wait_for(&fixture.is_done, JOBS);
	assert_int_equal(worker_pool_worker_count(fixture.pool), 2);
	tear_down(&fixture);
}

static void threads_are_made_when_they_are_needed(void **state)
{
	struct fixture fixture;

	set_up(&fixture, JOBS);
	for (unsigned i = 0; i < JOBS; i++) {
		sem_post(&fixture.may_end);
		sidecore_post(fixture.sidecore, post, &fixture.jobs[i]);
		wait_for(&fixture.is_done, 1);
	}
	assert_in_range(worker_pool_worker_count(fixture.pool), 1, 2); /* one works, one is idle */
	tear_down(&fixture);
}

static void a_pool_without_jobs_ends(void **state)
{
	struct fixture fixture;

	set_up(&fixture, JOBS);
	tear_down(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_that_wait_do_not_hold_up_others),
		cmocka_unit_test(no_more_threads_than_allowed_are_made),
		cmocka_unit_test(threads_are_made_when_they_are_needed),
		cmocka_unit_test(a_pool_without_jobs_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
