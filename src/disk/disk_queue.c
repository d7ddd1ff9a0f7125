/* One virtqueue of a disk: popping requests, and giving them back. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "disk/disk_private.h"

#define REQUESTS_PER_POLL 32u /* then it is another queue's turn */
#define PUBLISH_EVERY 8u      /* so that the guest can go on while the rest is worked on */

/* ---- giving back ---- */

static void free_request(struct disk_queue *queue, struct blk_request *request)
{
	request->next_free = queue->free_requests;
	queue->free_requests = request;
	counter_set(&queue->disk->in_flight, queue->disk->in_flight - 1);
}

void disk_queue_finish(
	struct disk_queue *queue, struct blk_request *request, uint32_t written_bytes)
{
	virtqueue_push(&queue->served.virtqueue, &request->chain, written_bytes);
	free_request(queue, request);
	/* The driver will soon have the next one: look, rather than wait for a kick. */
	served_queue_wake(&queue->served);
	if (queue->served.is_stopping) {
		served_queue_give_back(&queue->served);
		served_queue_try_to_stop(&queue->served);
	} else if (queue->served.virtqueue.batch_count >= PUBLISH_EVERY) {
		virtqueue_publish(&queue->served.virtqueue);
	}
}

void disk_queue_drop(struct disk_queue *queue, struct blk_request *request)
{
	virtqueue_forget(&queue->served.virtqueue);
	free_request(queue, request);
	served_queue_try_to_stop(&queue->served);
}

/* ---- popping ---- */

/* Returns 1, 0 if there is nothing to pop, or a negative errno if the ring is broken. */
static int receive_one(struct disk_queue *queue, uint64_t now_ns)
{
	struct blk_request *request = queue->free_requests;
	int result;

	if (!request || queue->disk->is_abandoned)
		return 0;
	result = virtqueue_pop(&queue->served.virtqueue, &request->chain);
	if (result <= 0)
		return result;
	queue->free_requests = request->next_free;
	counter_add(&queue->disk->in_flight, 1);
	result = blk_request_start(request, now_ns);
	if (result == 0)
		return 1;
	virtqueue_push(&queue->served.virtqueue, &request->chain, 0);
	free_request(queue, request);
	return virtqueue_break(&queue->served.virtqueue, "a request has no room for its status");
}

static unsigned receive(struct disk_queue *queue, uint64_t now_ns)
{
	unsigned count;
	int result = 1;

	for (count = 0; count < REQUESTS_PER_POLL; count++) {
		result = receive_one(queue, now_ns);
		if (result <= 0)
			break;
	}
	if (count && guest_memory_is_lost(queue->served.virtqueue.memory))
		result = virtqueue_break(
			&queue->served.virtqueue, "the front end has truncated the guest's memory");
	if (result < 0)
		served_queue_report(&queue->served);
	return count;
}

static unsigned poll_queue(struct served_queue *served, uint64_t now_ns)
{
	struct disk_queue *queue = container_of(served, struct disk_queue, served);
	unsigned received = receive(queue, now_ns);

	if (received)
		pool_dispatch(queue->disk->pool, now_ns);
	return received + served_queue_give_back(&queue->served);
}

/* ---- starting ---- */

static int create_requests(struct disk_queue *queue, unsigned count)
{
	queue->requests = calloc(count, sizeof *queue->requests);
	if (!queue->requests)
		return -ENOMEM;
	queue->free_requests = NULL;
	for (unsigned i = count; i-- > 0;) {
		queue->requests[i].queue = queue;
		queue->requests[i].next_free = queue->free_requests;
		queue->free_requests = &queue->requests[i];
	}
	return 0;
}

/*
 * At once, before anybody can stop the ring: its base says nothing about these chains, and whoever
 * goes on from there (after a migration, say) may not have the in-flight region.
 */
static void receive_what_predecessor_left(struct served_queue *served)
{
	struct disk_queue *queue = container_of(served, struct disk_queue, served);
	const uint64_t now_ns = clock_now_ns();

	while (virtqueue_has_resubmissions(&queue->served.virtqueue) &&
		receive_one(queue, now_ns) > 0)
		;
	pool_dispatch(queue->disk->pool, now_ns);
}

static const struct served_queue_kind disk_queue_kind = {
	.poll = poll_queue,
	.started = receive_what_predecessor_left,
};

int disk_queue_start(struct disk *disk, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error)
{
	struct disk_queue *queue = &disk->queues[index];
	int result;

	result = served_queue_attach(&queue->served, &disk_queue_kind, &disk->served, setup, error);
	if (result < 0)
		return result;
	result = create_requests(queue, setup->size);
	if (result < 0)
		return error_set(error, result, "no memory for %u requests", setup->size);
	queue->disk = disk;
	served_queue_start(&queue->served, bells);
	return 0;
}

uint32_t disk_queue_stop(struct disk *disk, unsigned index)
{
	struct disk_queue *queue = &disk->queues[index];
	uint32_t base = served_queue_stop(&queue->served);

	free(queue->requests);
	queue->requests = NULL;
	return base;
}

void disk_queue_set_call(struct disk *disk, unsigned index, int call_fd)
{
	served_queue_set_call(&disk->queues[index].served, call_fd);
}

/* ---- abandoning ---- */

static void drop_waiting(struct slo_request *waiting)
{
	struct blk_request *request = container_of(waiting, struct blk_request, turn.slo);

	disk_queue_drop(request->queue, request);
}

static void abandon_on_sidecore(void *argument)
{
	struct disk *disk = argument;

	disk->is_abandoned = true;
	flow_withdraw(disk->member.flow, drop_waiting);
	/* What a limit held is gone, so that its timer need not go off. */
	pool_dispatch(disk->pool, clock_now_ns());
}

void disk_abandon_requests(struct disk *disk)
{
	sidecore_call(disk->pool->sidecore, abandon_on_sidecore, disk);
}
