/*
 * How much may be in flight at the device, so that requests queue in the scheduler, where deadlines
 * count, and the device is still kept busy.
 *
 * Theory of operation. Two numbers bound the cost in flight:
 *  - `limit` follows measured latency. The aim is what a request may spend at the device: half of
 *    what the promises leave, but no more than a quarter of the tightest response time. In every
 *    epoch (a few windows' worth of completions) requests later than that are counted. If more than
 *    a third were late, the limit shrinks by an eighth; if fewer than an eighth were, and the limit
 *    held something back, it grows by a fixed step. A hiccup makes late what is in flight at that
 *    moment, which is a minor part of an epoch, and changes nothing.
 *  - `hard` is what the promises leave, and is never exceeded: admission's proof rests on it.
 * A request's own service at the pool's capacity is taken off its latency first: a large request is
 * not late for being large.
 *
 * A device that works on many requests at once needs several in flight to deliver its capacity,
 * whatever the promises would like. Its latency without a queue is measured whenever a request
 * finds it idle, which a window that is too small brings about by itself; the aim is never less than
 * twice that, and `hard` makes room for what exceeds the latency that admission was told. `limit`
 * never falls below what a device of that latency needs.
 *
 * With nothing in flight any request goes: the device never idles because of the window.
 *
 * A request with an untrusted latency (a module's) takes up room while it is in flight, and nothing is learnt from it: a process that
 * lies about when its requests are done would have the window shrink or grow at the cost of others.
 */
#ifndef SLUICE_SLO_WINDOW_H
#define SLUICE_SLO_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "slo/scheduler.h"

struct window {
	uint64_t limit_milliunits;
	uint64_t hard_milliunits;
	uint64_t in_flight_milliunits;
	unsigned in_flight;
	bool has_held_back; /* in this epoch */

	/* From the configuration and the promises. */
	double ns_per_milliunit; /* at the pool's capacity; 0 if that is unknown */
	double max_milliunits;
	double slack_milliunits;
	double busy_milliunits;
	double device_latency_ns;
	double promise_aim_ns; /* INFINITY: nothing is promised */

	/* Measured. */
	double unloaded_ns; /* of a request that finds the device idle, without its own service */
	double aim_ns;
	double latency_ns; /* moving average */

	/* This epoch. */
	unsigned epoch_requests;
	unsigned epoch_late;
	uint64_t epoch_milliunits;

	uint64_t latency_published_ns;
	uint64_t unloaded_published_ns;
};

struct window_config {
	double capacity_units_per_s;
	double units_max;   /* INFINITY: no bound */
	double slack_units; /* other work that the promises leave room for; INFINITY: no promises */
	double busy_units;  /* that the device needs in flight to deliver its capacity */
	uint64_t device_latency_ns; /* as admission was told */
	uint64_t tightest_ns;	    /* UINT64_MAX: no promises */
	uint64_t latency_ns;	    /* aim for this instead; 0: derive the aim */
};

/* Start, or go on with other numbers; what is in flight and what was measured are kept. */
void window_configure(struct window *window, const struct window_config *config);

/* May a request of this cost go to the device now? */
static inline bool window_admits(const struct window *window, uint64_t cost_milliunits)
{
	if (!window->in_flight)
		return true;
	return window->in_flight_milliunits < window->limit_milliunits &&
	       window->in_flight_milliunits + cost_milliunits <= window->hard_milliunits;
}

/* A request that was waiting has not been admitted. */
static inline void window_held_back(struct window *window)
{
	window->has_held_back = true;
}

/* A request goes to the device. */
void window_dispatched(struct window *window, struct slo_request *request);

/* The device has completed it. */
void window_completed(struct window *window, const struct slo_request *request, uint64_t now_ns);

#endif
