#include "virtio/virtqueue.h"

#include <errno.h>
#include <string.h>

int virtqueue_attach(
	struct virtqueue *queue, const struct virtqueue_setup *setup, struct error *error)
{
	memset(queue, 0, sizeof *queue);
	if (setup->size == 0 || setup->size > VIRTQUEUE_SIZE_MAX)
		return error_set(error, -EINVAL, "queue size %u is not between 1 and %u",
			setup->size, VIRTQUEUE_SIZE_MAX);
	queue->operations =
		setup->is_packed ? &virtqueue_packed_operations : &virtqueue_split_operations;
	queue->memory = setup->memory;
	queue->size = setup->size;
	queue->has_event_index = setup->has_event_index;
	queue->inflight = setup->inflight;
	queue->logs_used_ring = setup->logs_used_ring;
	queue->log_address = setup->log_address;
	return queue->operations->attach(queue, setup, error);
}

int virtqueue_break(struct virtqueue *queue, const char *reason)
{
	if (!queue->broken)
		queue->broken = reason;
	return -EPROTO;
}
