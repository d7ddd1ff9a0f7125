/*
 * A virtio device on the PCI bus (virtio 1.2, 4.1: modern, MSI-X only) whose virtqueues a vhost-user back end
 * serves: sluiced, or any other.
 *
 * Theory of operation. The transport (virtio_pci.h) is registers: it answers from what it knows and never
 * waits. The conversation with the back end is this device's thread's, which sleeps in poll: it connects
 * before the guest starts, sets up rings when the driver says DRIVER_OK, stops them when it resets
 * (the driver sees status 0 when that is done), passes on changes of configuration space, and when the back
 * end has gone it connects again, for ever, and goes on where the in-flight region says (block devices), so
 * that a daemon that was killed or upgraded costs the guest a pause. Kicks and calls never pass here: the
 * doorbell's eventfd and the message's eventfd are given to the back end.
 *
 * A NIC with more than one pair of queues has a control queue besides, which no back end knows: the thread
 * serves it (net_control.h), with or without a back end, since drivers wait for its answers without end. What
 * the driver has said there is told to a back end that takes over, and forgotten when the driver begins anew.
 */
#ifndef SLUICE_VMM_PCI_VIRTIO_DEVICE_H
#define SLUICE_VMM_PCI_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/interrupts.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/vm_memory.h"

#define VIRTIO_DEVICE_NAME_BYTES 64u
#define VIRTIO_DEVICE_QUEUE_SIZE_DEFAULT 256u

struct virtio_device_config {
	char name[VIRTIO_DEVICE_NAME_BYTES]; /* as in log lines */
	uint16_t type;			     /* VIRTIO_ID_BLOCK, VIRTIO_ID_NET */
	char socket_path[108];
	/* A NIC's are pairs. 0: one for each vCPU, as far as the back end has them. */
	unsigned queue_count;
	uint16_t queue_size; /* a power of two up to VIRTIO_PCI_QUEUE_SIZE_MAX */
	unsigned vcpu_count;
};

/* What a device works with; all outlive it. */
struct virtio_device_place {
	int vm_fd;
	const struct vm_memory *memory;
	struct interrupts *interrupts;
	struct pci_bus *bus;
};

struct virtio_device;

struct virtio_device_statistics {
	bool is_connected; /* to its back end */
	bool is_active;	   /* the driver uses it */
	bool needs_reset;
	uint64_t reconnects;
	uint64_t interrupts_masked; /* asked for while masked */
};

/*
 * Connect to the back end, learn what it offers, and put the function on the bus. Before vCPUs run.
 *
 * Returns 0, -ENOENT or -ECONNREFUSED if nobody listens (`error` names the disk or NIC and the mend), other
 * negative errnos.
 */
int virtio_device_create(const struct virtio_device_config *config,
	const struct virtio_device_place *place, struct virtio_device **device,
	struct error *error);

/* Stop the rings, disconnect, leave the bus. While no vCPU runs. */
void virtio_device_destroy(struct virtio_device *device);

void virtio_device_statistics(
	const struct virtio_device *device, struct virtio_device_statistics *statistics);
const struct virtio_device_config *virtio_device_config(const struct virtio_device *device);

#endif
