/*
 * The control queue of a virtio device, as its thread serves it.
 *
 * Theory of operation. While a back end serves the rings, a reset waits for the thread, and so the queue is the
 * thread's, too. Without one, the thread begins a service for as long as it works on the queue: a reset that
 * comes meanwhile is done at the end of that, and none has to wait for a back end.
 */
#include "vmm/pci/virtio_device_private.h"

#define COMMANDS_PER_ROUND 16u /* then it is others' turn */

unsigned virtio_device_ring_count(const struct virtio_device *device, uint64_t features)
{
	return device->has_control ? net_control_index(features, device->queue_count / 2)
				   : device->queue_count;
}

unsigned virtio_device_served_count(const struct virtio_device *device)
{
	return device->has_control ? 2 * device->control.pair_count : device->queue_count;
}

int virtio_device_control_fd(const struct virtio_device *device)
{
	return device->control.is_attached ? device->control.kick_fd : -1;
}

void virtio_device_begin_control(
	struct virtio_device *device, const struct virtio_pci_service *service)
{
	const struct net_control_setup setup = {
		.features = service->features,
		.pair_count_max = device->queue_count / 2,
		.rings = service->rings,
		.memory = device->place.memory,
	};
	struct error error;

	if (!device->has_control || service->number == device->control_service)
		return;
	device->control_service = service->number;
	if (net_control_begin(&device->control, &setup, &error) < 0)
		virtio_pci_fail(&device->transport, error.message);
	/* There may be commands already. */
	if (device->control.is_attached)
		virtio_pci_ring(device->control.kick_fd);
}

/* A back end that is not there is told when it is. */
static int tell_back_end(
	struct virtio_device *device, const struct virtio_pci_ring *rings, struct error *error)
{
	const unsigned served_count = virtio_device_served_count(device);

	if (!device->is_started || served_count == device->served_count)
		return 0;
	device->served_count = served_count;
	return vhost_user_link_set_served(
		&device->link, device->ring_count, rings, served_count, error);
}

static void finish(struct virtio_device *device, int call_fd)
{
	struct net_control *control = &device->control;

	if (net_control_wait(control))
		virtio_pci_ring(control->kick_fd);
	if (net_control_needs_call(control) && call_fd >= 0)
		virtio_pci_ring(call_fd);
}

static int serve(
	struct virtio_device *device, const struct virtio_pci_ring *rings, struct error *error)
{
	struct net_control *control = &device->control;
	int result = 0, taken = 1;

	if (!control->is_attached)
		return 0;
	for (unsigned i = 0; i < COMMANDS_PER_ROUND && result == 0; i++) {
		taken = net_control_take(control);
		if (taken <= 0)
			break;
		result = tell_back_end(device, rings, error);
		net_control_answer(control);
	}
	if (taken < 0)
		virtio_pci_fail(&device->transport, control->queue.broken);
	finish(device, rings[control->index].call_fd);
	return result;
}

/* ---- with and without a back end ---- */

static int serve_started(struct virtio_device *device, struct error *error)
{
	struct virtio_pci_ring rings[VIRTIO_PCI_QUEUES_MAX];

	virtio_pci_rings(&device->transport, rings);
	return serve(device, rings, error);
}

static int serve_alone(struct virtio_device *device, struct error *error)
{
	struct virtio_pci_service service;
	int result;

	if (!virtio_pci_begin_service(&device->transport, &service))
		return 0;
	virtio_device_begin_control(device, &service);
	result = serve(device, service.rings, error);
	virtio_pci_end_service(&device->transport);
	return result;
}

int virtio_device_serve_control(struct virtio_device *device, struct error *error)
{
	if (!device->has_control)
		return 0;
	if (device->control.is_attached)
		virtio_device_drain(device->control.kick_fd);
	return device->is_started ? serve_started(device, error) : serve_alone(device, error);
}
