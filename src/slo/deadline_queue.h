/*
 * Guaranteed requests, earliest deadline first. Deadlines never fall within one tier of one flow, so
 * each of those is a FIFO, and a heap holds only their heads: O(log tiers waiting) per request.
 */
#ifndef SLUICE_SLO_DEADLINE_QUEUE_H
#define SLUICE_SLO_DEADLINE_QUEUE_H

#include "slo/heap.h"
#include "slo/request_queue.h"

struct deadline_queue {
	struct heap heads; /* key: the head's deadline; item: a struct request_queue */
};

/* Add a request with its deadline set, at the end of its tier's FIFO. */
void deadline_queue_add(
	struct deadline_queue *queue, struct request_queue *tier, struct slo_request *request);

/* The request with the earliest deadline, NULL if there is none. */
static inline struct slo_request *deadline_queue_first(const struct deadline_queue *queue)
{
	struct heap_entry *top = heap_top(&queue->heads);

	return top ? STAILQ_FIRST((struct request_queue *)top->item) : NULL;
}

/* Remove that request. */
void deadline_queue_remove_first(struct deadline_queue *queue);

/* Deadlines of waiting requests have been changed, in order within each FIFO. */
void deadline_queue_refresh(struct deadline_queue *queue);

#endif
