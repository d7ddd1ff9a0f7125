/* What the files of this room share: the sidecore itself. */
#ifndef SLUICE_SIDECORE_SIDECORE_PRIVATE_H
#define SLUICE_SIDECORE_SIDECORE_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>

#include "sidecore/message_ring.h"
#include "sidecore/sidecore.h"

#define SIDECORE_RING_ENTRIES 1024u
#define SIDECORE_TIMERS_MAX 4096u

TAILQ_HEAD(poller_list, poller);
TAILQ_HEAD(caller_list, caller);

struct sidecore {
	struct io_uring ring;
	struct poller_list active;
	struct poller_list bulk; /* those active ones that take turns, the next one first */
	struct poller_list
		resting; /* those not looked at while the sidecore sleeps, but again when it wakes */
	struct poller *next_poller; /* of the round in progress; removal must skip over it */
	struct caller_list offered; /* calls */
	struct timer_heap timers;
	struct sidecore_config config;
	struct sidecore_counters counters;
	uint64_t round_ns;			/* when the round in progress began */
	uint64_t worked_at_ns;			/* the last round that found work */
	uint64_t window_ns;			/* without work after which pollers rest */
	unsigned helpers;			/* threads that work for it */
	unsigned device_operations;		/* told to sidecore_feed_device, not completed */
	struct sidecore_operation cancellation; /* of any operation; any number in flight */
	struct sidecore_operation last_call;	/* of any caller that is redirected; likewise */
	bool is_stopping;

	/* Shared with other threads. */
	_Alignas(64) struct message_ring messages;
	_Alignas(64) uint32_t is_sleeping;
	int wake_fd;
	struct sidecore_operation wake;
	pthread_t thread;
	sem_t started;
	int start_result;
	struct error start_error;
};

/* A ring as a sidecore needs it, with these flags besides. Returns 0 or a negative errno. */
int sidecore_open_ring(struct io_uring *ring, unsigned flags);

/* Begin to use one that was made disabled. Returns 0 or a negative errno. */
int sidecore_enable_ring(const struct io_uring *ring);

/* One round of the loop. Returns whether it found any work. */
bool sidecore_round(struct sidecore *sidecore, uint64_t now_ns);

/* Whether any poller is active, so that another round follows at once. */
static inline bool sidecore_has_pollers(const struct sidecore *sidecore)
{
	return !TAILQ_EMPTY(&sidecore->active) || !TAILQ_EMPTY(&sidecore->bulk);
}

/* Begin with nothing attached; the loop's part of starting a sidecore. @config: copied */
void sidecore_set_up_loop(struct sidecore *sidecore, const struct sidecore_config *config);

/* Look at those pollers that are active, and send those away that have found nothing for very long. Returns whether there was work. */
bool sidecore_run_pollers(struct sidecore *sidecore);

/* This round has found work: for the window's time pollers stay active, and those that rest are, too. */
void sidecore_stay_awake(struct sidecore *sidecore);

/* To be called when a round has found no work: if the window is over, all that are active rest. */
void sidecore_rest(struct sidecore *sidecore);

/* To be called when a doorbell rang, before its poller is woken. */
void sidecore_adapt_window(struct sidecore *sidecore);

/* Sleep until there is something to do; to be called when no poller is active. */
void sidecore_sleep(struct sidecore *sidecore);

/* Send those of the calls offered before this round, or all if `at_once`, that are wanted. */
void sidecore_settle_calls(struct sidecore *sidecore, bool at_once);

/* Arm the eventfd that other threads wake the sidecore with. */
void sidecore_watch_wake_fd(struct sidecore *sidecore);

#endif
