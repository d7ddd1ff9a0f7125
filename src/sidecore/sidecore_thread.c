/* Starting and stopping a sidecore, and what other threads may ask of it. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/cpu.h"
#include "sidecore/sidecore_private.h"

#define CPU_TIME_EVERY_ROUNDS 4096u

/* ---- the thread ---- */

int sidecore_open_ring(struct io_uring *ring, unsigned flags)
{
	struct io_uring_params parameters = {
		.flags = flags | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
		.cq_entries = 4 * SIDECORE_RING_ENTRIES,
	};
	int result;

	result = io_uring_queue_init_params(SIDECORE_RING_ENTRIES, ring, &parameters);
	if (result != -EINVAL)
		return result;
	/* Before Linux 6.1 these flags do not exist; they save work, but nothing depends on them. */
	parameters.flags = flags | IORING_SETUP_CQSIZE;
	return io_uring_queue_init_params(SIDECORE_RING_ENTRIES, ring, &parameters);
}

static int take_ring(struct sidecore *sidecore)
{
	if (!sidecore->config.restricted_ring)
		return sidecore_open_ring(&sidecore->ring, 0);
	sidecore->ring = *sidecore->config.restricted_ring;
	return sidecore_enable_ring(&sidecore->ring);
}

/* One that has its CPU by name polls there, wherever else the process may run: whoever keeps it to some CPUs keeps guests to others. */
static bool leaves_guests_a_cpu(const struct sidecore *sidecore)
{
	const bool has_its_own = sidecore->config.cpu != SIDECORE_NOT_PINNED;

	return (has_its_own ? cpu_allowed_count() : cpu_usable_count()) > 1;
}

static int set_up_thread(struct sidecore *sidecore)
{
	struct error *error = &sidecore->start_error;
	int result;

	if (!leaves_guests_a_cpu(sidecore))
		sidecore->config.poll_ns_max = sidecore->window_ns = 0;
	if (sidecore->config.cpu != SIDECORE_NOT_PINNED) {
		result = cpu_pin_thread(sidecore->config.cpu);
		if (result < 0)
			return error_set(error, result,
				"sidecore '%s': cannot run on CPU %d: %s; choose one of those that "
				"`nproc` and `taskset -p` show",
				sidecore->config.name, sidecore->config.cpu, strerror(-result));
	}
	result = take_ring(sidecore);
	if (result < 0)
		return error_set(error, result,
			"sidecore '%s': no io_uring: %s; see kernel.io_uring_disabled and the "
			"container's seccomp profile",
			sidecore->config.name, strerror(-result));
	return 0;
}

static void run(struct sidecore *sidecore)
{
	unsigned rounds = 0;

	while (!sidecore->is_stopping) {
		if (!sidecore_has_pollers(sidecore))
			sidecore_sleep(sidecore);
		if (!sidecore_round(sidecore, clock_now_ns()) && sidecore->helpers)
			sched_yield();
		if (++rounds % CPU_TIME_EVERY_ROUNDS == 0)
			counter_set(&sidecore->counters.cpu_ns, clock_thread_cpu_ns());
	}
}

static void *thread_main(void *argument)
{
	struct sidecore *sidecore = argument;
	char thread_name[16];

	/* The kernel's limit; it shortens only what ps and top show. */
	snprintf(thread_name, sizeof thread_name, "%.15s", sidecore->config.name);
	pthread_setname_np(pthread_self(), thread_name);
	sidecore->start_result = set_up_thread(sidecore);
	if (sidecore->start_result == 0)
		sidecore_watch_wake_fd(sidecore);
	sem_post(&sidecore->started);
	if (sidecore->start_result < 0)
		return NULL;
	run(sidecore);
	io_uring_queue_exit(&sidecore->ring);
	return NULL;
}

/* ---- starting and stopping ---- */

static int start_thread(struct sidecore *sidecore, struct error *error)
{
	int result = -pthread_create(&sidecore->thread, NULL, thread_main, sidecore);

	if (result < 0)
		return error_set(error, result, "sidecore '%s': no thread: %s",
			sidecore->config.name, strerror(-result));
	while (sem_wait(&sidecore->started) < 0)
		;
	if (sidecore->start_result < 0) {
		pthread_join(sidecore->thread, NULL);
		if (error)
			*error = sidecore->start_error;
	}
	return sidecore->start_result;
}

static void set_up(struct sidecore *sidecore, const struct sidecore_config *config)
{
	memset(sidecore, 0, sizeof *sidecore);
	sidecore_set_up_loop(sidecore, config);
	sem_init(&sidecore->started, 0, 0);
}

int sidecore_start(
	const struct sidecore_config *config, struct sidecore **sidecore, struct error *error)
{
	struct sidecore *new_one = aligned_alloc(64, (sizeof *new_one + 63) / 64 * 64);
	int result = -ENOMEM;

	if (!new_one)
		return error_set(error, result, "sidecore '%s': no memory", config->name);
	set_up(new_one, config);
	new_one->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (new_one->wake_fd < 0) {
		result = error_set(error, -errno, "sidecore '%s': no eventfd: %s", config->name,
			strerror(errno));
		goto fail_eventfd;
	}
	result = timer_heap_init(&new_one->timers, SIDECORE_TIMERS_MAX);
	if (result < 0) {
		error_set(error, result, "sidecore '%s': no memory for timers", config->name);
		goto fail_timers;
	}
	result = start_thread(new_one, error);
	if (result < 0)
		goto fail_thread;
	*sidecore = new_one;
	return 0;

fail_thread:
	timer_heap_destroy(&new_one->timers);
fail_timers:
	close(new_one->wake_fd);
fail_eventfd:
	sem_destroy(&new_one->started);
	free(new_one);
	return result;
}

static void stop(void *argument)
{
	struct sidecore *sidecore = argument;

	sidecore->is_stopping = true;
}

void sidecore_stop(struct sidecore *sidecore)
{
	sidecore_post(sidecore, stop, sidecore);
	pthread_join(sidecore->thread, NULL);
	timer_heap_destroy(&sidecore->timers);
	close(sidecore->wake_fd);
	sem_destroy(&sidecore->started);
	free(sidecore);
}

/* ---- messages ---- */

void sidecore_post(struct sidecore *sidecore, void (*function)(void *argument), void *argument)
{
	struct message message = {.function = function, .argument = argument};
	const uint64_t one = 1;

	while (!message_ring_send(&sidecore->messages, message))
		sched_yield();
	/* Pairs with the fence in sidecore_sleep: either it sees the message or we see it asleep. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&sidecore->is_sleeping, __ATOMIC_SEQ_CST))
		return;
	/* An eventfd that nobody reads cannot fill up within the life of a machine. */
	while (write(sidecore->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

struct call {
	void (*function)(void *argument);
	void *argument;
	sem_t done;
};

static void run_call(void *argument)
{
	struct call *call = argument;

	call->function(call->argument);
	sem_post(&call->done);
}

void sidecore_call(struct sidecore *sidecore, void (*function)(void *argument), void *argument)
{
	struct call call = {.function = function, .argument = argument};

	sem_init(&call.done, 0, 0);
	sidecore_post(sidecore, run_call, &call);
	while (sem_wait(&call.done) < 0)
		;
	sem_destroy(&call.done);
}

const struct sidecore_counters *sidecore_counters(const struct sidecore *sidecore)
{
	return &sidecore->counters;
}

const struct sidecore_config *sidecore_config(const struct sidecore *sidecore)
{
	return &sidecore->config;
}
