#include "vmm/pci/virtio_device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/counter.h"
#include "vmm/pci/virtio_device_private.h"

/* ---- set-up ---- */

static int check_config(const struct virtio_device_config *config, struct error *error)
{
	if (!virtio_type_find(config->type))
		return error_set(error, -ENOTSUP, "a VM cannot have virtio devices of type %u",
			config->type);
	if (config->queue_size == 0 || config->queue_size > VIRTIO_PCI_QUEUE_SIZE_MAX ||
		config->queue_size & (config->queue_size - 1))
		return error_set(error, -EINVAL, "queue size %u is not a power of two up to %u",
			config->queue_size, VIRTIO_PCI_QUEUE_SIZE_MAX);
	return 0;
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned larger(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

static int choose_queue_count(struct virtio_device *device, struct error *error)
{
	const struct virtio_type *type = device->type;
	const unsigned room = VIRTIO_PCI_QUEUES_MAX - (type->control_features != 0);
	const unsigned most = virtio_type_queue_count_max(
		type, device->link.connection.offered, smaller(device->link.queue_count_max, room));
	unsigned count = type->queues_each * device->config.queue_count;

	if (count == 0)
		count = smaller(most, type->queues_each * larger(device->config.vcpu_count, 1));
	if (count == 0 || count > most)
		return error_set(error, -ENOTSUP, "the back end has %u queues, not %u",
			device->link.queue_count_max, larger(count, type->queues_each));
	device->queue_count = count;
	device->has_control = virtio_type_has_control(type, count);
	return 0;
}

static int create_transport(struct virtio_device *device, struct error *error)
{
	const struct virtio_pci_config config = {
		.name = device->label,
		.type = device->type->id,
		.class_code = device->type->class_code,
		.features = virtio_device_features(device),
		.queue_count = device->queue_count + device->has_control,
		.queue_size_max = device->config.queue_size,
		.config_bytes = device->type->config_bytes,
		.wake_fd = device->wake_fd,
		.vm_fd = device->place.vm_fd,
		.memory = device->place.memory,
		.interrupts = device->place.interrupts,
	};
	int result = virtio_pci_init(&device->transport, &config, error);

	device->has_transport = result == 0;
	return result == 0 ? virtio_device_refresh_config(device, error) : result;
}

static int connect_first(struct virtio_device *device, struct error *error)
{
	int result = vhost_user_link_connect(&device->link, error);

	if (result == -ENOENT || result == -ECONNREFUSED)
		return error_set(error, result,
			"nobody listens on %s (%s); start sluiced, or add the %s to it with '%s'",
			device->config.socket_path, strerror(-result), device->type->noun,
			device->type->command);
	if (result == 0)
		virtio_device_set_connected(device, true);
	return result;
}

static int open_device(struct virtio_device *device, struct error *error)
{
	int result;

	device->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (device->wake_fd < 0)
		return error_set(error, -errno, "no eventfd: %s", strerror(errno));
	result = vhost_user_link_init(
		&device->link, device->config.socket_path, device->place.memory, error);
	device->has_link = result == 0;
	if (result == 0)
		result = connect_first(device, error);
	if (result == 0)
		result = choose_queue_count(device, error);
	if (result == 0)
		result = create_transport(device, error);
	if (result == 0)
		result = pci_bus_add(device->place.bus, &device->transport.function, error);
	device->is_on_bus = result == 0;
	if (result == 0)
		result = virtio_device_start_thread(device, error);
	return result;
}

int virtio_device_create(const struct virtio_device_config *config,
	const struct virtio_device_place *place, struct virtio_device **device, struct error *error)
{
	struct virtio_device *new_one;
	int result = check_config(config, error);

	if (result < 0)
		return error_prefix(error, result, "device '%s': ", config->name);
	new_one = calloc(1, sizeof *new_one);
	if (!new_one)
		return error_set(error, -ENOMEM, "device '%s': no memory for it", config->name);
	new_one->config = *config;
	new_one->place = *place;
	new_one->type = virtio_type_find(config->type);
	snprintf(new_one->label, sizeof new_one->label, "%s '%s'", new_one->type->noun,
		config->name);
	new_one->log.name = new_one->label;
	new_one->reconnect_ms = VIRTIO_DEVICE_RECONNECT_FIRST_MS;
	new_one->wake_fd = -1;
	sem_init(&new_one->ended, 0, 0);
	result = open_device(new_one, error);
	if (result < 0) {
		error_prefix(error, result, "%s: ", new_one->label);
		virtio_device_destroy(new_one);
		return result;
	}
	*device = new_one;
	return 0;
}

void virtio_device_destroy(struct virtio_device *device)
{
	virtio_device_end_thread(device);
	if (device->is_on_bus)
		pci_bus_remove(device->place.bus, &device->transport.function);
	if (device->has_link)
		vhost_user_link_release(&device->link);
	if (device->has_transport)
		virtio_pci_release(&device->transport);
	if (device->wake_fd >= 0)
		close(device->wake_fd);
	sem_destroy(&device->ended);
	free(device);
}

void virtio_device_statistics(
	const struct virtio_device *device, struct virtio_device_statistics *statistics)
{
	struct virtio_pci *transport = (struct virtio_pci *)&device->transport;

	*statistics = (struct virtio_device_statistics){
		.is_connected = __atomic_load_n(&device->is_connected, __ATOMIC_RELAXED),
		.reconnects = counter_get(&device->reconnects),
		.interrupts_masked = counter_get(&transport->msix.waited),
	};
	pthread_mutex_lock(&transport->lock);
	statistics->is_active = transport->state == VIRTIO_PCI_ACTIVE;
	statistics->needs_reset = transport->status & VIRTIO_CONFIG_S_NEEDS_RESET;
	pthread_mutex_unlock(&transport->lock);
}

const struct virtio_device_config *virtio_device_config(const struct virtio_device *device)
{
	return &device->config;
}
