/*
 * The front end's half of a vhost-user conversation: connecting, and one function per thing to say. What is
 * said when, and with what rings, is the caller's: vhost_user_frontend.h, or a virtual machine's device.
 *
 * The back end is not trusted: what it answers has the size and the request that were asked for, or is
 * -EPROTO. After any error the connection is of no more use.
 */
#ifndef SLUICE_VIRTIO_VHOST_USER_CONNECTION_H
#define SLUICE_VIRTIO_VHOST_USER_CONNECTION_H

#include <stdbool.h>

#include "base/error.h"
#include "virtio/vhost_user_message.h"

struct vhost_user_connection {
	int socket;		    /* -1: not connected */
	uint64_t offered;	    /* the back end's features */
	uint64_t protocol_features; /* negotiated */
	uint64_t
		deadline_ns; /* the caller's, who may change it: when what is being said ends in -ETIMEDOUT; 0: never */
};

/* Virtio 1, and protocol features: what a back end must offer, and is always told that it is used. */
extern const uint64_t vhost_user_mandatory_features;

/*
 * Returns 0; -ENOENT or -ECONNREFUSED if nobody listens; other negative errnos, with `error` set.
 *
 * @deadline_ns: when it ends in -EAGAIN if the back end does not listen, and the connection's from then on; 0: never
 */
int vhost_user_connect(struct vhost_user_connection *connection, const char *path,
	uint64_t deadline_ns, struct error *error);

/* Hang up, if connected. */
void vhost_user_disconnect(struct vhost_user_connection *connection);

/*
 * Learn what the back end offers, and settle on the protocol features among `wanted`. Features proper are
 * left to be set with SET_FEATURES.
 *
 * Returns 0, or -ENOTSUP for a back end without virtio 1 or protocol features, with `error` set.
 */
int vhost_user_negotiate(
	struct vhost_user_connection *connection, uint64_t wanted, struct error *error);

/* How many queues the back end has at most; 1 if it cannot say. Returns 0 or a negative errno. */
int vhost_user_ask_queue_count(struct vhost_user_connection *connection, unsigned *count);

/*
 * Say something that has no answer of its own; waits for the acknowledgement if that has been negotiated.
 *
 * @fds: sent along; stay the caller's
 * Returns 0, -EREMOTEIO if the back end refuses, or a negative errno.
 */
int vhost_user_tell(struct vhost_user_connection *connection, uint32_t request, const void *payload,
	uint32_t size_bytes, const int *fds, unsigned fd_count);
int vhost_user_tell_u64(struct vhost_user_connection *connection, uint32_t request, uint64_t value);
int vhost_user_tell_vring(struct vhost_user_connection *connection, uint32_t request,
	unsigned index, uint32_t number);

/* SET_VRING_KICK, _CALL or _ERR; with -1, that there is none. */
int vhost_user_tell_bell(
	struct vhost_user_connection *connection, uint32_t request, unsigned index, int fd);

/* Send a request that is answered; the caller owns the reply's descriptors. */
int vhost_user_ask(struct vhost_user_connection *connection, uint32_t request, const void *payload,
	uint32_t size_bytes, struct vhost_user_message *reply);
int vhost_user_ask_u64(struct vhost_user_connection *connection, uint32_t request, uint64_t *value);

/* Read the first `size_bytes` of the device's configuration space. */
int vhost_user_ask_config(
	struct vhost_user_connection *connection, void *config, uint32_t size_bytes);

/* GET_VRING_BASE: the back end lets go of the ring. `base` may be NULL. */
int vhost_user_ask_base(struct vhost_user_connection *connection, unsigned index, uint32_t *base);

/*
 * GET_INFLIGHT_FD: a new region for that many queues.
 *
 * @inflight: queue_count and queue_size are given, the rest is filled in
 * Returns its file, the caller's, or a negative errno.
 */
int vhost_user_ask_inflight(
	struct vhost_user_connection *connection, struct vhost_user_inflight *inflight);

static inline bool vhost_user_connection_has(
	const struct vhost_user_connection *connection, enum vhost_user_protocol_feature feature)
{
	return connection->protocol_features >> feature & 1;
}

#endif
