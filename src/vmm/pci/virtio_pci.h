/*
 * Virtio over PCI (virtio 1.2, 4.1): the registers of a device, modern ones only, with MSI-X and no INTx.
 *
 * Theory of operation. Two threads use this: whoever handles exits, for the guest's driver, and the device's
 * own, which speaks to the back end (virtio_device.h). A lock, held for a few instructions, is between them. The
 * driver's writes are kept and answered here; when it says DRIVER_OK all that it has said is checked at once, and
 * the transport becomes active: from then on nothing but interrupt vectors can change. A reset takes, if
 * somebody serves the rings, until the device's thread has stopped that (virtio_pci_end_service), and the driver,
 * which waits for status 0, sees the old one until then. Whenever there is something to do for the thread, its eventfd is rung.
 *
 * A driver that has set up nonsense gets NEEDS_RESET (2.1.2) and a line in the log.
 *
 * Doorbells are eventfds, one per queue, the same all the time: KVM writes to them without an exit where the
 * guest has its notification registers, and they are what a back end gets to be kicked with.
 */
#ifndef SLUICE_VMM_PCI_VIRTIO_PCI_H
#define SLUICE_VMM_PCI_VIRTIO_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/log_source.h"
#include "vmm/interrupts.h"
#include "vmm/pci/msix.h"
#include "vmm/pci/pci_function.h"
#include "vmm/vm_memory.h"

#define VIRTIO_PCI_QUEUES_MAX 64u
#define VIRTIO_PCI_QUEUE_SIZE_MAX 1024u
#define VIRTIO_PCI_CONFIG_BYTES_MAX 256u

/* The registers, each kind in a page of its own behind the base address register. */
#define VIRTIO_PCI_COMMON_AT 0x0000u
#define VIRTIO_PCI_ISR_AT 0x1000u
#define VIRTIO_PCI_CONFIG_AT 0x2000u
#define VIRTIO_PCI_DOORBELLS_AT 0x3000u
#define VIRTIO_PCI_TABLE_AT 0x4000u
#define VIRTIO_PCI_PENDING_AT 0x5000u
#define VIRTIO_PCI_BAR_BYTES 0x8000u
#define VIRTIO_PCI_DOORBELL_BYTES 4u /* from one queue's to the next's */

struct virtio_pci_config {
	const char *name; /* in log lines; outlives the transport */
	uint16_t type;
	uint32_t class_code;
	uint64_t features; /* offered to the driver */
	unsigned queue_count;
	uint16_t queue_size_max; /* a power of two */
	uint32_t config_bytes;	 /* of the device's configuration space */
	int wake_fd;		 /* of the device's thread */
	int vm_fd;
	const struct vm_memory *memory;
	struct interrupts *interrupts;
};

struct virtio_pci_queue {
	uint16_t size;
	uint16_t vector;
	bool is_enabled;
	uint64_t descriptor_address, driver_address, device_address; /* guest-physical */
	int kick_fd;
};

enum virtio_pci_state {
	VIRTIO_PCI_IDLE,      /* the rings are the driver's to set up */
	VIRTIO_PCI_ACTIVE,    /* the rings are to be served */
	VIRTIO_PCI_RESETTING, /* they are not any more; the driver waits until nobody does */
};

struct virtio_pci {
	struct virtio_pci_config config;
	struct pci_function function;
	struct msix msix;
	uint8_t window;		    /* the capability for access by configuration space */
	uint64_t doorbells_address; /* where KVM listens for writes; 0: nowhere */

	pthread_mutex_t lock; /* of all below */
	enum virtio_pci_state state;
	bool is_served;	   /* somebody may be using the rings */
	uint64_t services; /* that drivers have begun */
	struct log_source log;
	uint32_t device_feature_select, driver_feature_select;
	uint64_t driver_features;
	uint16_t config_vector;
	uint16_t queue_select;
	uint8_t status;
	uint8_t isr;
	uint8_t generation;
	bool has_new_vectors;
	uint8_t device_config[VIRTIO_PCI_CONFIG_BYTES_MAX];
	struct virtio_pci_queue queues[VIRTIO_PCI_QUEUES_MAX];
};

/* A ring as a back end is to know it: where its parts are in this process. */
struct virtio_pci_ring {
	bool is_enabled;
	uint16_t size;
	void *descriptors, *driver, *device;
	int kick_fd;
	int call_fd; /* -1: the driver wants no interrupt */
};

/* Returns 0 or a negative errno with `error` set. The function is not on a bus yet. */
int virtio_pci_init(
	struct virtio_pci *transport, const struct virtio_pci_config *config, struct error *error);

/* Not on a bus any more. */
void virtio_pci_release(struct virtio_pci *transport);

/* ---- for the device's thread ---- */

enum virtio_pci_state virtio_pci_state(struct virtio_pci *transport);

/* What the driver has set up. */
struct virtio_pci_service {
	uint64_t number;   /* another each time that a driver begins */
	uint64_t features; /* that it has accepted */
	struct virtio_pci_ring
		rings[VIRTIO_PCI_QUEUES_MAX]; /* those that are enabled are within RAM */
};

/*
 * If the transport is active, learn what is to be served, and be waited for by a reset from now on. Returns
 * false if there is nothing to serve.
 */
bool virtio_pci_begin_service(struct virtio_pci *transport, struct virtio_pci_service *service);

/* Nobody serves the rings any more; a driver that waits for a reset finds status 0. */
void virtio_pci_end_service(struct virtio_pci *transport);

/* The rings as they are now, of an active transport. */
void virtio_pci_rings(struct virtio_pci *transport, struct virtio_pci_ring *rings);

/* Has the driver changed vectors since this was last asked? Then some of the rings' call_fd are others. */
bool virtio_pci_take_new_vectors(struct virtio_pci *transport);

/* The device cannot go on: the driver finds NEEDS_RESET. */
void virtio_pci_fail(struct virtio_pci *transport, const char *reason);

/* New content of configuration space, config_bytes of it; the driver is told if it is different. */
void virtio_pci_set_device_config(struct virtio_pci *transport, const uint8_t *bytes);

/* ---- shared by its files; with the lock held where nothing else is said ---- */

/* Of common configuration (4.1.4.3). No lock held. */
uint64_t virtio_pci_read_common(void *device, uint64_t offset, unsigned size_bytes);
void virtio_pci_write_common(void *device, uint64_t offset, uint64_t value, unsigned size_bytes);

/* Back to how the driver found the device. */
void virtio_pci_reset(struct virtio_pci *transport);

/* Set NEEDS_RESET and say why. */
void virtio_pci_need_reset(struct virtio_pci *transport, const char *reason);

/* Are the enabled rings such that a back end can be given them? If not, why. */
const char *virtio_pci_check_rings(const struct virtio_pci *transport);

/* Ring an eventfd. No lock needed. */
void virtio_pci_ring(int event_fd);

#endif
