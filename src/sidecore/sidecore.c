/* The loop of a sidecore, and what runs on its thread. See sidecore.h for the theory of operation. */
#include "sidecore/sidecore.h"

#include "base/clock.h"
#include "base/counter.h"
#include "sidecore/sidecore_private.h"

#define COMPLETIONS_PER_ROUND 128u
#define MESSAGES_PER_ROUND 16u
#define BATCH_MAX 4u /* of what waits for a device; saves most of the system calls' cost */

/* ---- the kernel's completions ---- */

static unsigned reap_completions(struct sidecore *sidecore)
{
	struct io_uring_cqe *completions[COMPLETIONS_PER_ROUND];
	unsigned count;

	count = io_uring_peek_batch_cqe(&sidecore->ring, completions, COMPLETIONS_PER_ROUND);
	for (unsigned i = 0; i < count; i++) {
		struct sidecore_operation *operation = io_uring_cqe_get_data(completions[i]);

		sidecore->device_operations -= operation->is_for_device;
		operation->complete(operation, completions[i]->res, completions[i]->flags);
	}
	io_uring_cq_advance(&sidecore->ring, count);
	return count;
}

struct io_uring_sqe *sidecore_prepare(
	struct sidecore *sidecore, struct sidecore_operation *operation)
{
	struct io_uring_sqe *entry;

	while (!(entry = io_uring_get_sqe(&sidecore->ring)))
		io_uring_submit(&sidecore->ring);
	/* The io_uring_prep_* functions leave user_data alone, so it can be set first. */
	io_uring_sqe_set_data(entry, operation);
	operation->is_for_device = false;
	return entry;
}

void sidecore_feed_device(struct sidecore *sidecore, struct sidecore_operation *operation)
{
	unsigned waiting = io_uring_sq_ready(&sidecore->ring);

	operation->is_for_device = true;
	sidecore->device_operations++;
	if (waiting >= BATCH_MAX || 2 * waiting >= sidecore->device_operations)
		io_uring_submit(&sidecore->ring);
}

int sidecore_cpu(const struct sidecore *sidecore)
{
	return sidecore->config.cpu;
}

uint64_t sidecore_poll_ns_max(const struct sidecore *sidecore)
{
	return sidecore->config.poll_ns_max;
}

struct io_uring *sidecore_io_uring(struct sidecore *sidecore)
{
	return &sidecore->ring;
}

void sidecore_count_helpers(struct sidecore *sidecore, int change)
{
	sidecore->helpers += (unsigned)change;
}

/* ---- messages and timers ---- */

static unsigned receive_messages(struct sidecore *sidecore)
{
	struct message message;
	unsigned count;

	for (count = 0; count < MESSAGES_PER_ROUND; count++) {
		if (!message_ring_receive(&sidecore->messages, &message))
			break;
		/* Before it runs, so that whoever waits for it finds it counted. */
		counter_add(&sidecore->counters.messages, 1);
		message.function(message.argument);
	}
	return count;
}

int sidecore_set_timer(struct sidecore *sidecore, struct timer *timer, uint64_t at_ns)
{
	return timer_heap_set(&sidecore->timers, timer, at_ns);
}

void sidecore_cancel_timer(struct sidecore *sidecore, struct timer *timer)
{
	timer_heap_cancel(&sidecore->timers, timer);
}

/* ---- a round, and the sleep between rounds ---- */

void sidecore_set_up_loop(struct sidecore *sidecore, const struct sidecore_config *config)
{
	sidecore->config = *config;
	sidecore->window_ns = config->poll_ns_max;
	TAILQ_INIT(&sidecore->active);
	TAILQ_INIT(&sidecore->bulk);
	TAILQ_INIT(&sidecore->resting);
	TAILQ_INIT(&sidecore->offered);
	message_ring_init(&sidecore->messages);
}

bool sidecore_round(struct sidecore *sidecore, uint64_t now_ns)
{
	bool found_work;

	sidecore->round_ns = now_ns;
	found_work = reap_completions(sidecore) > 0;
	if (timer_heap_next_ns(&sidecore->timers) <= now_ns)
		found_work |= timer_heap_run(&sidecore->timers, now_ns) > 0;
	found_work |= receive_messages(sidecore) > 0;
	if (found_work)
		sidecore_stay_awake(sidecore);
	/* Pollers come last: what completions have finished, they give back in the same round. */
	found_work |= sidecore_run_pollers(sidecore);
	if (!found_work)
		sidecore_rest(sidecore);
	/* There is a next round only while somebody polls. */
	sidecore_settle_calls(sidecore, !sidecore_has_pollers(sidecore));
	if (io_uring_sq_ready(&sidecore->ring))
		io_uring_submit(&sidecore->ring);
	counter_add(
		found_work ? &sidecore->counters.polls_busy : &sidecore->counters.polls_idle, 1);
	return found_work;
}

static void wait_for_kernel(struct sidecore *sidecore)
{
	uint64_t next_ns = timer_heap_next_ns(&sidecore->timers);
	uint64_t now_ns = clock_now_ns();
	uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
	struct __kernel_timespec timeout = {
		.tv_sec = (long long)(wait_ns / NS_PER_S),
		.tv_nsec = (long long)(wait_ns % NS_PER_S),
	};
	struct io_uring_cqe *completion;

	io_uring_submit_and_wait_timeout(
		&sidecore->ring, &completion, 1, next_ns == UINT64_MAX ? NULL : &timeout, NULL);
}

void sidecore_sleep(struct sidecore *sidecore)
{
	counter_set(&sidecore->counters.cpu_ns, clock_thread_cpu_ns());
	__atomic_store_n(&sidecore->is_sleeping, 1, __ATOMIC_SEQ_CST);
	/* A sender that saw us awake has published its message before; so look once more. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!message_ring_pending(&sidecore->messages)) {
		counter_add(&sidecore->counters.sleeps, 1);
		wait_for_kernel(sidecore);
	}
	__atomic_store_n(&sidecore->is_sleeping, 0, __ATOMIC_RELAXED);
}
