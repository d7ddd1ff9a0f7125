#include "vmm/pci/virtio_pci.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/kvm_events.h"

#define VENDOR_ID 0x1af4u
#define DEVICE_ID_BASE 0x1040u /* and the device's type (4.1.2) */
#define REVISION 1u
#define ISR_CONFIGURATION 2u /* 4.1.4.5 */

void virtio_pci_ring(int event_fd)
{
	const uint64_t one = 1;

	/* Fails only when it has been rung 2^64 - 2 times already, which serves as well. */
	if (write(event_fd, &one, sizeof one) < 0)
		return;
}

/* ---- rings ---- */

/* The bytes of each part (2.7, 2.8). */
struct ring_bytes {
	uint64_t descriptors, driver, device;
};

static struct ring_bytes ring_bytes(const struct virtio_pci *transport, uint64_t size)
{
	if (transport->driver_features >> VIRTIO_F_RING_PACKED & 1)
		return (struct ring_bytes){16 * size, 4, 4};
	return (struct ring_bytes){16 * size, 6 + 2 * size, 6 + 8 * size};
}

static struct virtio_pci_ring ring_of(
	const struct virtio_pci *transport, const struct virtio_pci_queue *queue)
{
	const struct vm_memory *memory = transport->config.memory;
	const struct ring_bytes bytes = ring_bytes(transport, queue->size);

	return (struct virtio_pci_ring){
		.is_enabled = queue->is_enabled,
		.size = queue->size,
		.descriptors = vm_memory_at(memory, queue->descriptor_address, bytes.descriptors),
		.driver = vm_memory_at(memory, queue->driver_address, bytes.driver),
		.device = vm_memory_at(memory, queue->device_address, bytes.device),
		.kick_fd = queue->kick_fd,
		.call_fd = queue->vector == VIRTIO_MSI_NO_VECTOR
				   ? -1
				   : msix_vector_fd(&transport->msix, queue->vector),
	};
}

static void copy_rings(const struct virtio_pci *transport, struct virtio_pci_ring *rings)
{
	for (unsigned i = 0; i < transport->config.queue_count; i++)
		rings[i] = ring_of(transport, &transport->queues[i]);
}

static const char *check_ring(
	const struct virtio_pci *transport, const struct virtio_pci_queue *queue)
{
	const bool is_packed = transport->driver_features >> VIRTIO_F_RING_PACKED & 1;
	struct virtio_pci_ring ring;

	if (queue->size == 0 || queue->size > transport->config.queue_size_max)
		return "the driver has set a queue's size out of range";
	if (!is_packed && queue->size & (queue->size - 1))
		return "the driver has set a queue's size that is no power of two";
	if (queue->descriptor_address % 16 || queue->driver_address % (is_packed ? 4 : 2) ||
		queue->device_address % 4)
		return "the driver has set a queue's address that is not aligned";
	ring = ring_of(transport, queue);
	if (!ring.descriptors || !ring.driver || !ring.device)
		return "the driver has put a queue where there is no memory";
	return NULL;
}

const char *virtio_pci_check_rings(const struct virtio_pci *transport)
{
	const char *reason = NULL;

	for (unsigned i = 0; i < transport->config.queue_count && !reason; i++)
		if (transport->queues[i].is_enabled)
			reason = check_ring(transport, &transport->queues[i]);
	return reason;
}

/* ---- status ---- */

void virtio_pci_reset(struct virtio_pci *transport)
{
	transport->state = VIRTIO_PCI_IDLE;
	transport->device_feature_select = transport->driver_feature_select = 0;
	transport->driver_features = 0;
	transport->config_vector = VIRTIO_MSI_NO_VECTOR;
	transport->queue_select = 0;
	transport->status = 0;
	transport->isr = 0;
	transport->has_new_vectors = false;
	for (unsigned i = 0; i < transport->config.queue_count; i++)
		transport->queues[i] =
			(struct virtio_pci_queue){.size = transport->config.queue_size_max,
				.vector = VIRTIO_MSI_NO_VECTOR,
				.kick_fd = transport->queues[i].kick_fd};
}

/* Tell a driver that uses the device to look at its configuration and status. */
static void interrupt_for_configuration(struct virtio_pci *transport)
{
	if (!(transport->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	transport->isr |= ISR_CONFIGURATION;
	if (transport->config_vector != VIRTIO_MSI_NO_VECTOR)
		virtio_pci_ring(msix_vector_fd(&transport->msix, transport->config_vector));
}

void virtio_pci_need_reset(struct virtio_pci *transport, const char *reason)
{
	if (transport->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	transport->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	log_from(&transport->log, LOG_LEVEL_ERROR, "%s; the guest must reset the device", reason);
	interrupt_for_configuration(transport);
}

/* ---- ISR, configuration space, doorbells ---- */

/* Reading it clears it. */
static uint64_t read_isr(void *device, uint64_t offset, unsigned size_bytes)
{
	struct virtio_pci *transport = device;
	uint8_t value;

	pthread_mutex_lock(&transport->lock);
	value = transport->isr;
	transport->isr = 0;
	pthread_mutex_unlock(&transport->lock);
	return value;
}

static uint64_t read_device_config(void *device, uint64_t offset, unsigned size_bytes)
{
	struct virtio_pci *transport = device;
	uint64_t value = 0;

	pthread_mutex_lock(&transport->lock);
	memcpy(&value, transport->device_config + offset, size_bytes);
	pthread_mutex_unlock(&transport->lock);
	return value;
}

/* What KVM has not taken: a write to the middle of a doorbell, or by way of configuration space. */
static void write_doorbell(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	const struct virtio_pci *transport = device;

	virtio_pci_ring(transport->queues[offset / VIRTIO_PCI_DOORBELL_BYTES].kick_fd);
}

/* One that KVM does not take costs an exit when it is rung. */
static void mapped(void *device, enum pci_bar_index bar, uint64_t address)
{
	struct virtio_pci *transport = device;
	int result = 0;

	transport->doorbells_address = address + VIRTIO_PCI_DOORBELLS_AT;
	for (unsigned i = 0; i < transport->config.queue_count && result == 0; i++)
		result = kvm_events_set_doorbell(transport->config.vm_fd,
			transport->queues[i].kick_fd,
			transport->doorbells_address + (uint64_t)VIRTIO_PCI_DOORBELL_BYTES * i,
			true);
	if (result == 0)
		return;
	pthread_mutex_lock(&transport->lock);
	log_from(&transport->log, LOG_LEVEL_WARNING, "KVM does not take all doorbells: %s",
		strerror(-result));
	pthread_mutex_unlock(&transport->lock);
}

static void unmapped(void *device, enum pci_bar_index bar, uint64_t address)
{
	struct virtio_pci *transport = device;

	for (unsigned i = 0; i < transport->config.queue_count; i++)
		kvm_events_set_doorbell(transport->config.vm_fd, transport->queues[i].kick_fd,
			transport->doorbells_address + (uint64_t)VIRTIO_PCI_DOORBELL_BYTES * i,
			false);
	transport->doorbells_address = 0;
}

/* ---- access by configuration space (4.1.4.9) ---- */

static uint8_t *window_data(struct virtio_pci *transport)
{
	return transport->function.config + transport->window +
	       offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);
}

/* The registers that the window is set to, and the access to them; NULL if it is set to nothing. */
static const struct register_range *window_range(
	const struct virtio_pci *transport, uint64_t *offset, unsigned *size_bytes)
{
	const struct pci_function *function = &transport->function;
	const struct pci_range *found;
	struct virtio_pci_cap window;

	memcpy(&window, function->config + transport->window, sizeof window);
	if (window.bar != 0 || (window.length != 1 && window.length != 2 && window.length != 4) ||
		window.offset % window.length)
		return NULL;
	found = pci_function_find_range(function, window.offset, window.length);
	if (!found)
		return NULL;
	*offset = window.offset - found->offset;
	*size_bytes = window.length;
	return &found->range;
}

static bool is_window_access(
	const struct virtio_pci *transport, unsigned offset, unsigned size_bytes)
{
	const unsigned start =
		transport->window + (unsigned)offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

	return offset < start + 4 && start < offset + size_bytes;
}

static void will_read(void *device, unsigned offset, unsigned size_bytes)
{
	struct virtio_pci *transport = device;
	const struct register_range *range;
	uint64_t at, value;
	unsigned bytes;

	if (!is_window_access(transport, offset, size_bytes))
		return;
	range = window_range(transport, &at, &bytes);
	if (!range)
		return;
	value = range->read ? range->read(range->device, at, bytes) : UINT64_MAX;
	memcpy(window_data(transport), &value, bytes);
}

static void was_written(void *device, unsigned offset, unsigned size_bytes)
{
	struct virtio_pci *transport = device;
	const struct register_range *range;
	uint64_t at, value = 0;
	unsigned bytes;

	msix_config_written(&transport->msix, offset, size_bytes);
	if (!is_window_access(transport, offset, size_bytes))
		return;
	range = window_range(transport, &at, &bytes);
	if (!range || !range->write)
		return;
	memcpy(&value, window_data(transport), bytes);
	range->write(range->device, at, value, bytes);
}

static const struct pci_function_operations function_operations = {
	.will_read = will_read,
	.was_written = was_written,
	.mapped = mapped,
	.unmapped = unmapped,
};

/* ---- set-up ---- */

static void add_capability(
	struct virtio_pci *transport, uint8_t type, uint32_t offset, uint32_t length)
{
	struct virtio_pci_notify_cap capability = {
		.cap = {.cap_vndr = PCI_CAP_ID_VNDR,
			.cap_len = sizeof capability.cap,
			.cfg_type = type,
			.offset = offset,
			.length = length},
		.notify_off_multiplier = VIRTIO_PCI_DOORBELL_BYTES,
	};

	if (type == VIRTIO_PCI_CAP_NOTIFY_CFG)
		capability.cap.cap_len = sizeof capability;
	pci_function_add_capability(&transport->function, &capability, capability.cap.cap_len);
}

static void add_registers(struct virtio_pci *transport)
{
	const struct virtio_pci_config *config = &transport->config;
	const struct {
		uint8_t capability;
		uint32_t offset;
		struct register_range range;
	} all[] = {
		{VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_COMMON_AT,
			{.kind = REGISTER_VIRTIO_COMMON,
				.size_bytes = sizeof(struct virtio_pci_common_cfg),
				.read = virtio_pci_read_common,
				.write = virtio_pci_write_common}},
		{VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_ISR_AT,
			{.kind = REGISTER_VIRTIO_STATUS, .size_bytes = 4, .read = read_isr}},
		{VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_CONFIG_AT,
			{.kind = REGISTER_VIRTIO_CONFIG,
				.size_bytes = config->config_bytes,
				.read = read_device_config}},
		{VIRTIO_PCI_CAP_NOTIFY_CFG, VIRTIO_PCI_DOORBELLS_AT,
			{.kind = REGISTER_VIRTIO_DOORBELL,
				.size_bytes =
					(uint64_t)VIRTIO_PCI_DOORBELL_BYTES * config->queue_count,
				.write = write_doorbell}},
	};

	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		struct register_range range = all[i].range;

		range.device = transport;
		pci_function_add_range(&transport->function, PCI_BAR_0, &range, all[i].offset);
		add_capability(
			transport, all[i].capability, all[i].offset, (uint32_t)range.size_bytes);
	}
}

static void add_window(struct virtio_pci *transport)
{
	const struct virtio_pci_cfg_cap capability = {.cap = {.cap_vndr = PCI_CAP_ID_VNDR,
							      .cap_len = sizeof capability,
							      .cfg_type = VIRTIO_PCI_CAP_PCI_CFG}};
	uint8_t *writable;

	transport->window =
		pci_function_add_capability(&transport->function, &capability, sizeof capability);
	writable = transport->function.writable + transport->window;
	writable[VIRTIO_PCI_CAP_BAR] = 0xff;
	memset(writable + VIRTIO_PCI_CAP_OFFSET, 0xff, sizeof capability - VIRTIO_PCI_CAP_OFFSET);
}

static int open_doorbells(struct virtio_pci *transport, struct error *error)
{
	for (unsigned i = 0; i < transport->config.queue_count; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return error_set(
				error, -errno, "no eventfd for a queue: %s", strerror(errno));
		transport->queues[i].kick_fd = fd;
	}
	return 0;
}

static void init_function(struct virtio_pci *transport)
{
	const struct pci_identity identity = {.vendor = VENDOR_ID,
		.device = (uint16_t)(DEVICE_ID_BASE + transport->config.type),
		.class_code = transport->config.class_code,
		.revision = REVISION,
		.subsystem_vendor = VENDOR_ID,
		.subsystem = (uint16_t)(DEVICE_ID_BASE + transport->config.type)};

	pci_function_init(&transport->function, &identity, &function_operations, transport);
	pci_function_add_bar(&transport->function, PCI_BAR_0, VIRTIO_PCI_BAR_BYTES);
	add_registers(transport);
	add_window(transport);
}

int virtio_pci_init(
	struct virtio_pci *transport, const struct virtio_pci_config *config, struct error *error)
{
	static const uint32_t msix_offsets[] = {VIRTIO_PCI_TABLE_AT, VIRTIO_PCI_PENDING_AT};
	int result;

	memset(transport, 0, sizeof *transport);
	transport->config = *config;
	transport->log.name = config->name;
	pthread_mutex_init(&transport->lock, NULL);
	for (unsigned i = 0; i < VIRTIO_PCI_QUEUES_MAX; i++)
		transport->queues[i].kick_fd = -1;
	init_function(transport);
	result = open_doorbells(transport, error);
	if (result == 0)
		result = msix_init(&transport->msix, config->interrupts, &transport->function,
			config->queue_count + 1, msix_offsets, error);
	if (result < 0)
		virtio_pci_release(transport);
	else
		virtio_pci_reset(transport);
	return result;
}

void virtio_pci_release(struct virtio_pci *transport)
{
	msix_release(&transport->msix);
	for (unsigned i = 0; i < transport->config.queue_count; i++)
		if (transport->queues[i].kick_fd >= 0)
			close(transport->queues[i].kick_fd);
	pthread_mutex_destroy(&transport->lock);
}

/* ---- for the device's thread ---- */

enum virtio_pci_state virtio_pci_state(struct virtio_pci *transport)
{
	enum virtio_pci_state state;

	pthread_mutex_lock(&transport->lock);
	state = transport->state;
	pthread_mutex_unlock(&transport->lock);
	return state;
}

bool virtio_pci_begin_service(struct virtio_pci *transport, struct virtio_pci_service *service)
{
	bool is_active;

	pthread_mutex_lock(&transport->lock);
	is_active = transport->state == VIRTIO_PCI_ACTIVE;
	if (is_active) {
		transport->is_served = true;
		transport->has_new_vectors = false;
		service->number = transport->services;
		service->features = transport->driver_features;
		copy_rings(transport, service->rings);
	}
	pthread_mutex_unlock(&transport->lock);
	return is_active;
}

void virtio_pci_end_service(struct virtio_pci *transport)
{
	pthread_mutex_lock(&transport->lock);
	transport->is_served = false;
	if (transport->state == VIRTIO_PCI_RESETTING)
		virtio_pci_reset(transport);
	pthread_mutex_unlock(&transport->lock);
}

void virtio_pci_rings(struct virtio_pci *transport, struct virtio_pci_ring *rings)
{
	pthread_mutex_lock(&transport->lock);
	copy_rings(transport, rings);
	pthread_mutex_unlock(&transport->lock);
}

bool virtio_pci_take_new_vectors(struct virtio_pci *transport)
{
	bool are_new;

	pthread_mutex_lock(&transport->lock);
	are_new = transport->has_new_vectors;
	transport->has_new_vectors = false;
	pthread_mutex_unlock(&transport->lock);
	return are_new;
}

void virtio_pci_fail(struct virtio_pci *transport, const char *reason)
{
	pthread_mutex_lock(&transport->lock);
	if (transport->state == VIRTIO_PCI_ACTIVE)
		virtio_pci_need_reset(transport, reason);
	pthread_mutex_unlock(&transport->lock);
}

void virtio_pci_set_device_config(struct virtio_pci *transport, const uint8_t *bytes)
{
	pthread_mutex_lock(&transport->lock);
	if (memcmp(transport->device_config, bytes, transport->config.config_bytes) != 0) {
		memcpy(transport->device_config, bytes, transport->config.config_bytes);
		transport->generation++;
		interrupt_for_configuration(transport);
	}
	pthread_mutex_unlock(&transport->lock);
}
