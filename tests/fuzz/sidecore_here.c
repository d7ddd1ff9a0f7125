#include "sidecore_here.h"

#include <errno.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "disk/disk.h"
#include "sidecore/sidecore_private.h"

static struct sidecore here;

/* ---- sidecore_thread.c ---- */

int sidecore_start(
	const struct sidecore_config *config, struct sidecore **sidecore, struct error *error)
{
	struct io_uring_params parameters = {
		.flags = IORING_SETUP_CQSIZE, .cq_entries = 4 * SIDECORE_RING_ENTRIES};

	sidecore_set_up_loop(&here, config);
	if (timer_heap_init(&here.timers, SIDECORE_TIMERS_MAX))
		return -ENOMEM;
	*sidecore = &here;
	return io_uring_queue_init_params(SIDECORE_RING_ENTRIES, &here.ring, &parameters);
}

void sidecore_stop(struct sidecore *sidecore)
{
	io_uring_queue_exit(&sidecore->ring);
	timer_heap_destroy(&sidecore->timers);
}

void sidecore_post(struct sidecore *sidecore, void (*function)(void *argument), void *argument)
{
	function(argument);
}

void sidecore_call(struct sidecore *sidecore, void (*function)(void *argument), void *argument)
{
	function(argument);
}

const struct sidecore_counters *sidecore_counters(const struct sidecore *sidecore)
{
	return &sidecore->counters;
}

const struct sidecore_config *sidecore_config(const struct sidecore *sidecore)
{
	return &sidecore->config;
}

/* ---- running ---- */

void sidecore_here_run(void)
{
	while (sidecore_round(&here, clock_now_ns()))
		;
}

int __wrap_sem_wait(sem_t *semaphore);

/* What is waited for comes from a round, or from a thread of the kernel. */
int __wrap_sem_wait(sem_t *semaphore)
{
	struct __kernel_timespec a_while = {.tv_nsec = 100000};
	struct io_uring_cqe *completion;

	while (sem_trywait(semaphore) < 0)
		if (!sidecore_round(&here, clock_now_ns()))
			io_uring_wait_cqe_timeout(&here.ring, &completion, &a_while);
	return 0;
}

/* ---- a disk ---- */

/* Nobody knows its name, so nobody connects. */
static int open_socket(void)
{
	const struct sockaddr nameless = {.sa_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, &nameless, sizeof nameless.sa_family) < 0 || listen(fd, 1) < 0)
		abort();
	return fd;
}

struct disk *sidecore_here_disk(
	const struct backend_ops *backend, uint64_t size_bytes, unsigned queue_count)
{
	const struct sidecore_config sidecore_config = {.name = "here", .cpu = SIDECORE_NOT_PINNED};
	const struct pool_config pool_config = {.name = "pool",
		.backend = backend,
		.cost = slo_cost_model_default,
		.largest_request_bytes = 4096,
		.in_flight_max = 1u << 20};
	const struct disk_config disk_config = {.name = "disk",
		.size_bytes = size_bytes,
		.queue_count = queue_count,
		.socket_fd = open_socket(),
		.slo = {.weight = 100}};
	struct sidecore *sidecore;
	struct pool *pool;
	struct disk *disk;
	struct error error;

	if (sidecore_start(&sidecore_config, &sidecore, &error) < 0 ||
		pool_create(&pool_config, sidecore, &pool, &error) < 0 ||
		disk_create(pool, &disk_config, &disk, &error) < 0)
		abort();
	return disk;
}

/* ---- the log ---- */

/* In place of base/log.c: lines are put together, and nobody reads them. */
void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
}
