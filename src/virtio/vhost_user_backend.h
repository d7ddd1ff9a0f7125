/*
 * The back end's side of vhost-user: serves one device to one front end at a time, for ever.
 *
 * Theory of operation. Each device has a thread that sleeps in poll until the front end says
 * something; it never touches a request. Messages change the session (vhost_user_session.h), and the
 * session starts and stops the device's queues through the operations below; the device in turn has
 * its queues served on a sidecore. Stopping a queue waits until nothing is in flight, so memory is
 * never unmapped under a request; a device that hangs delays only its own front end.
 *
 * When the front end goes away, in whatever way, the session is torn down and the thread listens
 * again; there is no limit to how often or how long.
 */
#ifndef SLUICE_VIRTIO_VHOST_USER_BACKEND_H
#define SLUICE_VIRTIO_VHOST_USER_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/virtqueue.h"

#define VHOST_USER_QUEUES_MAX 64u
#define VHOST_USER_NO_FD (-1)

/* What a ring signals with; descriptors stay the session's, until the queue is stopped. */
struct vhost_user_bells {
	int kick_fd;  /* VHOST_USER_NO_FD: the front end wants polling */
	int call_fd;  /* VHOST_USER_NO_FD: the driver polls */
	int error_fd; /* rung when the ring is broken; VHOST_USER_NO_FD: nobody cares */
};

/* What a kind of device provides. All but `abandon` are called on the device's own thread. */
struct vhost_user_operations {
	/* Features of the device type, without those of the ring and of vhost-user. */
	uint64_t (*features)(void *device);

	/* The driver has accepted these features; called before any queue starts. */
	void (*accept_features)(void *device, uint64_t features);

	/* Fill in configuration space; returns its size in bytes, at most `capacity`. */
	uint32_t (*read_config)(void *device, uint8_t *config, uint32_t capacity);

	/*
	 * Serve a ring from now on. The setup's pointers live until the queue is stopped.
	 * Returns 0 or a negative errno with `error` set.
	 */
	int (*start_queue)(void *device, unsigned index, const struct virtqueue_setup *setup,
		const struct vhost_user_bells *bells, struct error *error);

	/* Stop serving it, wait until nothing of it is in flight, return its base. */
	uint32_t (*stop_queue)(void *device, unsigned index);

	/* Use another call descriptor from now on; the old one may be closed when this returns. */
	void (*set_call)(void *device, unsigned index, int call_fd);

	/* A front end has come or gone. */
	void (*connection_changed)(void *device, bool is_connected);

	/*
	 * The front end has gone, or is being shut out: drop the requests that wait, start none. What
	 * is dropped stays in the in-flight region. From any thread, until a front end comes again.
	 */
	void (*abandon)(void *device);

	/* A reason to report a ring as broken, or NULL. Asked when the trouble descriptor was rung. */
	const char *(*trouble)(void *device);

	/*
	 * The front end tells the driver this MTU; a negative errno with `error` set if packets of
	 * that size would not get through. NULL: not for devices of this kind.
	 */
	int (*set_mtu)(void *device, uint64_t mtu, struct error *error);

	/*
	 * There is something to read from the configuration's `watch_fd`: read it. Returns whether
	 * `mend` is to be called, for which all rings are stopped, and then started again.
	 */
	bool (*watched)(void *device);
	void (*mend)(void *device);
};

struct vhost_user_backend_config {
	const char *kind;	 /* what the device is called: "disk"; outlives the back end */
	const char *name;	 /* of the device, for log lines; likewise */
	const char *socket_path; /* to listen on; NULL to use `fd` */
	int fd; /* a listening or connected socket, taken over by a start, failed or not */
	unsigned queue_count; /* at most VHOST_USER_QUEUES_MAX */
	/*
	 * What a predecessor had in flight need not be done again: no in-flight region is kept, and
	 * chains that have been popped can be put back.
	 */
	bool is_lossy;
	/*
	 * The front end is several devices on one connection, each with some of the queues (QEMU's
	 * NICs: one per pair). Each would add the same memory, so it is set as a whole.
	 */
	bool is_shared;
	bool is_watching;
	int watch_fd; /* if is_watching: nonblocking, for operations.watched while a front end is there */
	const struct vhost_user_operations *operations;
	void *device;

	/*
	 * Called on the device's thread when the front end of a connected `fd` has gone, so that
	 * none can come any more; or NULL.
	 */
	void (*ended)(void);
};

struct vhost_user_backend;

/*
 * Listen and start the thread.
 *
 * Returns 0, -EADDRINUSE if a live process serves the socket (the file of a dead one is replaced), or
 * another negative errno with `error` set.
 */
int vhost_user_backend_start(const struct vhost_user_backend_config *config,
	struct vhost_user_backend **backend, struct error *error);

/*
 * Disconnect, stop all queues, end the thread, remove the socket. What is in flight has two seconds to
 * be completed; then the requests that wait are dropped, and those at the device waited for.
 *
 * @timeout_ms: how long to wait for the device; -1: as long as it takes
 * Returns 0, or -ETIMEDOUT if some still are: nobody is served any more; call this again.
 */
int vhost_user_backend_stop(struct vhost_user_backend *backend, int timeout_ms);

/* From any thread: configuration space has changed, tell the front end. */
void vhost_user_config_changed(struct vhost_user_backend *backend);

/* An eventfd to ring (by a sidecore's caller, say) when operations.trouble has something to report. */
int vhost_user_trouble_fd(const struct vhost_user_backend *backend);

#endif
