#include "slo/deadline_queue.h"

void deadline_queue_add(
	struct deadline_queue *queue, struct request_queue *tier, struct slo_request *request)
{
	if (STAILQ_EMPTY(tier))
		heap_push(&queue->heads, request->deadline_ns, tier);
	STAILQ_INSERT_TAIL(tier, request, next);
}

void deadline_queue_remove_first(struct deadline_queue *queue)
{
	struct request_queue *tier = heap_top(&queue->heads)->item;

	STAILQ_REMOVE_HEAD(tier, next);
	if (STAILQ_EMPTY(tier))
		heap_pop(&queue->heads);
	else
		heap_change_top(&queue->heads, STAILQ_FIRST(tier)->deadline_ns);
}

void deadline_queue_refresh(struct deadline_queue *queue)
{
	for (unsigned index = 0; index < queue->heads.count; index++) {
		struct heap_entry *entry = &queue->heads.entries[index];

		entry->key = STAILQ_FIRST((struct request_queue *)entry->item)->deadline_ns;
	}
	heap_rebuild(&queue->heads);
}
