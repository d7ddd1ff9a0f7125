#include "device/served_queue.h"

#include <limits.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"

#define DOUBT_AFTER 16u		 /* calls that a driver has done without, in a row */
#define PATIENCE_NS 1000u	 /* for each of them */
#define PATIENCE_NS_MAX 1000000u /* and no more than the sidecore itself polls for */

/* ---- the device ---- */

void served_device_init(struct served_device *device, struct sidecore *sidecore)
{
	device->sidecore = sidecore;
	device->trouble_caller.sidecore = sidecore;
	device->trouble_caller.fd = VHOST_USER_NO_FD;
}

void served_device_report_to(struct served_device *device, int trouble_fd)
{
	device->trouble_caller.fd = trouble_fd;
}

struct release {
	struct served_device *device;
	bool is_done;
};

/* What is in flight is the sidecore's to know. */
static void release_on_sidecore(void *argument)
{
	struct release *release = argument;
	struct caller *caller = &release->device->trouble_caller;

	if (caller->fd >= 0)
		sidecore_redirect_caller(caller, VHOST_USER_NO_FD);
	release->is_done = !caller->is_in_flight;
}

void served_device_release(struct served_device *device)
{
	struct release release = {.device = device};

	/* Each call lets the sidecore look at completions once. */
	while (!release.is_done)
		sidecore_call(device->sidecore, release_on_sidecore, &release);
}

const char *served_device_trouble(struct served_device *device)
{
	return __atomic_exchange_n(&device->trouble, NULL, __ATOMIC_ACQUIRE);
}

/* ---- working ---- */

void served_queue_try_to_stop(struct served_queue *queue)
{
	if (!queue->is_stopping || queue->virtqueue.in_flight || queue->operations ||
		queue->is_watched)
		return;
	/* Nothing more will be given back; a call that nobody takes must not hold us up. */
	if (queue->caller.fd >= 0 || queue->caller.is_offered)
		sidecore_redirect_caller(&queue->caller, VHOST_USER_NO_FD);
	if (queue->caller.is_in_flight || queue->error_caller.is_in_flight)
		return;
	queue->is_stopping = false;
	sem_post(&queue->stopped);
}

unsigned served_queue_give_back(struct served_queue *queue)
{
	const unsigned unsettled = queue->unsettled;

	virtqueue_publish(&queue->virtqueue);
	queue->unsettled = queue->virtqueue.unsignalled;
	if (queue->unsettled > unsettled)
		sidecore_offer_call(&queue->caller);
	return queue->unsettled - unsettled;
}

void served_queue_wake(struct served_queue *queue)
{
	sidecore_wake_poller(queue->device->sidecore, &queue->poller);
}

void served_queue_report(struct served_queue *queue)
{
	struct served_device *device = queue->device;

	if (queue->is_reported)
		return;
	queue->is_reported = true;
	__atomic_store_n(&device->is_broken, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&device->trouble, queue->virtqueue.broken, __ATOMIC_RELEASE);
	sidecore_ring_caller(&device->trouble_caller);
	sidecore_ring_caller(&queue->error_caller);
}

/* ---- what the sidecore calls ---- */

static unsigned poll_queue(struct poller *poller, uint64_t now_ns)
{
	struct served_queue *queue = container_of(poller, struct served_queue, poller);

	return queue->kind->poll(queue, now_ns);
}

bool served_queue_arm(struct served_queue *queue)
{
	if (queue->virtqueue.broken)
		return false;
	return queue->is_polled || virtqueue_enable_kicks(&queue->virtqueue);
}

static bool arm_queue(struct poller *poller)
{
	struct served_queue *queue = container_of(poller, struct served_queue, poller);

	return queue->kind->arm ? queue->kind->arm(queue) : served_queue_arm(queue);
}

static void disarm_queue(struct poller *poller)
{
	struct served_queue *queue = container_of(poller, struct served_queue, poller);

	virtqueue_disable_kicks(&queue->virtqueue);
}

static void kicked(struct doorbell *doorbell)
{
	struct served_queue *queue = container_of(doorbell, struct served_queue, doorbell);

	counter_add(&queue->device->kicks, 1);
}

/*
 * A driver that has done without calls for long is likely to poll still: each of its rounds ends with
 * turning calls on, looking once more, and turning them off. If it is asked within that moment, which
 * lasts longer when something interrupts it there, the wish is gone soon: it has seen what there was.
 */
static uint64_t patience_ns(const struct served_queue *queue)
{
	const uint64_t earned_ns = (uint64_t)queue->calls_spared * PATIENCE_NS;
	const uint64_t poll_ns_max = sidecore_poll_ns_max(queue->device->sidecore);
	const uint64_t most_ns = poll_ns_max < PATIENCE_NS_MAX ? poll_ns_max : PATIENCE_NS_MAX;

	return earned_ns < most_ns ? earned_ns : most_ns;
}

static bool is_doubtful(struct served_queue *queue)
{
	uint64_t now_ns;

	if (queue->calls_spared < DOUBT_AFTER ||
		queue->virtqueue.unsignalled > queue->virtqueue.size)
		return false;
	now_ns = clock_now_ns();
	if (!queue->doubted_until_ns)
		queue->doubted_until_ns = now_ns + patience_ns(queue);
	return now_ns < queue->doubted_until_ns;
}

static void settle_call(struct served_queue *queue, bool is_wanted)
{
	virtqueue_settle_call(&queue->virtqueue);
	queue->unsettled = 0;
	queue->doubted_until_ns = 0;
	if (is_wanted)
		queue->calls_spared = 0;
	else if (queue->calls_spared < UINT_MAX)
		queue->calls_spared++;
	counter_add(&queue->device->calls, is_wanted && queue->caller.fd >= 0);
}

static enum call_wish wish_for_call(struct caller *caller, bool is_last)
{
	struct served_queue *queue = container_of(caller, struct served_queue, caller);
	bool is_wanted;

	/* In a round in which it was another's turn, completions may have pushed what is not shown yet. */
	virtqueue_publish(&queue->virtqueue);
	is_wanted = virtqueue_needs_call(&queue->virtqueue);
	if (is_wanted && !is_last && is_doubtful(queue))
		return CALL_UNCLEAR;
	settle_call(queue, is_wanted);
	return is_wanted ? CALL_WANTED : CALL_UNWANTED;
}

static void caller_idle(struct caller *caller)
{
	served_queue_try_to_stop(container_of(caller, struct served_queue, caller));
}

static void error_caller_idle(struct caller *caller)
{
	served_queue_try_to_stop(container_of(caller, struct served_queue, error_caller));
}

static void doorbell_unwatched(struct doorbell *doorbell)
{
	struct served_queue *queue = container_of(doorbell, struct served_queue, doorbell);

	queue->is_watched = false;
	served_queue_try_to_stop(queue);
}

/* ---- starting ---- */

int served_queue_attach(struct served_queue *queue, const struct served_queue_kind *kind,
	struct served_device *device, const struct virtqueue_setup *setup, struct error *error)
{
	queue->kind = kind;
	queue->device = device;
	queue->operations = 0;
	queue->is_stopping = false;
	queue->is_reported = false;
	queue->unsettled = queue->calls_spared = 0;
	queue->doubted_until_ns = 0;
	return virtqueue_attach(&queue->virtqueue, setup, error);
}

static void set_bells(struct served_queue *queue, const struct vhost_user_bells *bells)
{
	struct sidecore *sidecore = queue->device->sidecore;

	queue->poller = (struct poller){.poll = poll_queue,
		.arm = arm_queue,
		.disarm = disarm_queue,
		.is_bulk = queue->kind->is_bulk};
	queue->doorbell =
		(struct doorbell){.poller = &queue->poller, .fd = bells->kick_fd, .rang = kicked};
	queue->caller = (struct caller){.sidecore = sidecore,
		.fd = bells->call_fd,
		.idle = caller_idle,
		.wish = wish_for_call};
	queue->error_caller = (struct caller){
		.sidecore = sidecore, .fd = bells->error_fd, .idle = error_caller_idle};
	queue->is_polled = bells->kick_fd < 0;
}

static void start_on_sidecore(void *argument)
{
	struct served_queue *queue = argument;
	struct sidecore *sidecore = queue->device->sidecore;

	virtqueue_disable_kicks(&queue->virtqueue);
	sidecore_add_poller(sidecore, &queue->poller);
	queue->is_watched = !queue->is_polled;
	if (queue->is_watched)
		sidecore_watch(sidecore, &queue->doorbell);
	/* A predecessor may have died between giving back and calling. */
	sidecore_ring_caller(&queue->caller);
	if (queue->kind->started)
		queue->kind->started(queue);
}

void served_queue_start(struct served_queue *queue, const struct vhost_user_bells *bells)
{
	set_bells(queue, bells);
	sem_init(&queue->stopped, 0, 0);
	__atomic_store_n(&queue->device->is_broken, 0, __ATOMIC_RELAXED);
	sidecore_call(queue->device->sidecore, start_on_sidecore, queue);
}

/* ---- stopping ---- */

static void stop_on_sidecore(void *argument)
{
	struct served_queue *queue = argument;

	queue->is_stopping = true;
	if (queue->kind->stopping)
		queue->kind->stopping(queue);
	served_queue_give_back(queue);
	sidecore_remove_poller(queue->device->sidecore, &queue->poller);
	if (queue->is_watched)
		sidecore_unwatch(&queue->doorbell, doorbell_unwatched);
	sidecore_redirect_caller(&queue->error_caller, VHOST_USER_NO_FD);
	served_queue_try_to_stop(queue);
}

uint32_t served_queue_stop(struct served_queue *queue)
{
	sidecore_call(queue->device->sidecore, stop_on_sidecore, queue);
	while (sem_wait(&queue->stopped) < 0)
		;
	sem_destroy(&queue->stopped);
	return virtqueue_base(&queue->virtqueue);
}

/* ---- another call descriptor ---- */

struct redirection {
	struct served_queue *queue;
	int call_fd;
};

/* Calls are rung once more, since one may just have gone to the old descriptor. */
static void redirect_on_sidecore(void *argument)
{
	struct redirection *redirection = argument;

	sidecore_redirect_caller(&redirection->queue->caller, redirection->call_fd);
	sidecore_ring_caller(&redirection->queue->caller);
}

void served_queue_set_call(struct served_queue *queue, int call_fd)
{
	struct redirection redirection = {.queue = queue, .call_fd = call_fd};

	sidecore_call(queue->device->sidecore, redirect_on_sidecore, &redirection);
}
