/*
 * A sidecore: one thread on a hypervisor core that does other cores' I/O.
 *
 * Theory of operation. The thread owns everything that is attached to it, so nothing it touches
 * needs a lock. It runs a loop over its *active* pollers (a poller is a source of work: a
 * virtqueue), its io_uring's completions, its timers and its message ring. When the loop has found
 * nothing for its poll window, each poller publishes "please notify" (`arm`), is looked at once
 * more, and rests; with none active the thread sleeps in io_uring until a doorbell, a completion, a
 * timer or a message. One that has had nothing to do for many windows stays away until its own
 * doorbell rings. To the poller both are the same: it is *parked* from `arm` to `disarm`. So a busy
 * virtqueue takes no exits, an idle one costs nothing, and ten thousand idle disks do not slow down
 * a busy one.
 *
 * The poll window adapts, like KVM's halt polling (polling.c). On a single CPU, where polling only keeps the
 * guest from running, it is always 0.
 *
 * The only system call is io_uring's: doorbells are multishot polls, calls into guests are writes. But for rounds without work while
 * there are helpers, which yield.
 */
#ifndef SLUICE_SIDECORE_SIDECORE_H
#define SLUICE_SIDECORE_SIDECORE_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/error.h"
#include "sidecore/timer.h"

struct sidecore;

#define SIDECORE_NAME_BYTES 32
#define SIDECORE_NOT_PINNED (-1)
#define SIDECORE_POLL_NS_DEFAULT 50000u

struct sidecore_config {
	char name[SIDECORE_NAME_BYTES];
	int cpu;	      /* the hypervisor core, or SIDECORE_NOT_PINNED */
	uint64_t poll_ns_max; /* longest poll window; 0: never poll, always be notified */
	/* sidecore_make_restricted_ring's, which is the sidecore's from then on; NULL: it makes its own */
	const struct io_uring *restricted_ring;
};

/* What the sidecore has done since it started; written by its thread, readable by any. */
struct sidecore_counters {
	uint64_t polls_busy;	 /* rounds of the loop that found work */
	uint64_t polls_idle;	 /* rounds that found none */
	uint64_t sleeps;	 /* times the thread slept */
	uint64_t kicks_received; /* doorbells rung by guests: each cost the guest an exit */
	uint64_t calls_sent;	 /* interrupts sent to guests */
	uint64_t messages;	 /* messages from other threads */
	uint64_t cpu_ns;	 /* CPU time used, updated at least when it goes to sleep */
};

/* ---- From any thread ---- */

/*
 * Start a sidecore.
 *
 * @config: copied
 * @sidecore: receives the sidecore, owned by the caller, to be ended with `sidecore_stop`
 * Returns 0, or a negative errno with the reason in `error` (no such CPU, no io_uring, ...).
 */
int sidecore_start(
	const struct sidecore_config *config, struct sidecore **sidecore, struct error *error);

/*
 * Make the io_uring of a sidecore that is started later, by a process that has shut itself in and may not make any:
 * one by which descriptors that are open can be waited for, read and written, and nothing else be done.
 *
 * Returns 0 or a negative errno with the reason in `error`.
 */
int sidecore_make_restricted_ring(struct io_uring *ring, struct error *error);

/* End the thread and free the sidecore. Everything attached must have been removed before. */
void sidecore_stop(struct sidecore *sidecore);

/* Have `function(argument)` run on the sidecore, some time later; waits only while its ring is full. */
void sidecore_post(struct sidecore *sidecore, void (*function)(void *argument), void *argument);

/* Have `function(argument)` run on the sidecore, and wait until it has. Not from a sidecore. */
void sidecore_call(struct sidecore *sidecore, void (*function)(void *argument), void *argument);

const struct sidecore_counters *sidecore_counters(const struct sidecore *sidecore);
const struct sidecore_config *sidecore_config(const struct sidecore *sidecore);

/* ---- On the sidecore's own thread ---- */

enum poller_state {
	POLLER_REMOVED,
	POLLER_AWAY,	/* parked: looked at again when it is woken */
	POLLER_RESTING, /* parked while the sidecore sleeps: looked at again when that wakes, too */
	POLLER_ACTIVE,
};

/* A source of work. Embed it; the callbacks get it back. */
struct poller {
	/* Do what there is to do (bounded, so that others get their turn); return how much was done. */
	unsigned (*poll)(struct poller *poller, uint64_t now_ns);
	/* Ask to be notified, then look again: true if there is work after all, so "do not park". */
	bool (*arm)(struct poller *poller);
	/* The poller is active again: notifications are no longer needed. */
	void (*disarm)(struct poller *poller);
	/*
	 * It may find much work for long, and nobody was promised when it is done: in each round
	 * only one such poller works, so that many of them delay the others no more than one does.
	 */
	bool is_bulk;

	/* Kept by the sidecore. */
	TAILQ_ENTRY(poller) link;
	uint64_t worked_at_ns; /* when it last found work, or was woken */
	enum poller_state state;
};

/* Attach a poller; it starts active. */
void sidecore_add_poller(struct sidecore *sidecore, struct poller *poller);

/* Detach a poller, whatever its state; safe from within a poller's own callback. */
void sidecore_remove_poller(struct sidecore *sidecore, struct poller *poller);

/* Make a poller active: its doorbell rang, or there is another reason to look. */
void sidecore_wake_poller(struct sidecore *sidecore, struct poller *poller);

/*
 * So many more threads (or fewer, if negative) have something to do for the sidecore. While there are any, rounds that find nothing offer
 * them the CPU: it may be the one that they were woken on, and a thread that polls would keep it for its whole time slice.
 */
void sidecore_count_helpers(struct sidecore *sidecore, int change);

/* An operation given to the kernel. Embed it; `complete` gets it back once, with the CQE's result. */
struct sidecore_operation {
	void (*complete)(struct sidecore_operation *operation, int result, unsigned cqe_flags);
	bool is_for_device; /* kept by the sidecore */
};

/*
 * Get a submission queue entry for one operation (never NULL: submits when the queue is full).
 * Prepare it with liburing's io_uring_prep_*; its user data is set when this returns, so do not use
 * io_uring_sqe_set_data. The loop submits all entries of a round with one system call.
 */
struct io_uring_sqe *sidecore_prepare(
	struct sidecore *sidecore, struct sidecore_operation *operation);

/*
 * Say that the entry prepared last, for `operation`, is complete and is work for a device. It need not
 * wait for the end of the round if as much waits as the device has to do: that would leave it idle
 * while a batch gathers. So batches double, from one request to a few: the kernel hands a batch to the
 * device when it has prepared the last of it.
 */
void sidecore_feed_device(struct sidecore *sidecore, struct sidecore_operation *operation);

/* Ask the kernel to give up an operation, if it still waits. It completes either way, with -ECANCELED if it was given up. */
void sidecore_cancel(struct sidecore *sidecore, struct sidecore_operation *operation);

/* The CPU that its thread is kept on, or SIDECORE_NOT_PINNED. */
int sidecore_cpu(const struct sidecore *sidecore);

/* For how long it polls at most before it rests; 0: never. */
uint64_t sidecore_poll_ns_max(const struct sidecore *sidecore);

/* The ring itself, for registering files and buffers. */
struct io_uring *sidecore_io_uring(struct sidecore *sidecore);

/* An eventfd that somebody rings to get a poller's attention, or another file that becomes readable. */
struct doorbell {
	struct sidecore_operation operation;
	struct sidecore *sidecore;
	struct poller *poller; /* to be woken */
	int fd;
	bool is_hosts; /* rung by the host's kernel: costs no guest an exit */
	void (*rang)(struct doorbell *doorbell); /* before the poller is woken; may be NULL */
	bool is_watched;
	struct timer
		arm_again; /* set while it is not armed, since the kernel has failed to watch it */
	void (*unwatched)(struct doorbell *doorbell);
};

/* Watch `doorbell->fd` (not owned) and wake `doorbell->poller` when it is rung. */
void sidecore_watch(struct sidecore *sidecore, struct doorbell *doorbell);

/*
 * Stop watching. The doorbell must stay in memory until `unwatched` has been called, which is after
 * the kernel has let go of it.
 */
void sidecore_unwatch(struct doorbell *doorbell, void (*unwatched)(struct doorbell *doorbell));

enum call_wish {
	CALL_UNWANTED,
	CALL_WANTED,
	CALL_UNCLEAR, /* to be asked again a round later */
};

/* An eventfd that the sidecore writes to: a guest's interrupt. */
struct caller {
	struct sidecore_operation operation;
	struct sidecore *sidecore;
	int fd; /* -1: nobody to call */
	bool is_in_flight;
	bool is_wanted; /* another call was asked for while one was in flight */
	bool is_offered;
	bool has_waited;	  /* for a round */
	TAILQ_ENTRY(caller) link; /* among those that are offered */

	/*
	 * May be NULL, if nothing is offered: does whoever was offered a call want it still? Unless the answer is
	 * CALL_UNCLEAR, which it must not be to the last question, all that happened before is settled.
	 */
	enum call_wish (*wish)(struct caller *caller, bool is_last);
	void (*idle)(struct caller *caller); /* no call is in flight any more; may be NULL */
};

/* Send one call. Calls made while one is in flight are merged into one more. */
void sidecore_ring_caller(struct caller *caller);

/*
 * Ask for the `wish` when the next round ends, or this one if nobody polls, and send one call if it says so. A guest
 * that polls turns its interrupts on and off again in each of its own rounds; one round later it has
 * mostly seen for itself what it would be called for, and is spared the exit.
 */
void sidecore_offer_call(struct caller *caller);

/*
 * Call another eventfd from now on. What was asked for before has been sent to the old one when this
 * returns, or is given up if that one does not take it; so it may be closed.
 */
void sidecore_redirect_caller(struct caller *caller, int fd);

/* Timers, on the sidecore's heap. Returns as timer_heap_set does. */
int sidecore_set_timer(struct sidecore *sidecore, struct timer *timer, uint64_t at_ns);
void sidecore_cancel_timer(struct sidecore *sidecore, struct timer *timer);

#endif
