/*
 * One virtqueue of a disk on the pool's sidecore: popping requests, giving them back, and starting
 * and stopping all that.
 *
 * Stopping is a conversation. The disk's thread asks the sidecore to stop the queue and waits; the
 * sidecore stops polling at once, lets go of the descriptors, and answers when the last request has
 * come back from the device.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "disk/disk_private.h"

#define REQUESTS_PER_POLL 32u /* then it is another queue's turn */
#define PUBLISH_EVERY 8u      /* so that the guest can go on while the rest is worked on */

/* ---- giving back ---- */

static void try_to_finish_stop(struct disk_queue *queue)
{
	if (!queue->is_stopping || queue->virtqueue.in_flight || queue->is_watched)
		return;
	/* Nothing more will be given back; a call that nobody takes must not hold us up. */
	if (queue->caller.fd >= 0)
		sidecore_redirect_caller(&queue->caller, VHOST_USER_NO_FD);
	if (queue->caller.is_in_flight || queue->error_caller.is_in_flight)
		return;
	queue->is_stopping = false;
	sem_post(&queue->stopped);
}

/* Let the driver see what is done. Returns how much that was. */
static unsigned give_back(struct disk_queue *queue)
{
	unsigned count;

	virtqueue_publish(&queue->virtqueue);
	count = queue->virtqueue.unsignalled;
	if (virtqueue_needs_call(&queue->virtqueue))
		sidecore_ring_caller(&queue->caller);
	return count;
}

static void free_request(struct disk_queue *queue, struct blk_request *request)
{
	request->next_free = queue->free_requests;
	queue->free_requests = request;
	counter_set(&queue->disk->in_flight, queue->disk->in_flight - 1);
}

void disk_queue_finish(
	struct disk_queue *queue, struct blk_request *request, uint32_t written_bytes)
{
	virtqueue_push(&queue->virtqueue, &request->chain, written_bytes);
	free_request(queue, request);
	if (queue->is_stopping) {
		give_back(queue);
		try_to_finish_stop(queue);
	} else if (queue->virtqueue.batch_count >= PUBLISH_EVERY) {
		virtqueue_publish(&queue->virtqueue);
	}
	/* The driver will soon have the next one: look, rather than wait for a kick. */
	sidecore_wake_poller(queue->disk->pool->sidecore, &queue->poller);
}

void disk_queue_drop(struct disk_queue *queue, struct blk_request *request)
{
	virtqueue_forget(&queue->virtqueue);
	free_request(queue, request);
	try_to_finish_stop(queue);
}

/* ---- popping ---- */

/* The ring breaks the protocol: tell the driver, the front end and, through its thread, the log. */
static void report_trouble(struct disk_queue *queue)
{
	struct disk *disk = queue->disk;

	if (queue->is_reported)
		return;
	queue->is_reported = true;
	__atomic_store_n(&disk->is_broken, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&disk->trouble, queue->virtqueue.broken, __ATOMIC_RELEASE);
	sidecore_ring_caller(&disk->trouble_caller);
	sidecore_ring_caller(&queue->error_caller);
}

/* Returns 1, 0 if there is nothing to pop, or a negative errno if the ring is broken. */
static int receive_one(struct disk_queue *queue, uint64_t now_ns)
{
	struct blk_request *request = queue->free_requests;
	int result;

	if (!request || queue->disk->is_abandoned)
		return 0;
	result = virtqueue_pop(&queue->virtqueue, &request->chain);
	if (result <= 0)
		return result;
	queue->free_requests = request->next_free;
	counter_add(&queue->disk->in_flight, 1);
	result = blk_request_start(request, now_ns);
	if (result == 0)
		return 1;
	virtqueue_push(&queue->virtqueue, &request->chain, 0);
	free_request(queue, request);
	return virtqueue_break(&queue->virtqueue, "a request has no room for its status");
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
	if (count && guest_memory_is_lost(queue->virtqueue.memory))
		result = virtqueue_break(
			&queue->virtqueue, "the front end has truncated the guest's memory");
	if (result < 0)
		report_trouble(queue);
	return count;
}

static unsigned poll_queue(struct poller *poller, uint64_t now_ns)
{
	struct disk_queue *queue = container_of(poller, struct disk_queue, poller);
	unsigned received = receive(queue, now_ns);

	if (received)
		pool_dispatch(queue->disk->pool, now_ns);
	return received + give_back(queue);
}

static bool arm_queue(struct poller *poller)
{
	struct disk_queue *queue = container_of(poller, struct disk_queue, poller);

	if (queue->virtqueue.broken)
		return false;
	return queue->is_polled || virtqueue_enable_kicks(&queue->virtqueue);
}

static void disarm_queue(struct poller *poller)
{
	struct disk_queue *queue = container_of(poller, struct disk_queue, poller);

	virtqueue_disable_kicks(&queue->virtqueue);
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

static void caller_idle(struct caller *caller)
{
	try_to_finish_stop(container_of(caller, struct disk_queue, caller));
}

static void error_caller_idle(struct caller *caller)
{
	try_to_finish_stop(container_of(caller, struct disk_queue, error_caller));
}

/*
 * At once, before anybody can stop the ring: its base says nothing about these chains, and whoever
 * goes on from there (after a migration, say) may not have the in-flight region.
 */
static void receive_what_predecessor_left(struct disk_queue *queue)
{
	const uint64_t now_ns = clock_now_ns();

	while (virtqueue_has_resubmissions(&queue->virtqueue) && receive_one(queue, now_ns) > 0)
		;
	pool_dispatch(queue->disk->pool, now_ns);
}

static void start_on_sidecore(void *argument)
{
	struct disk_queue *queue = argument;
	struct sidecore *sidecore = queue->disk->pool->sidecore;

	virtqueue_disable_kicks(&queue->virtqueue);
	sidecore_add_poller(sidecore, &queue->poller);
	queue->is_watched = !queue->is_polled;
	if (queue->is_watched)
		sidecore_watch(sidecore, &queue->doorbell);
	/* A predecessor may have died between giving back and calling. */
	sidecore_ring_caller(&queue->caller);
	receive_what_predecessor_left(queue);
}

static void set_bells(struct disk_queue *queue, const struct vhost_user_bells *bells)
{
	struct sidecore *sidecore = queue->disk->pool->sidecore;

	queue->poller =
		(struct poller){.poll = poll_queue, .arm = arm_queue, .disarm = disarm_queue};
	queue->doorbell = (struct doorbell){.poller = &queue->poller, .fd = bells->kick_fd};
	queue->caller =
		(struct caller){.sidecore = sidecore, .fd = bells->call_fd, .idle = caller_idle};
	queue->error_caller = (struct caller){
		.sidecore = sidecore, .fd = bells->error_fd, .idle = error_caller_idle};
	queue->is_polled = bells->kick_fd < 0;
}

int disk_queue_start(struct disk *disk, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error)
{
	struct disk_queue *queue = &disk->queues[index];
	int result;

	result = virtqueue_attach(&queue->virtqueue, setup, error);
	if (result < 0)
		return result;
	result = create_requests(queue, setup->size);
	if (result < 0)
		return error_set(error, result, "no memory for %u requests", setup->size);
	queue->disk = disk;
	queue->is_stopping = false;
	queue->is_reported = false;
	set_bells(queue, bells);
	sem_init(&queue->stopped, 0, 0);
	__atomic_store_n(&disk->is_broken, 0, __ATOMIC_RELAXED);
	sidecore_call(disk->pool->sidecore, start_on_sidecore, queue);
	return 0;
}

/* ---- stopping ---- */

static void doorbell_unwatched(struct doorbell *doorbell)
{
	struct disk_queue *queue = container_of(doorbell, struct disk_queue, doorbell);

	queue->is_watched = false;
	try_to_finish_stop(queue);
}

static void stop_on_sidecore(void *argument)
{
	struct disk_queue *queue = argument;

	queue->is_stopping = true;
	give_back(queue);
	sidecore_remove_poller(queue->disk->pool->sidecore, &queue->poller);
	if (queue->is_watched)
		sidecore_unwatch(&queue->doorbell, doorbell_unwatched);
	sidecore_redirect_caller(&queue->error_caller, VHOST_USER_NO_FD);
	try_to_finish_stop(queue);
}

uint32_t disk_queue_stop(struct disk *disk, unsigned index)
{
	struct disk_queue *queue = &disk->queues[index];
	uint32_t base;

	sidecore_call(disk->pool->sidecore, stop_on_sidecore, queue);
	while (sem_wait(&queue->stopped) < 0)
		;
	base = virtqueue_base(&queue->virtqueue);
	sem_destroy(&queue->stopped);
	free(queue->requests);
	queue->requests = NULL;
	return base;
}

/* ---- another call descriptor ---- */

struct redirection {
	struct disk_queue *queue;
	int call_fd;
};

/* Calls are rung once more, since one may just have gone to the old descriptor. */
static void redirect_on_sidecore(void *argument)
{
	struct redirection *redirection = argument;

	sidecore_redirect_caller(&redirection->queue->caller, redirection->call_fd);
	sidecore_ring_caller(&redirection->queue->caller);
}

void disk_queue_set_call(struct disk *disk, unsigned index, int call_fd)
{
	struct redirection redirection = {.queue = &disk->queues[index], .call_fd = call_fd};

	sidecore_call(disk->pool->sidecore, redirect_on_sidecore, &redirection);
}

/* ---- abandoning ---- */

static void drop_waiting(struct slo_request *waiting)
{
	struct blk_request *request = container_of(waiting, struct blk_request, slo);

	disk_queue_drop(request->queue, request);
}

static void abandon_on_sidecore(void *argument)
{
	struct disk *disk = argument;

	disk->is_abandoned = true;
	flow_withdraw(disk->flow, drop_waiting);
	/* What a limit held is gone, so that its timer need not go off. */
	pool_dispatch(disk->pool, clock_now_ns());
}

void disk_abandon_requests(struct disk *disk)
{
	sidecore_call(disk->pool->sidecore, abandon_on_sidecore, disk);
}
