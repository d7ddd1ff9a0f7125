/*
 * A machine with one virtio device, the disk 'gold', which a back end in this process serves through vhost-user;
 * and a driver that reads and writes it.
 */
#ifndef SLUICE_TESTS_GOLD_DISK_H
#define SLUICE_TESTS_GOLD_DISK_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>

#include "disk/disk.h"
#include "virtio/driver_ring.h"
#include "virtio_driver.h"
#include "vmm/pci/virtio_device.h"

#define DISK_BYTES (4u << 20)
#define QUEUES 2u
#define DATA_AT 0x400000u
#define FEATURE(bit) (1ull << (bit))
#define DRIVER_OK                                                                             \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)

struct gold {
	struct sidecore *sidecore;
	struct pool *pool;
	struct disk *disk; /* NULL: nobody serves the device */
	struct disk_config disk_config;
	struct guest guest;
	struct virtio_device *device;
	struct virtio_driver driver;
	struct driver_ring rings[QUEUES];
};

extern struct gold gold;

/* All of it, the device found but not set up; for cmocka. */
int gold_set_up(void **state);
int gold_tear_down(void **state);

void gold_create_pool(void);
void gold_destroy_pool(void);
void gold_create_disk(void);
void gold_lose_disk(void); /* destroys it, and waits until the device has noticed */
int gold_create_device(struct error *error);

/* Set the device up, with both rings, and a vector for each and for changes of configuration. */
void gold_activate(uint64_t features);
void gold_set_up_ring(unsigned index, uint64_t features);
void gold_free_rings(void);

/* One request of 4 KiB at a time in each queue; its data are at gold_memory() + 4096. */
uint8_t *gold_memory(unsigned queue);
void gold_send(unsigned queue, uint32_t type, uint64_t sector);
uint8_t gold_wait_for_status(unsigned queue);
uint8_t gold_request(unsigned queue, uint32_t type, uint64_t sector);

/* How often a vector was raised since this was last asked. */
unsigned gold_interrupts(unsigned vector);
void gold_wait_for_interrupt(unsigned vector);
void gold_wait_for_connection(bool is_connected);

#endif
