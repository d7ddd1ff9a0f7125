/*
 * A virtio device's own: what its creation (virtio_device.c), its thread (virtio_device_thread.c) and that one's
 * serving of the control queue (virtio_device_control.c) share.
 */
#ifndef SLUICE_VMM_PCI_VIRTIO_DEVICE_PRIVATE_H
#define SLUICE_VMM_PCI_VIRTIO_DEVICE_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>

#include "base/log_source.h"
#include "vmm/pci/net_control.h"
#include "vmm/pci/vhost_user_link.h"
#include "vmm/pci/virtio_device.h"
#include "vmm/pci/virtio_pci.h"
#include "vmm/pci/virtio_type.h"

#define VIRTIO_DEVICE_RECONNECT_FIRST_MS 10
#define VIRTIO_DEVICE_RECONNECT_MS_MAX 1000

struct virtio_device {
	struct virtio_device_config config;
	struct virtio_device_place place;
	const struct virtio_type *type;
	char label[VIRTIO_DEVICE_NAME_BYTES + 16]; /* "disk 'gold'" */
	unsigned queue_count; /* of the back end; a control queue comes after them */
	bool has_control;     /* queue */
	struct virtio_pci transport;
	bool has_link, has_transport;
	bool is_on_bus;

	/* The thread's; before it starts, the creator's. */
	struct vhost_user_link link;
	struct log_source log;
	bool is_started;       /* the back end that is connected serves the rings */
	unsigned ring_count;   /* if so: of those that the driver could set up for it */
	unsigned served_count; /* and so many of the first of them */
	uint64_t service;      /* of the transport: which one the in-flight region is of */
	struct net_control control;
	uint64_t control_service; /* which one that is of */
	bool is_loss_logged, is_refusal_logged;
	int reconnect_ms;

	pthread_t thread;
	bool has_thread;
	sem_t ended; /* posted by the thread as its last act */
	int wake_fd;
	bool is_stopping; /* atomic */

	/* Atomic, for statistics. */
	bool is_connected;
	uint64_t reconnects;
};

/* What a driver may be offered of what the back end that is connected has. */
uint64_t virtio_device_features(const struct virtio_device *device);

/* Ask the back end for configuration space, and show it to the driver. Returns 0 or a negative errno. */
int virtio_device_refresh_config(struct virtio_device *device, struct error *error);

void virtio_device_set_connected(struct virtio_device *device, bool is_connected);

/* Read an eventfd, so that poll finds it when it is rung again. */
void virtio_device_drain(int event_fd);

/* ---- the control queue, if there is one ---- */

/* Of a service that has begun: if a driver's that is new, its control queue is served from now on. */
void virtio_device_begin_control(
	struct virtio_device *device, const struct virtio_pci_service *service);

/* How many rings are the back end's, and how many of those the driver wants served. */
unsigned virtio_device_ring_count(const struct virtio_device *device, uint64_t features);
unsigned virtio_device_served_count(const struct virtio_device *device);

/* What to poll: the doorbell, or -1. */
int virtio_device_control_fd(const struct virtio_device *device);

/*
 * Do what the driver commands, a few of them; with or without a back end. Returns 0, or a negative errno: then
 * the back end is lost.
 */
int virtio_device_serve_control(struct virtio_device *device, struct error *error);

/* ---- the thread ---- */

/* End: stop the rings, within a few seconds; harmless if there is no thread. */
int virtio_device_start_thread(struct virtio_device *device, struct error *error);
void virtio_device_end_thread(struct virtio_device *device);

#endif
