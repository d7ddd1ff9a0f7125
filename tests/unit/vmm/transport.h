/*
 * The registers of a virtio device with three queues, on a bus, found by a driver; the test is in the place of the
 * device's thread.
 */
#ifndef SLUICE_TESTS_TRANSPORT_H
#define SLUICE_TESTS_TRANSPORT_H

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "virtio_driver.h"
#include "vmm/pci/virtio_pci.h"

#define QUEUES 3u
#define QUEUE_SIZE 256u
#define CONFIG_BYTES 60u
#define FEATURE(bit) (1ull << (bit))
#define OFFERED                                                        \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED) | \
		FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(3))
#define DRIVER_OK                                                                             \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)

extern struct guest guest;
extern struct virtio_pci transport;
extern struct virtio_driver driver;
extern int wake_fd; /* of the device's thread */

/* For cmocka. The second finds that nothing is left in KVM. */
int transport_set_up(void **state);
int transport_tear_down(void **state);

/* Set up all queues as good_queue() says, and say DRIVER_OK. */
void transport_activate(void);
struct virtio_driver_queue good_queue(unsigned index);

/* Has the eventfd been rung since this was last asked? */
bool is_rung(int fd);

/* Fields of common configuration. */
uint64_t get_common(unsigned offset, unsigned size_bytes);
void set_common(unsigned offset, unsigned size_bytes, uint64_t value);

/* The interrupt that a vector is to KVM. */
uint32_t gsi_of(unsigned vector);

#endif
