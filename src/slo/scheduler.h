/*
 * A pool's scheduler: which request goes to the device next. Pure logic: time is an argument, there
 * is no I/O, no lock and, after a flow has been added, no allocation.
 *
 * Theory of operation.
 *  - Limit: a flow over its ceiling is held, in order, until its buckets allow the next request.
 *    A request larger than a bucket passes when the bucket is full, and leaves it in debt.
 *  - Classify, when the limit lets the request through: outermost bucket first; the request belongs
 *    to the innermost tier reached with every bucket on the way holding its cost, and pays in all of
 *    those. One that fails the outermost bucket, or costs more than the pool's largest guaranteed
 *    request, is best effort. A bucket never holds more than the one around it (nest.h).
 *  - Schedule: a guaranteed request's deadline is its arrival (or, if it was held, its release) + the
 *    tier's response time. Each tier of a flow is a FIFO; a heap over the heads gives the earliest
 *    deadline. Best effort goes when no guaranteed request waits, shared by weight (start-time fair
 *    queueing).
 *  - Window: cost in flight at the device is bounded by a window that follows its measured latency,
 *    so that requests queue here, where deadlines count, and not in the device (window.h). Nothing
 *    jumps it, however urgent: what is ahead of an urgent request in the device would be ahead of
 *    the next one too, and admission counts on the bound. With nothing in flight anything goes.
 *  - Audit: per flow and tier, requests, met, missed, and a latency histogram.
 *
 * Without enforcement requests go in the order they came, with no window and no limits; they are
 * classified and audited all the same, so that one sees what the promises would have met.
 */
#ifndef SLUICE_SLO_SCHEDULER_H
#define SLUICE_SLO_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/histogram.h"
#include "slo/slo.h"

/* A request, embedded in the caller's own. */
struct slo_request {
	/* Set by the caller before scheduler_submit. */
	double cost_units;
	uint64_t bytes;
	bool has_untrusted_latency; /* who says when it is done may lie: nothing is learnt from it */

	/* The scheduler's own. */
	struct flow *flow;
	STAILQ_ENTRY(slo_request) next;
	uint64_t deadline_ns; /* guaranteed requests only */
	uint64_t arrival_ns;  /* when it was submitted */
	uint64_t dispatched_ns;
	uint64_t cost_milliunits; /* cost_units, rounded, to count without drift */
	uint8_t tier;		  /* 0 is the innermost; or SLO_BEST_EFFORT */
	bool found_device_idle;
};

/* The audit of one tier, written by the scheduler's thread, read by any. */
struct tier_audit {
	uint64_t requests; /* completed */
	uint64_t met;	   /* of guaranteed tiers: by the deadline */
	uint64_t missed;
	uint64_t bytes;
	uint64_t cost_milliunits;
	struct histogram latency_ns; /* from submission to completion */
};

struct scheduler;
struct flow; /* one disk's place in the scheduler */

struct scheduler_config {
	double capacity_units_per_s;  /* 0: unknown */
	double largest_request_units; /* the largest that can be guaranteed; bounds blocking */
	uint64_t device_latency_ns;   /* as admission was told */
	uint64_t window_latency_ns;   /* aim for device latency; 0: derive it from the promises */
	double window_units_max;      /* never more in flight than this; 0: no bound */
	bool is_enforcing; /* false: first come first served, no window, no limits; only the audit */
};

/* Returns 0 or -ENOMEM. */
int scheduler_create(const struct scheduler_config *config, struct scheduler **scheduler);
void scheduler_destroy(struct scheduler *scheduler);

/*
 * Change the pool's numbers (capacity, window, enforcement) while it runs. When enforcement ends,
 * ask scheduler_next: requests that limits have held may go.
 */
void scheduler_configure(struct scheduler *scheduler, const struct scheduler_config *config);

/*
 * Add a flow with an SLO that admission has accepted. Allocates; never call it per request.
 * Returns 0 or -ENOMEM.
 */
int flow_create(
	struct scheduler *scheduler, const struct slo *slo, uint64_t now_ns, struct flow **flow);

/*
 * Change the SLO of a flow while it has requests. Those keep their tiers and deadlines, except that
 * none keeps one later than a new request of its tier would get. Audit and what was used of the
 * bursts are kept.
 */
void flow_set_slo(struct flow *flow, const struct slo *slo, uint64_t now_ns);

/*
 * Take back the requests of a flow that have not been handed out: as if they had never come, except
 * that what they paid of the bursts is gone. `withdrawn` gets each.
 */
void flow_withdraw(struct flow *flow, void (*withdrawn)(struct slo_request *request));

/* Remove a flow that has nothing queued and nothing in flight. */
void flow_destroy(struct flow *flow);

/* A request has arrived. */
void scheduler_submit(struct scheduler *scheduler, struct flow *flow, struct slo_request *request,
	uint64_t now_ns);

/* The request to send to the device now; NULL if there is none, or the window is full. */
struct slo_request *scheduler_next(struct scheduler *scheduler, uint64_t now_ns);

/* The device has completed a request that scheduler_next handed out. */
void scheduler_complete(struct scheduler *scheduler, struct slo_request *request, uint64_t now_ns);

/*
 * When scheduler_next may have something that it has not now (a limited flow's bucket has filled);
 * UINT64_MAX if only a submission or completion can change its answer.
 */
uint64_t scheduler_wake_ns(const struct scheduler *scheduler);

/* Audit of tier `tier` of a flow; tier_count or more is best effort. Readable by any thread. */
const struct tier_audit *flow_audit(const struct flow *flow, unsigned tier);

/* For operators: what the window is now and what is in flight, in units. Readable by any thread. */
struct scheduler_state {
	double window_units;
	double in_flight_units;
	uint64_t device_latency_ns;
	uint64_t idle_latency_ns; /* of requests that find it idle, without their service */
};
void scheduler_state(const struct scheduler *scheduler, struct scheduler_state *state);

#endif
