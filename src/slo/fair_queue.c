#include "slo/fair_queue.h"

#include <string.h>

/* Doubles that are not negative are ordered like their bits. */
static uint64_t key_of(double tag)
{
	uint64_t key;

	memcpy(&key, &tag, sizeof key);
	return key;
}

void fair_flow_init(struct fair_flow *flow, uint32_t weight)
{
	STAILQ_INIT(&flow->requests);
	flow->start_tag = 0;
	flow->finish_tag = 0;
	flow->weight = weight;
}

void fair_queue_add(struct fair_queue *queue, struct fair_flow *flow, struct slo_request *request)
{
	if (STAILQ_EMPTY(&flow->requests)) {
		flow->start_tag = flow->finish_tag > queue->virtual_time ? flow->finish_tag
									 : queue->virtual_time;
		heap_push(&queue->flows, key_of(flow->start_tag), flow);
	}
	STAILQ_INSERT_TAIL(&flow->requests, request, next);
}

void fair_queue_remove_first(struct fair_queue *queue)
{
	struct fair_flow *flow = heap_top(&queue->flows)->item;
	struct slo_request *request = STAILQ_FIRST(&flow->requests);

	queue->virtual_time = flow->start_tag;
	flow->finish_tag = flow->start_tag + request->cost_units / flow->weight;
	STAILQ_REMOVE_HEAD(&flow->requests, next);
	if (STAILQ_EMPTY(&flow->requests)) {
		heap_pop(&queue->flows);
		return;
	}
	flow->start_tag = flow->finish_tag;
	heap_change_top(&queue->flows, key_of(flow->start_tag));
}
