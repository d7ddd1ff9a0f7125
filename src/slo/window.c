#include "slo/window.h"

#include <math.h>

#include "base/clock.h"
#include "base/counter.h"

#define MILLIUNITS_MAX 1e15 /* "no bound" */
#define LIMIT_MILLIUNITS_MIN 1000.0
#define EPOCH_REQUESTS_MIN 32u
#define EPOCH_WINDOWS 4u
#define STEPS 16.0		 /* growing from nothing to the window expected takes so many */
#define AVERAGE_WEIGHT (1. / 16) /* of a new value in a moving average */

static double clamp(double value, double low, double high)
{
	return fmax(low, fmin(value, high));
}

/* What is in flight when a device of the pool's capacity takes the aimed time. */
static double expected_milliunits(const struct window *window)
{
	if (window->ns_per_milliunit <= 0 || isinf(window->aim_ns))
		return MILLIUNITS_MAX;
	return window->aim_ns / window->ns_per_milliunit;
}

/* Work out the aim and the hard bound from the promises and the latency measured. */
static void update_bounds(struct window *window)
{
	double unexpected_ns = fmax(window->unloaded_ns - window->device_latency_ns, 0);
	double busy = 0, hard;

	window->aim_ns = fmax(window->promise_aim_ns, 2 * window->unloaded_ns);
	if (window->ns_per_milliunit > 0)
		busy = 2 * unexpected_ns / window->ns_per_milliunit;
	hard = fmin(window->slack_milliunits + busy, window->max_milliunits);
	counter_set(&window->hard_milliunits, (uint64_t)clamp(hard, 0, MILLIUNITS_MAX));
}

static void set_limit(struct window *window, double milliunits)
{
	double low = fmax(window->busy_milliunits, LIMIT_MILLIUNITS_MIN);
	double high = fmax((double)window->hard_milliunits, low);

	counter_set(&window->limit_milliunits, (uint64_t)clamp(milliunits, low, high));
}

static double derived_aim_ns(const struct window_config *config)
{
	double aim_ns = (double)config->tightest_ns / 4;

	if (config->tightest_ns == UINT64_MAX)
		return INFINITY;
	if (config->latency_ns)
		return (double)config->latency_ns;
	if (config->capacity_units_per_s > 0)
		aim_ns = fmin(
			aim_ns, config->slack_units / 2 * NS_PER_S / config->capacity_units_per_s);
	return aim_ns;
}

void window_configure(struct window *window, const struct window_config *config)
{
	window->max_milliunits = fmin(config->units_max * 1000, MILLIUNITS_MAX);
	window->slack_milliunits = config->slack_units * 1000;
	window->busy_milliunits = config->busy_units * 1000;
	window->device_latency_ns = (double)config->device_latency_ns;
	window->ns_per_milliunit = 0;
	if (config->capacity_units_per_s > 0)
		window->ns_per_milliunit = NS_PER_S / config->capacity_units_per_s / 1000;
	else
		window->slack_milliunits = INFINITY;
	window->promise_aim_ns = derived_aim_ns(config);
	update_bounds(window);
	set_limit(window, expected_milliunits(window));
}

void window_dispatched(struct window *window, struct slo_request *request)
{
	request->found_device_idle = !window->in_flight;
	window->in_flight++;
	counter_add(&window->in_flight_milliunits, request->cost_milliunits);
}

/* Late requests decide; see the top of window.h. */
static void end_epoch(struct window *window)
{
	double limit = (double)window->limit_milliunits;
	double step = fmax(expected_milliunits(window) / STEPS, LIMIT_MILLIUNITS_MIN);

	update_bounds(window);
	if (window->epoch_late * 3 > window->epoch_requests)
		limit -= limit / 8;
	else if (window->epoch_late * 8 < window->epoch_requests && window->has_held_back)
		limit += step;
	set_limit(window, limit);
	window->epoch_requests = 0;
	window->epoch_late = 0;
	window->epoch_milliunits = 0;
	window->has_held_back = false;
}

/* A running median, so that single outliers count no more than any other value. */
static void measure_unloaded(struct window *window, double latency_ns)
{
	double step_ns = fmax(window->unloaded_ns / 16, 100);

	if (latency_ns > window->unloaded_ns)
		window->unloaded_ns = fmin(window->unloaded_ns + step_ns, latency_ns);
	else
		window->unloaded_ns = fmax(window->unloaded_ns - step_ns, fmax(latency_ns, 0));
	counter_set(&window->unloaded_published_ns, (uint64_t)window->unloaded_ns);
}

/* What can be learnt from a request that the device has completed. */
static void learn(struct window *window, const struct slo_request *request, uint64_t now_ns)
{
	double latency_ns =
		now_ns > request->dispatched_ns ? (double)(now_ns - request->dispatched_ns) : 0;
	double queued_ns = latency_ns - (double)request->cost_milliunits * window->ns_per_milliunit;

	window->latency_ns += (latency_ns - window->latency_ns) * AVERAGE_WEIGHT;
	counter_set(&window->latency_published_ns, (uint64_t)window->latency_ns);
	if (request->found_device_idle)
		measure_unloaded(window, queued_ns);
	window->epoch_requests++;
	window->epoch_late += queued_ns > window->aim_ns;
	window->epoch_milliunits += request->cost_milliunits;
	if (window->epoch_requests >= EPOCH_REQUESTS_MIN &&
		window->epoch_milliunits >= EPOCH_WINDOWS * window->limit_milliunits)
		end_epoch(window);
}

void window_completed(struct window *window, const struct slo_request *request, uint64_t now_ns)
{
	window->in_flight--;
	counter_set(&window->in_flight_milliunits,
		window->in_flight_milliunits - request->cost_milliunits);
	if (!request->has_untrusted_latency)
		learn(window, request, now_ns);
}
