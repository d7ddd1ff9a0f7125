/*
 * A device's conversation with its vhost-user back end, in steps: connect, start the rings, stop them. All of it
 * blocks while the back end thinks, but not for longer than a time limit: ten seconds for all that is said since
 * vhost_user_link_begin. All of it is the device's thread's.
 *
 * Theory of operation. What outlives a connection is the in-flight region: the back end makes it when rings
 * start, it is kept here while they are meant to run, and a back end that takes over is given it, in
 * which it finds what its predecessor had popped. A ring's position comes from there, too; without a region, from
 * the ring's used index, so that whatever has been popped and not given back is done again (what QEMU does, and
 * all that a front end can know).
 *
 * Whatever goes wrong, the answer is to hang up, and to connect again.
 */
#ifndef SLUICE_VMM_PCI_VHOST_USER_LINK_H
#define SLUICE_VMM_PCI_VHOST_USER_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/vhost_user_connection.h"
#include "vmm/pci/virtio_pci.h"
#include "vmm/vm_memory.h"

struct vhost_user_link {
	const char *socket_path;
	const struct vm_memory *memory;
	struct vhost_user_connection connection;
	unsigned queue_count_max; /* of the back end */
	int request_fd;		  /* where the back end's own requests arrive, or -1 */
	int error_fd;		  /* rung when a ring is broken */
	int inflight_fd;	  /* the region's file, or -1 */
	struct vhost_user_inflight inflight;

	pthread_mutex_t lock; /* of both */
	int cuttable_socket;  /* the connection's, or -1 */
	bool is_cut;
};

struct vhost_user_link_setup {
	uint64_t features; /* the driver's */
	unsigned ring_count;
	unsigned served_count; /* of the first; the others are set up, and not served yet */
	const struct virtio_pci_ring *rings;
	bool is_continued; /* another back end has served them before */
};

/* Returns 0 or a negative errno with `error` set. */
int vhost_user_link_init(struct vhost_user_link *link, const char *socket_path,
	const struct vm_memory *memory, struct error *error);

/* Hang up and forget everything. */
void vhost_user_link_release(struct vhost_user_link *link);

/*
 * Returns 0; -ENOENT or -ECONNREFUSED if nobody listens; other negative errnos, disconnected, with `error`
 * set.
 */
int vhost_user_link_connect(struct vhost_user_link *link, struct error *error);

/* From another thread, for good: what is waited for ends now, and there is no connection any more. */
void vhost_user_link_cut(struct vhost_user_link *link);

/*
 * A conversation begins: from now on the back end has ten seconds for its part of it, be it one message or many.
 * Connecting begins one, too.
 */
void vhost_user_link_begin(struct vhost_user_link *link);

/* Hang up; the in-flight region is kept. */
void vhost_user_link_disconnect(struct vhost_user_link *link);

static inline bool vhost_user_link_is_connected(const struct vhost_user_link *link)
{
	return link->connection.socket >= 0;
}

/* Have the enabled rings served. Returns 0, or a negative errno with `error` set: then hang up. */
int vhost_user_link_start(struct vhost_user_link *link, const struct vhost_user_link_setup *setup,
	struct error *error);

/*
 * Have the first `served_count` of the rings that have been started served, and no others. They are when this
 * returns 0; on a negative errno, with `error` set, hang up.
 */
int vhost_user_link_set_served(struct vhost_user_link *link, unsigned ring_count,
	const struct virtio_pci_ring *rings, unsigned served_count, struct error *error);

/* Tell the back end the rings' call_fd once more. */
int vhost_user_link_set_calls(struct vhost_user_link *link, unsigned ring_count,
	const struct virtio_pci_ring *rings, struct error *error);

/* Returns when the back end has let go of all rings, or a negative errno with `error` set: then hang up. */
int vhost_user_link_stop(struct vhost_user_link *link, unsigned ring_count,
	const struct virtio_pci_ring *rings, struct error *error);

/* The in-flight region is of no more use: the driver begins anew. */
void vhost_user_link_forget_inflight(struct vhost_user_link *link);

/*
 * Read one request of the back end's from request_fd.
 *
 * Returns 1 if configuration space has changed, 0 if it was something else, or a negative errno with
 * `error` set: then hang up.
 */
int vhost_user_link_serve_request(struct vhost_user_link *link, struct error *error);

/* Does the back end say that the device needs a reset? */
bool vhost_user_link_needs_reset(struct vhost_user_link *link);

#endif
