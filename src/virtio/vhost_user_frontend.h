/*
 * The front end's side of vhost-user: connects to a device's socket and drives its virtqueues from this
 * process, where a VMM would let a guest do it. Guest-physical addresses are offsets into one memfd.
 */
#ifndef SLUICE_VIRTIO_VHOST_USER_FRONTEND_H
#define SLUICE_VIRTIO_VHOST_USER_FRONTEND_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "virtio/driver_ring.h"
#include "virtio/vhost_user_connection.h"

#define FRONTEND_QUEUES_MAX 64u

struct vhost_user_frontend_config {
	const char *socket_path;
	uint64_t features;    /* wanted; what the back end does not offer is left out */
	unsigned queue_count; /* 1 to FRONTEND_QUEUES_MAX */
	uint16_t queue_size;
	uint16_t segments_max;	 /* longest chain */
	uint16_t indirect_above; /* longer chains go into an indirect table */
	size_t data_bytes;	 /* of shared memory for the caller's buffers */
};

struct frontend_queue {
	struct driver_ring ring;
	int kick_fd;
	int call_fd; /* nonblocking */
};

struct vhost_user_frontend {
	struct vhost_user_connection connection;
	uint64_t features; /* negotiated */
	uint8_t *memory;
	size_t memory_bytes;
	int memory_fd;
	uint8_t *data; /* config.data_bytes, page aligned, within memory */
	unsigned queue_count;
	struct frontend_queue queues[FRONTEND_QUEUES_MAX];
};

/*
 * Connect, negotiate, share memory and start all queues.
 *
 * Returns 0; -ECONNREFUSED or -ENOENT if nobody listens; -ENOTSUP if the back end lacks what was asked
 * for (that many queues, a mandatory feature); -EPROTO for answers that make no sense. `error` says more.
 */
int vhost_user_frontend_open(struct vhost_user_frontend *frontend,
	const struct vhost_user_frontend_config *config, struct error *error);

/* Stop the queues (waits until the back end has let go of them), disconnect, free everything. */
void vhost_user_frontend_close(struct vhost_user_frontend *frontend);

/* Read the first `size_bytes` of the device's configuration space. Returns 0 or a negative errno. */
int vhost_user_frontend_read_config(
	struct vhost_user_frontend *frontend, void *config, uint32_t size_bytes);

/* Has the back end hung up? */
bool vhost_user_frontend_is_disconnected(const struct vhost_user_frontend *frontend);

/* The guest-physical address of a byte of shared memory. */
static inline uint64_t vhost_user_frontend_address(
	const struct vhost_user_frontend *frontend, const void *pointer)
{
	return (uint64_t)((const uint8_t *)pointer - frontend->memory);
}

#endif
