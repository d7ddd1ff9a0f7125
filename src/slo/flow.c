#include "slo/flow.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "slo/audit.h"
#include "slo/scheduler_private.h"

#define AUDITS (SLO_TIERS_MAX + 1)

/* Room for every queue of `count` flows, so that nothing need be allocated later. */
static int reserve(struct scheduler *scheduler, unsigned count)
{
	unsigned capacity = scheduler->fair.flows.capacity;
	int result;

	if (count <= capacity)
		return 0;
	capacity = count < 2 * capacity ? 2 * capacity : count;
	result = heap_reserve(&scheduler->deadlines.heads, capacity * SLO_TIERS_MAX);
	if (!result)
		result = demand_reserve(&scheduler->demand, capacity * SLO_TIERS_MAX);
	if (!result)
		result = heap_reserve(&scheduler->held, capacity);
	if (!result)
		result = heap_reserve(&scheduler->fair.flows, capacity);
	return result;
}

static void set_slo(struct flow *flow, const struct slo *slo)
{
	flow->slo = *slo;
	flow->is_limited = limiter_is_active(&flow->limiter) || !STAILQ_EMPTY(&flow->held);
	for (unsigned tier = 0; tier < slo->tier_count; tier++)
		flow->within_ns[tier] = slo->tiers[tier].within_ns;
	demand_insert(&flow->scheduler->demand, slo);
	scheduler_update_window(flow->scheduler);
}

int flow_create(
	struct scheduler *scheduler, const struct slo *slo, uint64_t now_ns, struct flow **flow)
{
	struct flow *created = NULL;
	int result = reserve(scheduler, scheduler->flow_count + 1);

	if (result)
		return result;
	created = aligned_alloc(_Alignof(struct flow), sizeof *created);
	if (!created)
		return -ENOMEM;
	*created = (struct flow){.scheduler = scheduler, .audits = audit_create(AUDITS)};
	if (!created->audits)
		goto fail;
	for (unsigned tier = 0; tier < SLO_TIERS_MAX; tier++)
		STAILQ_INIT(&created->tiers[tier]);
	STAILQ_INIT(&created->held);
	fair_flow_init(&created->best_effort, slo->weight);
	nest_init(&created->nest, slo, now_ns);
	limiter_init(&created->limiter, &slo->limit, now_ns);
	set_slo(created, slo);
	scheduler->flow_count++;
	*flow = created;
	return 0;

fail:
	free(created);
	return -ENOMEM;
}

/* No waiting request may have a later deadline than the next one of its tier. */
static void pull_in_deadlines(struct flow *flow, uint64_t now_ns)
{
	struct slo_request *request;

	for (unsigned tier = 0; tier < flow->slo.tier_count; tier++)
		STAILQ_FOREACH (request, &flow->tiers[tier], next)
			if (request->deadline_ns > now_ns + flow->within_ns[tier])
				request->deadline_ns = now_ns + flow->within_ns[tier];
	deadline_queue_refresh(&flow->scheduler->deadlines);
}

/* The first request held may go at another time, or at once. */
static void reschedule_held(struct flow *flow)
{
	struct heap *held = &flow->scheduler->held;

	for (unsigned index = 0; index < held->count; index++)
		if (held->entries[index].item == flow)
			held->entries[index].key = 0;
	heap_rebuild(held);
}

void flow_set_slo(struct flow *flow, const struct slo *slo, uint64_t now_ns)
{
	demand_remove(&flow->scheduler->demand, &flow->slo);
	nest_change(&flow->nest, slo, now_ns);
	limiter_change(&flow->limiter, &slo->limit, now_ns);
	flow->best_effort.weight = slo->weight;
	set_slo(flow, slo);
	pull_in_deadlines(flow, now_ns);
	reschedule_held(flow);
}

/* Without enforcement all flows wait in one queue. */
static void take_unordered(struct flow *flow, struct request_queue *taken)
{
	struct request_queue *unordered = &flow->scheduler->unordered;
	struct request_queue others = STAILQ_HEAD_INITIALIZER(others);
	struct slo_request *request;

	while ((request = STAILQ_FIRST(unordered))) {
		STAILQ_REMOVE_HEAD(unordered, next);
		if (request->flow == flow)
			STAILQ_INSERT_TAIL(taken, request, next);
		else
			STAILQ_INSERT_TAIL(&others, request, next);
	}
	STAILQ_CONCAT(unordered, &others);
}

static void take_waiting(struct flow *flow, struct request_queue *taken)
{
	struct scheduler *scheduler = flow->scheduler;

	heap_remove(&scheduler->held, flow);
	STAILQ_CONCAT(taken, &flow->held);
	for (unsigned tier = 0; tier < SLO_TIERS_MAX; tier++) {
		heap_remove(&scheduler->deadlines.heads, &flow->tiers[tier]);
		STAILQ_CONCAT(taken, &flow->tiers[tier]);
	}
	heap_remove(&scheduler->fair.flows, &flow->best_effort);
	STAILQ_CONCAT(taken, &flow->best_effort.requests);
	take_unordered(flow, taken);
}

void flow_withdraw(struct flow *flow, void (*withdrawn)(struct slo_request *request))
{
	struct request_queue taken = STAILQ_HEAD_INITIALIZER(taken);
	struct slo_request *request;

	take_waiting(flow, &taken);
	while ((request = STAILQ_FIRST(&taken))) {
		STAILQ_REMOVE_HEAD(&taken, next);
		flow->outstanding--;
		withdrawn(request);
	}
}

void flow_destroy(struct flow *flow)
{
	struct scheduler *scheduler = flow->scheduler;

	assert(flow->outstanding == 0);
	demand_remove(&scheduler->demand, &flow->slo);
	scheduler->flow_count--;
	scheduler_update_window(scheduler);
	audit_destroy(flow->audits);
	free(flow);
}

const struct tier_audit *flow_audit(const struct flow *flow, unsigned tier)
{
	return &flow->audits[tier < flow->slo.tier_count ? tier : SLO_BEST_EFFORT];
}
