#include "slo/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/counter.h"
#include "slo/admission.h"
#include "slo/audit.h"
#include "slo/flow.h"
#include "slo/scheduler_private.h"

void scheduler_update_window(struct scheduler *scheduler)
{
	const struct scheduler_config *config = &scheduler->config;
	struct admission_pool pool = {
		.capacity_units_per_s = config->capacity_units_per_s,
		.largest_request_units = config->largest_request_units,
		.latency_ns = config->device_latency_ns,
	};
	double slack =
		demand_slack_units(&scheduler->demand, pool.capacity_units_per_s, pool.latency_ns);
	double busy = admission_busy_units(&pool);
	struct window_config window = {
		.capacity_units_per_s = config->capacity_units_per_s,
		.units_max = config->window_units_max > 0 ? config->window_units_max : INFINITY,
		.slack_units = fmax(slack, busy + config->largest_request_units),
		.busy_units = busy,
		.device_latency_ns = config->device_latency_ns,
		.tightest_ns = demand_tightest_ns(&scheduler->demand),
		.latency_ns = config->window_latency_ns,
	};

	window_configure(&scheduler->window, &window);
}

int scheduler_create(const struct scheduler_config *config, struct scheduler **scheduler)
{
	struct scheduler *created = calloc(1, sizeof *created);

	if (!created)
		return -ENOMEM;
	STAILQ_INIT(&created->unordered);
	scheduler_configure(created, config);
	*scheduler = created;
	return 0;
}

void scheduler_destroy(struct scheduler *scheduler)
{
	if (!scheduler)
		return;
	assert(scheduler->flow_count == 0);
	heap_free(&scheduler->deadlines.heads);
	heap_free(&scheduler->fair.flows);
	heap_free(&scheduler->held);
	demand_free(&scheduler->demand);
	free(scheduler);
}

void scheduler_configure(struct scheduler *scheduler, const struct scheduler_config *config)
{
	scheduler->config = *config;
	scheduler_update_window(scheduler);
}

/* The limit has let a request through, or there is none: classify it and let it wait its turn. */
static void enqueue(struct scheduler *scheduler, struct slo_request *request, uint64_t now_ns)
{
	struct flow *flow = request->flow;

	request->tier = SLO_BEST_EFFORT;
	if (request->cost_units <= scheduler->config.largest_request_units)
		request->tier = (uint8_t)nest_classify(&flow->nest, request->cost_units, now_ns);
	if (request->tier != SLO_BEST_EFFORT)
		request->deadline_ns = now_ns + flow->within_ns[request->tier];
	if (!scheduler->config.is_enforcing)
		STAILQ_INSERT_TAIL(&scheduler->unordered, request, next);
	else if (request->tier != SLO_BEST_EFFORT)
		deadline_queue_add(&scheduler->deadlines, &flow->tiers[request->tier], request);
	else
		fair_queue_add(&scheduler->fair, &flow->best_effort, request);
}

/* Keep a request of a limited flow until its turn; true if it may pass at once. */
static bool passes_limit(struct scheduler *scheduler, struct slo_request *request, uint64_t now_ns)
{
	struct flow *flow = request->flow;
	uint64_t passes_ns;

	if (!scheduler->config.is_enforcing && STAILQ_EMPTY(&flow->held))
		return true;
	if (STAILQ_EMPTY(&flow->held)) {
		passes_ns = limiter_passes_ns(&flow->limiter, request->bytes, now_ns);
		if (passes_ns <= now_ns) {
			limiter_charge(&flow->limiter, request->bytes);
			return true;
		}
		heap_push(&scheduler->held, passes_ns, flow);
	}
	STAILQ_INSERT_TAIL(&flow->held, request, next);
	return false;
}

void scheduler_submit(struct scheduler *scheduler, struct flow *flow, struct slo_request *request,
	uint64_t now_ns)
{
	request->flow = flow;
	request->arrival_ns = now_ns;
	request->cost_milliunits = (uint64_t)(request->cost_units * 1000 + 0.5);
	flow->outstanding++;
	if (!flow->is_limited || passes_limit(scheduler, request, now_ns))
		enqueue(scheduler, request, now_ns);
}

/* Let go the first request of the flow that is due first. */
static void release_one(struct scheduler *scheduler, uint64_t now_ns)
{
	struct flow *flow = heap_top(&scheduler->held)->item;
	struct slo_request *request = STAILQ_FIRST(&flow->held);
	uint64_t passes_ns = limiter_passes_ns(&flow->limiter, request->bytes, now_ns);

	if (passes_ns <= now_ns || !scheduler->config.is_enforcing) {
		limiter_charge(&flow->limiter, request->bytes);
		STAILQ_REMOVE_HEAD(&flow->held, next);
		enqueue(scheduler, request, now_ns);
		request = STAILQ_FIRST(&flow->held);
		if (!request) {
			heap_pop(&scheduler->held);
			return;
		}
		passes_ns = limiter_passes_ns(&flow->limiter, request->bytes, now_ns);
	}
	heap_change_top(&scheduler->held, passes_ns);
}

static void release_held(struct scheduler *scheduler, uint64_t now_ns)
{
	while (scheduler->held.count && scheduler_wake_ns(scheduler) <= now_ns)
		release_one(scheduler, now_ns);
}

/*
 * The request whose turn it is. After a change of enforcement, requests that came before it wait in
 * the queues of the other kind, and go first.
 */
static struct slo_request *first_waiting(struct scheduler *scheduler)
{
	struct slo_request *unordered = STAILQ_FIRST(&scheduler->unordered);
	struct slo_request *ordered;

	if (unordered && scheduler->config.is_enforcing)
		return unordered;
	ordered = deadline_queue_first(&scheduler->deadlines);
	if (!ordered)
		ordered = fair_queue_first(&scheduler->fair);
	return ordered ? ordered : unordered;
}

static void remove_waiting(struct scheduler *scheduler, struct slo_request *request)
{
	if (request == STAILQ_FIRST(&scheduler->unordered))
		STAILQ_REMOVE_HEAD(&scheduler->unordered, next);
	else if (request->tier != SLO_BEST_EFFORT)
		deadline_queue_remove_first(&scheduler->deadlines);
	else
		fair_queue_remove_first(&scheduler->fair);
}

struct slo_request *scheduler_next(struct scheduler *scheduler, uint64_t now_ns)
{
	struct slo_request *request;

	release_held(scheduler, now_ns);
	request = first_waiting(scheduler);
	if (!request)
		return NULL;
	if (scheduler->config.is_enforcing &&
		!window_admits(&scheduler->window, request->cost_milliunits)) {
		window_held_back(&scheduler->window);
		return NULL;
	}
	remove_waiting(scheduler, request);
	request->dispatched_ns = now_ns;
	window_dispatched(&scheduler->window, request);
	return request;
}

void scheduler_complete(struct scheduler *scheduler, struct slo_request *request, uint64_t now_ns)
{
	struct flow *flow = request->flow;

	window_completed(&scheduler->window, request, now_ns);
	audit_record(&flow->audits[request->tier], request, now_ns);
	flow->outstanding--;
}

uint64_t scheduler_wake_ns(const struct scheduler *scheduler)
{
	if (!scheduler->held.count)
		return UINT64_MAX;
	return scheduler->config.is_enforcing ? heap_top(&scheduler->held)->key : 0;
}

void scheduler_state(const struct scheduler *scheduler, struct scheduler_state *state)
{
	const struct window *window = &scheduler->window;

	state->window_units = (double)counter_get(&window->limit_milliunits) / 1000;
	state->in_flight_units = (double)counter_get(&window->in_flight_milliunits) / 1000;
	state->device_latency_ns = counter_get(&window->latency_published_ns);
	state->idle_latency_ns = counter_get(&window->unloaded_published_ns);
}
