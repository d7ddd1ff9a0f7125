/*
 * Best-effort requests, shared among flows by weight: start-time fair queueing (Goyal, Vin, Cheng,
 * SIGCOMM 1996). A request starts, in virtual time, when the flow's previous one finished, or now if
 * the flow was idle, and finishes cost/weight later; the earliest start goes first. Virtual time is
 * the start of the request served last. A flow that was idle gets no credit for it.
 */
#ifndef SLUICE_SLO_FAIR_QUEUE_H
#define SLUICE_SLO_FAIR_QUEUE_H

#include "slo/heap.h"
#include "slo/request_queue.h"

/* One flow's best-effort requests. */
struct fair_flow {
	struct request_queue requests;
	double start_tag;  /* of the first request waiting */
	double finish_tag; /* of the last request served */
	double weight;
};

struct fair_queue {
	struct heap flows; /* those with requests; key: start tag; item: a struct fair_flow */
	double virtual_time;
};

void fair_flow_init(struct fair_flow *flow, uint32_t weight);

void fair_queue_add(struct fair_queue *queue, struct fair_flow *flow, struct slo_request *request);

/* The request whose turn it is, NULL if there is none. */
static inline struct slo_request *fair_queue_first(const struct fair_queue *queue)
{
	struct heap_entry *top = heap_top(&queue->flows);

	return top ? STAILQ_FIRST(&((struct fair_flow *)top->item)->requests) : NULL;
}

/* Remove that request. */
void fair_queue_remove_first(struct fair_queue *queue);

#endif
