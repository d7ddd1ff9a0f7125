/* Common configuration of virtio over PCI (virtio 1.2, 4.1.4.3), and the device's status (2.1). */
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <string.h>

#include "vmm/pci/virtio_pci.h"

struct common_field {
	uint8_t offset;
	uint8_t size_bytes;
	uint32_t (*read)(const struct virtio_pci *transport, const struct common_field *field);
	void (*write)(
		struct virtio_pci *transport, const struct common_field *field, uint32_t value);
	size_t member; /* of a queue: where the field is in struct virtio_pci_queue */
};

/* ---- features ---- */

static uint32_t half_of(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static uint32_t read_device_feature_select(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return transport->device_feature_select;
}

static void write_device_feature_select(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	transport->device_feature_select = value;
}

static uint32_t read_device_feature(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return half_of(transport->config.features, transport->device_feature_select);
}

static uint32_t read_driver_feature_select(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return transport->driver_feature_select;
}

static void write_driver_feature_select(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	transport->driver_feature_select = value;
}

static uint32_t read_driver_feature(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return half_of(transport->driver_features, transport->driver_feature_select);
}

static void write_driver_feature(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	const uint32_t shift = 32 * transport->driver_feature_select;

	if (transport->driver_feature_select >= 2 ||
		transport->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	transport->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	transport->driver_features |= (uint64_t)value << shift;
}

static bool are_features_acceptable(const struct virtio_pci *transport)
{
	return !(transport->driver_features & ~transport->config.features) &&
	       transport->driver_features >> VIRTIO_F_VERSION_1 & 1;
}

/* ---- status ---- */

static uint32_t read_status(const struct virtio_pci *transport, const struct common_field *field)
{
	return transport->status;
}

static void begin_reset(struct virtio_pci *transport)
{
	if (!transport->is_served) {
		virtio_pci_reset(transport);
		return;
	}
	transport->state = VIRTIO_PCI_RESETTING;
	virtio_pci_ring(transport->config.wake_fd);
}

static void activate(struct virtio_pci *transport)
{
	const char *reason = NULL;

	if (!(transport->status & VIRTIO_CONFIG_S_FEATURES_OK))
		reason = "the driver has not negotiated features";
	else
		reason = virtio_pci_check_rings(transport);
	if (reason) {
		virtio_pci_need_reset(transport, reason);
		return;
	}
	transport->state = VIRTIO_PCI_ACTIVE;
	transport->services++;
	virtio_pci_ring(transport->config.wake_fd);
}

/* Bits are only ever added; a driver that wants less resets. */
static void write_status(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	uint8_t added = (uint8_t)(value & ~(uint32_t)transport->status &
				  ~(uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET);

	if (value == 0) {
		begin_reset(transport);
		return;
	}
	if (added & VIRTIO_CONFIG_S_FEATURES_OK && !are_features_acceptable(transport))
		added &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	transport->status |= added;
	if (added & VIRTIO_CONFIG_S_DRIVER_OK)
		activate(transport);
}

/* ---- vectors ---- */

static uint16_t vector_of(const struct virtio_pci *transport, uint32_t value)
{
	return value < transport->msix.vector_count ? (uint16_t)value : VIRTIO_MSI_NO_VECTOR;
}

static uint32_t read_config_vector(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return transport->config_vector;
}

static void write_config_vector(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	transport->config_vector = vector_of(transport, value);
}

/* ---- the device ---- */

static uint32_t read_queue_count(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return transport->config.queue_count;
}

static uint32_t read_generation(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return transport->generation;
}

/* ---- the selected queue ---- */

static uint32_t read_queue_select(
	const struct virtio_pci *transport, const struct common_field *field)
{
	return transport->queue_select;
}

static void write_queue_select(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	transport->queue_select = (uint16_t)value;
}

/* NULL: there is no such queue, which the driver knows by its size of 0. */
static struct virtio_pci_queue *selected(const struct virtio_pci *transport)
{
	if (transport->queue_select >= transport->config.queue_count)
		return NULL;
	return (struct virtio_pci_queue *)&transport->queues[transport->queue_select];
}

/* A queue is set up before it is enabled, and that before the device is used. */
static struct virtio_pci_queue *changeable(const struct virtio_pci *transport)
{
	struct virtio_pci_queue *queue = selected(transport);

	if (!queue || queue->is_enabled || transport->status & VIRTIO_CONFIG_S_DRIVER_OK)
		return NULL;
	return queue;
}

static uint32_t read_queue(const struct virtio_pci *transport, const struct common_field *field)
{
	const struct virtio_pci_queue *queue = selected(transport);
	uint32_t value = 0;

	if (queue)
		memcpy(&value, (const char *)queue + field->member, field->size_bytes);
	return value;
}

static void write_queue(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	struct virtio_pci_queue *queue = changeable(transport);

	if (queue)
		memcpy((char *)queue + field->member, &value, field->size_bytes);
}

static uint32_t read_queue_vector(
	const struct virtio_pci *transport, const struct common_field *field)
{
	const struct virtio_pci_queue *queue = selected(transport);

	return queue ? queue->vector : VIRTIO_MSI_NO_VECTOR;
}

static void write_queue_vector(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	struct virtio_pci_queue *queue = selected(transport);

	if (!queue)
		return;
	queue->vector = vector_of(transport, value);
	if (transport->state != VIRTIO_PCI_ACTIVE)
		return;
	transport->has_new_vectors = true;
	virtio_pci_ring(transport->config.wake_fd);
}

static uint32_t read_queue_enable(
	const struct virtio_pci *transport, const struct common_field *field)
{
	const struct virtio_pci_queue *queue = selected(transport);

	return queue && queue->is_enabled;
}

static void write_queue_enable(
	struct virtio_pci *transport, const struct common_field *field, uint32_t value)
{
	struct virtio_pci_queue *queue = changeable(transport);

	if (queue && value == 1)
		queue->is_enabled = true;
}

static uint32_t read_doorbell(const struct virtio_pci *transport, const struct common_field *field)
{
	return selected(transport) ? transport->queue_select : 0;
}

/* ---- the table ---- */

#define QUEUE_MEMBER(name) offsetof(struct virtio_pci_queue, name)

static const struct common_field common_fields[] = {
	{VIRTIO_PCI_COMMON_DFSELECT, 4, read_device_feature_select, write_device_feature_select, 0},
	{VIRTIO_PCI_COMMON_DF, 4, read_device_feature, NULL, 0},
	{VIRTIO_PCI_COMMON_GFSELECT, 4, read_driver_feature_select, write_driver_feature_select, 0},
	{VIRTIO_PCI_COMMON_GF, 4, read_driver_feature, write_driver_feature, 0},
	{VIRTIO_PCI_COMMON_MSIX, 2, read_config_vector, write_config_vector, 0},
	{VIRTIO_PCI_COMMON_NUMQ, 2, read_queue_count, NULL, 0},
	{VIRTIO_PCI_COMMON_STATUS, 1, read_status, write_status, 0},
	{VIRTIO_PCI_COMMON_CFGGENERATION, 1, read_generation, NULL, 0},
	{VIRTIO_PCI_COMMON_Q_SELECT, 2, read_queue_select, write_queue_select, 0},
	{VIRTIO_PCI_COMMON_Q_SIZE, 2, read_queue, write_queue, QUEUE_MEMBER(size)},
	{VIRTIO_PCI_COMMON_Q_MSIX, 2, read_queue_vector, write_queue_vector, 0},
	{VIRTIO_PCI_COMMON_Q_ENABLE, 2, read_queue_enable, write_queue_enable, 0},
	{VIRTIO_PCI_COMMON_Q_NOFF, 2, read_doorbell, NULL, 0},
	{VIRTIO_PCI_COMMON_Q_DESCLO, 4, read_queue, write_queue, QUEUE_MEMBER(descriptor_address)},
	{VIRTIO_PCI_COMMON_Q_DESCHI, 4, read_queue, write_queue,
		QUEUE_MEMBER(descriptor_address) + 4},
	{VIRTIO_PCI_COMMON_Q_AVAILLO, 4, read_queue, write_queue, QUEUE_MEMBER(driver_address)},
	{VIRTIO_PCI_COMMON_Q_AVAILHI, 4, read_queue, write_queue, QUEUE_MEMBER(driver_address) + 4},
	{VIRTIO_PCI_COMMON_Q_USEDLO, 4, read_queue, write_queue, QUEUE_MEMBER(device_address)},
	{VIRTIO_PCI_COMMON_Q_USEDHI, 4, read_queue, write_queue, QUEUE_MEMBER(device_address) + 4},
};

/* Drivers access each field by its own size, and those of 64 bits by halves (4.1.3.1). */
static const struct common_field *find_field(uint64_t offset, unsigned size_bytes)
{
	for (size_t i = 0; i < sizeof common_fields / sizeof *common_fields; i++)
		if (common_fields[i].offset == offset && common_fields[i].size_bytes == size_bytes)
			return &common_fields[i];
	return NULL;
}

static uint64_t read_field(struct virtio_pci *transport, uint64_t offset, unsigned size_bytes)
{
	const struct common_field *field = find_field(offset, size_bytes);

	return field ? field->read(transport, field) : 0;
}

static void write_field(
	struct virtio_pci *transport, uint64_t offset, uint32_t value, unsigned size_bytes)
{
	const struct common_field *field = find_field(offset, size_bytes);

	/* A driver in its right mind only waits while the device is being reset. */
	if (field && field->write && transport->state != VIRTIO_PCI_RESETTING)
		field->write(transport, field, value);
}

/* An access of 64 bits is two of 32. */
uint64_t virtio_pci_read_common(void *device, uint64_t offset, unsigned size_bytes)
{
	struct virtio_pci *transport = device;
	uint64_t value;

	pthread_mutex_lock(&transport->lock);
	value = read_field(transport, offset, size_bytes == 8 ? 4 : size_bytes);
	if (size_bytes == 8)
		value |= read_field(transport, offset + 4, 4) << 32;
	pthread_mutex_unlock(&transport->lock);
	return value;
}

void virtio_pci_write_common(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	struct virtio_pci *transport = device;

	pthread_mutex_lock(&transport->lock);
	write_field(transport, offset, (uint32_t)value, size_bytes == 8 ? 4 : size_bytes);
	if (size_bytes == 8)
		write_field(transport, offset + 4, (uint32_t)(value >> 32), 4);
	pthread_mutex_unlock(&transport->lock);
}
