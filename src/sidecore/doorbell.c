/*
 * Doorbells (an eventfd that wakes the sidecore) and callers (an eventfd that it writes to).
 *
 * A doorbell is a multishot poll: armed once, it completes each time somebody writes to the eventfd,
 * and the eventfd itself is never read, which saves a system call per kick. The kernel ends a
 * multishot poll when its completion queue overflows; it is then armed again. One that it ends with an
 * error (it was short of memory, say) is armed again a little later, since an error that lasts would
 * keep the sidecore busy with nothing else. No kick is lost meanwhile: an eventfd that was written to
 * is readable, so that arming finds it.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "sidecore/sidecore_private.h"

#define ARM_AGAIN_NS (10 * NS_PER_MS)

/* ---- doorbells ---- */

static void arm_doorbell(struct doorbell *doorbell)
{
	struct io_uring_sqe *entry = sidecore_prepare(doorbell->sidecore, &doorbell->operation);

	io_uring_prep_poll_multishot(entry, doorbell->fd, POLLIN);
}

static void arm_again(struct timer *timer, uint64_t now_ns)
{
	arm_doorbell(container_of(timer, struct doorbell, arm_again));
}

/* Cancelled, it is wanted no more. Without room for a timer it cannot wait. */
static void poll_ended(struct doorbell *doorbell, int result)
{
	uint64_t at_ns = clock_now_ns() + ARM_AGAIN_NS;

	if (result == -ECANCELED)
		return;
	if (result >= 0 || sidecore_set_timer(doorbell->sidecore, &doorbell->arm_again, at_ns) < 0)
		arm_doorbell(doorbell);
}

static void doorbell_rang(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct doorbell *doorbell = container_of(operation, struct doorbell, operation);
	bool has_ended = !(cqe_flags & IORING_CQE_F_MORE);

	if (!doorbell->is_watched) {
		if (has_ended && doorbell->unwatched)
			doorbell->unwatched(doorbell);
		return;
	}
	if (result > 0) {
		counter_add(&doorbell->sidecore->counters.kicks_received, !doorbell->is_hosts);
		if (doorbell->rang)
			doorbell->rang(doorbell);
		sidecore_adapt_window(doorbell->sidecore);
		sidecore_wake_poller(doorbell->sidecore, doorbell->poller);
	}
	if (has_ended)
		poll_ended(doorbell, result);
}

void sidecore_watch(struct sidecore *sidecore, struct doorbell *doorbell)
{
	doorbell->sidecore = sidecore;
	doorbell->operation.complete = doorbell_rang;
	doorbell->arm_again = (struct timer){.expire = arm_again};
	doorbell->is_watched = true;
	doorbell->unwatched = NULL;
	arm_doorbell(doorbell);
}

/* A cancellation's own completion says nothing that the cancelled operation's doesn't. */
static void ignore_result(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
}

/* Not poll_remove, for polls: that gives up (EALREADY) on one that a kick has just woken. */
void sidecore_cancel(struct sidecore *sidecore, struct sidecore_operation *operation)
{
	struct io_uring_sqe *entry = sidecore_prepare(sidecore, &sidecore->cancellation);

	sidecore->cancellation.complete = ignore_result;
	io_uring_prep_cancel(entry, operation, 0);
}

void sidecore_unwatch(struct doorbell *doorbell, void (*unwatched)(struct doorbell *doorbell))
{
	doorbell->is_watched = false;
	doorbell->unwatched = unwatched;
	if (doorbell->arm_again.position) {
		/* The kernel has none to let go of; give it one, so that `unwatched` is called as always. */
		sidecore_cancel_timer(doorbell->sidecore, &doorbell->arm_again);
		arm_doorbell(doorbell);
	}
	sidecore_cancel(doorbell->sidecore, &doorbell->operation);
}

/* ---- callers ---- */

static const uint64_t one_call = 1;

static void send_call(struct caller *caller)
{
	struct io_uring_sqe *entry = sidecore_prepare(caller->sidecore, &caller->operation);

	io_uring_prep_write(entry, caller->fd, &one_call, sizeof one_call, 0);
	caller->is_in_flight = true;
	counter_add(&caller->sidecore->counters.calls_sent, 1);
}

static void call_sent(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct caller *caller = container_of(operation, struct caller, operation);

	caller->is_in_flight = false;
	if (caller->is_wanted) {
		caller->is_wanted = false;
		sidecore_ring_caller(caller);
	}
	if (caller->idle && !caller->is_in_flight)
		caller->idle(caller);
}

void sidecore_ring_caller(struct caller *caller)
{
	if (caller->fd < 0)
		return;
	if (caller->is_in_flight) {
		caller->is_wanted = true;
		return;
	}
	caller->operation.complete = call_sent;
	send_call(caller);
}

void sidecore_offer_call(struct caller *caller)
{
	if (caller->is_offered)
		return;
	caller->is_offered = true;
	caller->has_waited = false;
	TAILQ_INSERT_TAIL(&caller->sidecore->offered, caller, link);
}

static void settle(struct caller *caller, bool is_last)
{
	const enum call_wish wish = caller->wish(caller, is_last);

	if (wish == CALL_UNCLEAR)
		return;
	TAILQ_REMOVE(&caller->sidecore->offered, caller, link);
	caller->is_offered = false;
	if (wish == CALL_WANTED)
		sidecore_ring_caller(caller);
}

void sidecore_settle_calls(struct sidecore *sidecore, bool at_once)
{
	struct caller *next;

	for (struct caller *caller = TAILQ_FIRST(&sidecore->offered); caller; caller = next) {
		next = TAILQ_NEXT(caller, link);
		if (caller->has_waited || at_once)
			settle(caller, at_once);
		else
			caller->has_waited = true;
	}
}

/* Without anybody who waits for it to be sent. */
static void send_last_call(struct caller *caller)
{
	struct sidecore *sidecore = caller->sidecore;
	struct io_uring_sqe *entry = sidecore_prepare(sidecore, &sidecore->last_call);

	sidecore->last_call.complete = ignore_result;
	io_uring_prep_write(entry, caller->fd, &one_call, sizeof one_call, 0);
	counter_add(&sidecore->counters.calls_sent, 1);
	sidecore_cancel(sidecore, &sidecore->last_call);
}

void sidecore_redirect_caller(struct caller *caller, int fd)
{
	if (caller->is_offered)
		settle(caller, true);
	if (caller->is_in_flight) {
		/* Submitted, the kernel holds the file itself; a write that blocks is cancelled. */
		sidecore_cancel(caller->sidecore, &caller->operation);
		if (caller->is_wanted)
			send_last_call(caller);
		caller->is_wanted = false;
		io_uring_submit(&caller->sidecore->ring);
	}
	caller->fd = fd;
}

/* ---- being woken by other threads ---- */

static void woken(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	struct sidecore *sidecore = container_of(operation, struct sidecore, wake);

	if (!(cqe_flags & IORING_CQE_F_MORE))
		sidecore_watch_wake_fd(sidecore);
}

void sidecore_watch_wake_fd(struct sidecore *sidecore)
{
	struct io_uring_sqe *entry = sidecore_prepare(sidecore, &sidecore->wake);

	sidecore->wake.complete = woken;
	io_uring_prep_poll_multishot(entry, sidecore->wake_fd, POLLIN);
}
