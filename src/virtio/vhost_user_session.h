/*
 * A session: what one front end has told the back end so far. Internal to the vhost-user back end.
 */
#ifndef SLUICE_VIRTIO_VHOST_USER_SESSION_H
#define SLUICE_VIRTIO_VHOST_USER_SESSION_H

#include "base/log_source.h"
#include "virtio/vhost_user_backend.h"
#include "virtio/vhost_user_message.h"

/* A ring as described by the front end. It runs when all that it needs has been said. */
struct vhost_user_ring {
	uint16_t size;
	uint32_t base;
	bool has_addresses;
	bool is_kicked; /* SET_VRING_KICK has come since GET_VRING_BASE: "started" */
	bool is_enabled;
	bool is_running;
	bool has_failed; /* starting it failed; not tried again before something changes */
	struct vhost_user_vring_address address;
	struct vhost_user_bells bells;
};

/* The in-flight region, in equal parts for the first so many queues; all zeroes: there is none. */
struct session_inflight {
	struct guarded_mapping *mapping;
	uint8_t *start;
	size_t queue_bytes;
	unsigned queue_count;
};

struct vhost_user_session {
	const struct vhost_user_backend_config *config;
	struct log_source *log;
	int socket;
	int request_fd; /* channel for the back end's own requests, or VHOST_USER_NO_FD */
	uint64_t features;
	uint64_t protocol_features;
	uint8_t status;
	struct guest_memory memory;
	struct session_inflight inflight;
	struct vhost_user_ring rings[VHOST_USER_QUEUES_MAX];
};

void session_open(struct vhost_user_session *session,
	const struct vhost_user_backend_config *config, struct log_source *lines, int socket);

/* Stop all rings, unmap all memory, close all descriptors. */
void session_close(struct vhost_user_session *session);

/* Receive one message and do what it says. Returns 0, or a negative errno that ends the session. */
int session_serve_message(struct vhost_user_session *session);

/* Tell the front end that configuration space has changed, if it wants to know. */
void session_send_config_change(struct vhost_user_session *session);

/* A ring broke: the driver finds NEEDS_RESET in the status. */
void session_report_trouble(struct vhost_user_session *session, const char *reason);

/* ---- shared by the message handlers ---- */

/* Forget the in-flight region, with all rings paused. */
void session_unmap_inflight(struct vhost_user_session *session);

/* Start the rings that can run and do not; stop those that run and should not. */
void session_update_rings(struct vhost_user_session *session);

/* Stop all rings for a while; session_update_rings starts them again. */
void session_pause_rings(struct vhost_user_session *session);

/*
 * A handler gets a message whose payload size has been checked. Descriptors that it does not take are
 * closed with the message.
 *
 * Returns 0, or a negative errno with the reason in `error`. A handler of a request with a reply
 * leaves the reply in the message (fds included), even when it fails.
 */
typedef int session_handler(struct vhost_user_session *session, struct vhost_user_message *message,
	struct error *error);

session_handler session_set_mem_table, session_add_mem_reg, session_rem_mem_reg,
	session_get_max_mem_slots, session_set_log_base;
session_handler session_get_inflight_fd, session_set_inflight_fd;
session_handler session_set_vring_num, session_set_vring_addr, session_set_vring_base,
	session_get_vring_base, session_set_vring_kick, session_set_vring_call,
	session_set_vring_err, session_set_vring_enable;

/* Is feature bit `bit` negotiated? */
static inline bool session_has_feature(const struct vhost_user_session *session, unsigned bit)
{
	return session->features >> bit & 1;
}

static inline bool session_has_protocol_feature(
	const struct vhost_user_session *session, unsigned bit)
{
	return session->protocol_features >> bit & 1;
}

#endif
