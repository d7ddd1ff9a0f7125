/* The loop of a sidecore, and what runs on its thread. See sidecore.h for the theory of operation. */
#include "sidecore/sidecore.h"

#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "sidecore/sidecore_private.h"

#define COMPLETIONS_PER_ROUND 128u
#define MESSAGES_PER_ROUND 16u
#define BATCH_MAX 4u	      /* of what waits for a device; saves most of the system calls' cost */
#define WINDOW_NS_FIRST 4000u /* where a window that was 0 starts to grow */

/* ---- pollers ---- */

static struct poller_list *list_of(struct sidecore *sidecore, const struct poller *poller)
{
	return poller->is_bulk ? &sidecore->bulk : &sidecore->active;
}

static void activate(struct sidecore *sidecore, struct poller *poller)
{
	poller->is_active = true;
	poller->worked_at_ns = clock_now_ns();
	TAILQ_INSERT_TAIL(list_of(sidecore, poller), poller, link);
}

static void deactivate(struct sidecore *sidecore, struct poller *poller)
{
	if (sidecore->next_poller == poller)
		sidecore->next_poller = TAILQ_NEXT(poller, link);
	TAILQ_REMOVE(list_of(sidecore, poller), poller, link);
	poller->is_active = false;
}

void sidecore_add_poller(struct sidecore *sidecore, struct poller *poller)
{
	poller->is_added = true;
	poller->window_ns = sidecore->config.poll_ns_max;
	activate(sidecore, poller);
}

void sidecore_remove_poller(struct sidecore *sidecore, struct poller *poller)
{
	if (poller->is_active)
		deactivate(sidecore, poller);
	poller->is_added = false;
}

/* A kick soon after parking says that a longer window would have saved it; one long after, the reverse. */
static void adapt_window(const struct sidecore *sidecore, struct poller *poller, uint64_t now_ns)
{
	uint64_t parked_ns = now_ns - poller->parked_at_ns;

	if (parked_ns > sidecore->config.poll_ns_max) {
		poller->window_ns /= 2;
		return;
	}
	poller->window_ns = poller->window_ns ? 2 * poller->window_ns : WINDOW_NS_FIRST;
	if (poller->window_ns > sidecore->config.poll_ns_max)
		poller->window_ns = sidecore->config.poll_ns_max;
}

void sidecore_wake_poller(struct sidecore *sidecore, struct poller *poller)
{
	if (!poller->is_added || poller->is_active)
		return;
	activate(sidecore, poller);
	adapt_window(sidecore, poller, poller->worked_at_ns);
	poller->disarm(poller);
}

static void park(struct sidecore *sidecore, struct poller *poller, uint64_t now_ns)
{
	if (poller->arm(poller)) {
		poller->disarm(poller);
		return;
	}
	poller->parked_at_ns = now_ns;
	deactivate(sidecore, poller);
}

static bool run_poller(struct sidecore *sidecore, struct poller *poller, uint64_t now_ns)
{
	if (poller->poll(poller, now_ns)) {
		poller->worked_at_ns = now_ns;
		return true;
	}
	if (poller->is_active && now_ns - poller->worked_at_ns >= poller->window_ns)
		park(sidecore, poller, now_ns);
	return false;
}

/* Up to the first that works; its turn comes again after all others'. */
static bool run_bulk_pollers(struct sidecore *sidecore, uint64_t now_ns)
{
	struct poller *poller = TAILQ_FIRST(&sidecore->bulk);

	for (; poller; poller = sidecore->next_poller) {
		sidecore->next_poller = TAILQ_NEXT(poller, link);
		if (!run_poller(sidecore, poller, now_ns))
			continue;
		if (poller->is_active) {
			TAILQ_REMOVE(&sidecore->bulk, poller, link);
			TAILQ_INSERT_TAIL(&sidecore->bulk, poller, link);
		}
		return true;
	}
	return false;
}

static bool run_pollers(struct sidecore *sidecore, uint64_t now_ns)
{
	struct poller *poller = TAILQ_FIRST(&sidecore->active);
	bool found_work = false;

	for (; poller; poller = sidecore->next_poller) {
		sidecore->next_poller = TAILQ_NEXT(poller, link);
		found_work |= run_poller(sidecore, poller, now_ns);
	}
	return run_bulk_pollers(sidecore, now_ns) || found_work;
}

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

bool sidecore_round(struct sidecore *sidecore, uint64_t now_ns)
{
	/* Pollers come last: what completions have finished, they give back in the same round. */
	bool found_work = reap_completions(sidecore) > 0;

	if (timer_heap_next_ns(&sidecore->timers) <= now_ns)
		found_work |= timer_heap_run(&sidecore->timers, now_ns) > 0;
	found_work |= receive_messages(sidecore) > 0;
	found_work |= run_pollers(sidecore, now_ns);
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
