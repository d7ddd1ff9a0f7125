/*
 * A virtqueue of a device, served on a sidecore while it runs: what devices of every kind do alike.
 *
 * Theory of operation. The device's vhost-user thread starts a queue, and has it stopped; in between
 * the sidecore polls it, and the kind of device says what polling does. Stopping is a conversation: the
 * thread asks the sidecore and waits; the sidecore stops polling at once, lets go of the descriptors,
 * and answers when the last chain has come back and the last operation has ended.
 */
#ifndef SLUICE_DEVICE_SERVED_QUEUE_H
#define SLUICE_DEVICE_SERVED_QUEUE_H

#include <semaphore.h>

#include "sidecore/sidecore.h"
#include "virtio/vhost_user_backend.h"
#include "virtio/virtqueue.h"

/* What the queues of a device share. */
struct served_device {
	struct sidecore *sidecore;

	/* The sidecore only. */
	struct caller trouble_caller;
	uint64_t kicks; /* received from the driver; a counter that others may read */
	uint64_t calls; /* sent to it; likewise */

	/* Written by the sidecore, read by others. */
	const char *trouble; /* to be reported by the device's thread */
	uint32_t is_broken;  /* its driver broke the protocol; that ring is stopped */
};

struct served_queue;

/* What a kind of queue does; all on the sidecore. */
struct served_queue_kind {
	/* Do what there is to do, bounded, and give back what is done; returns how much that was. */
	unsigned (*poll)(struct served_queue *queue, uint64_t now_ns);

	/* In place of served_queue_arm, or NULL. */
	bool (*arm)(struct served_queue *queue);

	/* The queue is polled from now on; NULL: nothing else to do. */
	void (*started)(struct served_queue *queue);

	/* It is not polled any more: let go of what can be let go of; NULL: nothing. */
	void (*stopping)(struct served_queue *queue);

	bool is_bulk; /* as of struct poller */
};

struct served_queue {
	const struct served_queue_kind *kind;
	struct served_device *device;
	struct virtqueue virtqueue;
	unsigned operations; /* of the owner's, which have to end before the queue can be stopped */

	/* Kept here. */
	struct poller poller;
	struct doorbell doorbell;
	struct caller caller;  /* the guest's interrupt */
	unsigned unsettled;    /* ring slots given back since it was last settled whether to call */
	unsigned calls_spared; /* in a row: the driver has done without */
	uint64_t doubted_until_ns;  /* a wish for a call; 0: there is none */
	struct caller error_caller; /* rung once, when the ring breaks */
	bool is_polled;		    /* the front end gave no kick descriptor: never park */
	bool is_watched;	    /* the sidecore still has the doorbell */
	bool is_stopping;
	bool is_reported; /* that the ring is broken */
	sem_t stopped;	  /* posted by the sidecore when it has let go of everything */
};

/* ---- on a control thread ---- */

/* Before the first queue starts. */
void served_device_init(struct served_device *device, struct sidecore *sidecore);

/* From now on, ring this when there is trouble to be reported. */
void served_device_report_to(struct served_device *device, int trouble_fd);

/* No trouble is reported any more; the trouble descriptor may be closed when this returns. */
void served_device_release(struct served_device *device);

/* ---- on the device's thread; see vhost_user_backend.h ---- */

/* A reason to report a ring as broken, or NULL. */
const char *served_device_trouble(struct served_device *device);

/*
 * Attach to a ring; its memory and what it needs besides can then be set up.
 *
 * Returns 0, or as virtqueue_attach.
 */
int served_queue_attach(struct served_queue *queue, const struct served_queue_kind *kind,
	struct served_device *device, const struct virtqueue_setup *setup, struct error *error);

/* Serve the ring that has been attached. */
void served_queue_start(struct served_queue *queue, const struct vhost_user_bells *bells);

/* Stop it, and wait until nothing of it is in flight. Returns the ring's base. */
uint32_t served_queue_stop(struct served_queue *queue);

/* Call another descriptor from now on; the old one may be closed when this returns. */
void served_queue_set_call(struct served_queue *queue, int call_fd);

/* ---- on the sidecore ---- */

/* Let the driver see what is done. Returns how many ring slots that was, since this was last called. */
unsigned served_queue_give_back(struct served_queue *queue);

/* Ask for kicks; true if there is something to pop already. For kinds that have their own `arm`. */
bool served_queue_arm(struct served_queue *queue);

/* Look again: a reason to do so other than a kick. */
void served_queue_wake(struct served_queue *queue);

/* A chain has come back, or an operation has ended: if that was the last, the queue is stopped, and may be gone. */
void served_queue_try_to_stop(struct served_queue *queue);

/* The ring breaks the protocol: tell the driver, the front end and, through its thread, the log. */
void served_queue_report(struct served_queue *queue);

#endif
