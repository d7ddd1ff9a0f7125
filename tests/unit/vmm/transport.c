#include "transport.h"

#include <linux/virtio_ids.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../cmocka_all.h"

struct guest guest;
struct virtio_pci transport;
struct virtio_driver driver;
int wake_fd;

int transport_set_up(void **state)
{
	struct error error;
	struct virtio_pci_config config = {
		.name = "disk 'test'",
		.type = VIRTIO_ID_BLOCK,
		.class_code = 0x010000,
		.features = OFFERED,
		.queue_count = QUEUES,
		.queue_size_max = QUEUE_SIZE,
		.config_bytes = CONFIG_BYTES,
		.vm_fd = -1,
	};

	guest_create(&guest);
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	config.wake_fd = wake_fd;
	config.memory = &guest.memory;
	config.interrupts = guest.interrupts;
	assert_int_equal(virtio_pci_init(&transport, &config, &error), 0);
	assert_int_equal(pci_bus_add(guest.bus, &transport.function, &error), 0);
	virtio_driver_find(&driver, &guest, 1);
	return 0;
}

int transport_tear_down(void **state)
{
	pci_bus_remove(guest.bus, &transport.function);
	assert_int_equal(kvm_double.doorbell_count, 0);
	virtio_pci_release(&transport);
	for (unsigned i = 0; i < KVM_DOUBLE_GSI_COUNT; i++)
		assert_int_equal(kvm_double.event_fds[i], -1);
	close(wake_fd);
	guest_destroy(&guest);
	return 0;
}

bool is_rung(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof count) == sizeof count;
}

struct virtio_driver_queue good_queue(unsigned index)
{
	const uint64_t base = 0x100000 + index * 0x10000;

	return (struct virtio_driver_queue){.size = 128,
		.vector = (uint16_t)(index + 1),
		.descriptors = base,
		.driver = base + 0x2000,
		.device = base + 0x4000};
}

void transport_activate(void)
{
	assert_true(virtio_driver_negotiate(&driver, OFFERED & ~FEATURE(VIRTIO_F_RING_PACKED)));
	for (unsigned i = 0; i < QUEUES; i++) {
		const struct virtio_driver_queue queue = good_queue(i);

		virtio_driver_set_queue(&driver, (uint16_t)i, &queue, true);
	}
	virtio_driver_set_status(&driver, DRIVER_OK);
}

uint64_t get_common(unsigned offset, unsigned size_bytes)
{
	return guest_read(&guest, driver.common + offset, size_bytes);
}

void set_common(unsigned offset, unsigned size_bytes, uint64_t value)
{
	guest_write(&guest, driver.common + offset, size_bytes, value);
}

uint32_t gsi_of(unsigned vector)
{
	return LAYOUT_GSI_COUNT + transport.msix.vectors[vector].message;
}
