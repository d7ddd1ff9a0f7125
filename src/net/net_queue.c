/* The queues of a NIC: even ones receive, odd ones transmit (5.1.2). */
#include <errno.h>

#include "net/net_private.h"

static bool is_transmit(unsigned index)
{
	return index % 2;
}

static struct net_pair *pair_of(struct net_device *device, unsigned index)
{
	return &device->pairs[index / 2];
}

static struct served_queue *queue_of(struct net_device *device, unsigned index)
{
	struct net_pair *pair = pair_of(device, index);

	return is_transmit(index) ? &pair->transmit.served : &pair->receive.served;
}

static int allocate(struct net_device *device, unsigned index)
{
	struct net_pair *pair = pair_of(device, index);

	if (is_transmit(index)) {
		pair->transmit.device = device;
		pair->transmit.pair = index / 2;
		return net_transmit_allocate(&pair->transmit);
	}
	pair->receive.device = device;
	pair->receive.pair = index / 2;
	return net_receive_allocate(&pair->receive);
}

/* The tap divides packets among the queues that are attached: only those that somebody serves are. */
static void count_running(struct net_device *device, unsigned index, int change)
{
	struct net_pair *pair = pair_of(device, index);

	pair->running += (unsigned)change;
	tap_attach_queue(&device->tap, index / 2, pair->running > 0);
}

int net_queue_start(struct net_device *device, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error)
{
	struct served_queue *queue = queue_of(device, index);
	int result;

	result = served_queue_attach(queue,
		is_transmit(index) ? &net_transmit_kind : &net_receive_kind, &device->served, setup,
		error);
	if (result < 0)
		return result;
	result = allocate(device, index);
	if (result < 0)
		return error_set(error, result, "no memory for packets");
	count_running(device, index, 1);
	served_queue_start(queue, bells);
	return 0;
}

uint32_t net_queue_stop(struct net_device *device, unsigned index)
{
	uint32_t base = served_queue_stop(queue_of(device, index));
	struct net_pair *pair = pair_of(device, index);

	count_running(device, index, -1);
	if (is_transmit(index))
		net_transmit_free(&pair->transmit);
	else
		net_receive_free(&pair->receive);
	return base;
}

void net_queue_set_call(struct net_device *device, unsigned index, int call_fd)
{
	served_queue_set_call(queue_of(device, index), call_fd);
}

void net_check_memory(struct served_queue *queue)
{
	if (!guest_memory_is_lost(queue->virtqueue.memory))
		return;
	virtqueue_break(&queue->virtqueue, "the front end has truncated the guest's memory");
	served_queue_report(queue);
}
