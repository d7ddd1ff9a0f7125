#include "virtio/virtqueue.h"

#include <errno.h>
#include <string.h>

#include "virtio/inflight.h"

/* The front end chooses the region's size before the ring's, and may change the ring's format. */
static bool inflight_has_room(const struct virtqueue_setup *setup)
{
	return !setup->inflight ||
	       setup->inflight_bytes >= inflight_queue_bytes(setup->is_packed, setup->size);
}

int virtqueue_attach(
	struct virtqueue *queue, const struct virtqueue_setup *setup, struct error *error)
{
	memset(queue, 0, sizeof *queue);
	if (setup->size == 0 || setup->size > VIRTQUEUE_SIZE_MAX)
		return error_set(error, -EINVAL, "queue size %u is not between 1 and %u",
			setup->size, VIRTQUEUE_SIZE_MAX);
	if (!inflight_has_room(setup))
		return error_set(error, -EINVAL,
			"the in-flight region has no room for a ring of %u descriptors",
			setup->size);
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
