/* vhost-user messages about rings, and when a ring runs ("Ring states" in the specification). */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "virtio/vhost_user_session.h"

/* ---- starting and stopping ---- */

/* Without protocol features a ring is enabled from the start. */
static bool is_enabled(const struct vhost_user_session *session, const struct vhost_user_ring *ring)
{
	return ring->is_enabled || !session_has_feature(session, VHOST_USER_F_PROTOCOL_FEATURES);
}

static bool should_run(const struct vhost_user_session *session, const struct vhost_user_ring *ring)
{
	return ring->is_kicked && ring->size && ring->has_addresses && is_enabled(session, ring) &&
	       session->memory.region_count && !ring->has_failed;
}

static struct virtqueue_setup setup_of(struct vhost_user_session *session, unsigned index)
{
	const struct vhost_user_ring *ring = &session->rings[index];
	const struct session_inflight *inflight = &session->inflight;

	return (struct virtqueue_setup){
		.size = ring->size,
		.is_packed = session_has_feature(session, VIRTIO_F_RING_PACKED),
		.has_event_index = session_has_feature(session, VIRTIO_RING_F_EVENT_IDX),
		.logs_used_ring = ring->address.flags >> VHOST_USER_VRING_F_LOG & 1,
		.descriptor_address = ring->address.descriptor_address,
		.driver_address = ring->address.available_address,
		.device_address = ring->address.used_address,
		.log_address = ring->address.log_address,
		.base = ring->base,
		.memory = &session->memory,
		.inflight = index < inflight->queue_count && !session->config->is_lossy
				    ? inflight->start + index * inflight->queue_bytes
				    : NULL,
		.inflight_bytes = inflight->queue_bytes,
	};
}

static void start_ring(struct vhost_user_session *session, unsigned index)
{
	struct vhost_user_ring *ring = &session->rings[index];
	struct virtqueue_setup setup = setup_of(session, index);
	struct error error;

	if (session->config->operations->start_queue(
		    session->config->device, index, &setup, &ring->bells, &error) == 0) {
		ring->is_running = true;
		return;
	}
	ring->has_failed = true;
	log_from(session->log, LOG_LEVEL_ERROR, "queue %u cannot start: %s", index, error.message);
}

static void stop_ring(struct vhost_user_session *session, unsigned index)
{
	struct vhost_user_ring *ring = &session->rings[index];

	if (!ring->is_running)
		return;
	ring->base = session->config->operations->stop_queue(session->config->device, index);
	ring->is_running = false;
}

void session_update_rings(struct vhost_user_session *session)
{
	for (unsigned i = 0; i < session->config->queue_count; i++) {
		struct vhost_user_ring *ring = &session->rings[i];

		if (!should_run(session, ring))
			stop_ring(session, i);
		else if (!ring->is_running)
			start_ring(session, i);
	}
}

void session_pause_rings(struct vhost_user_session *session)
{
	for (unsigned i = 0; i < session->config->queue_count; i++) {
		stop_ring(session, i);
		session->rings[i].has_failed = false;
	}
}

/* ---- messages ---- */

static struct vhost_user_ring *find_ring(
	struct vhost_user_session *session, uint64_t index, struct error *error)
{
	if (index < session->config->queue_count)
		return &session->rings[index];
	error_set(error, -EINVAL, "there is no queue %llu; the device has %u",
		(unsigned long long)index, session->config->queue_count);
	return NULL;
}

int session_set_vring_num(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_vring_state state = message->payload.vring_state;
	struct vhost_user_ring *ring = find_ring(session, state.index, error);

	if (!ring)
		return -EINVAL;
	if (state.number == 0 || state.number > VIRTQUEUE_SIZE_MAX)
		return error_set(error, -EINVAL, "queue size %u is not between 1 and %u",
			state.number, VIRTQUEUE_SIZE_MAX);
	ring->size = (uint16_t)state.number;
	return 0;
}

int session_set_vring_addr(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_vring_address address = message->payload.vring_address;
	struct vhost_user_ring *ring = find_ring(session, address.index, error);

	if (!ring)
		return -EINVAL;
	ring->address = address;
	ring->has_addresses = true;
	return 0;
}

int session_set_vring_base(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_vring_state state = message->payload.vring_state;
	struct vhost_user_ring *ring = find_ring(session, state.index, error);

	if (!ring)
		return -EINVAL;
	ring->base = state.number;
	return 0;
}

int session_get_vring_base(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	unsigned index = message->payload.vring_state.index;
	struct vhost_user_ring *ring = find_ring(session, index, error);

	if (!ring)
		return -EINVAL;
	stop_ring(session, index);
	ring->is_kicked = false;
	message->payload.vring_state.number = ring->base;
	return 0;
}

/*
 * Anything else than an eventfd could be a file to write to, or a pipe that fills up; a sidecore
 * must never find that out.
 */
static bool is_eventfd(int fd)
{
	char link[64], target[64] = {0};

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	return readlink(link, target, sizeof target - 1) > 0 &&
	       strcmp(target, "anon_inode:[eventfd]") == 0;
}

/* Put the message's descriptor (or none) in place of `*fd`, which is left to the caller to close. */
static struct vhost_user_ring *take_bell(struct vhost_user_session *session,
	struct vhost_user_message *message, int *fd, struct error *error)
{
	uint64_t value = message->payload.u64;
	struct vhost_user_ring *ring;

	ring = find_ring(session, value & VHOST_USER_VRING_INDEX_MASK, error);
	*fd = VHOST_USER_NO_FD;
	if (!ring || value & VHOST_USER_VRING_NO_FD)
		return ring;
	*fd = vhost_user_take_fd(message, 0);
	if (*fd >= 0 && is_eventfd(*fd))
		return ring;
	if (*fd >= 0)
		close(*fd);
	error_set(error, -EINVAL, "a notification descriptor is not an eventfd");
	return NULL;
}

static void replace_fd(int *fd, int replacement)
{
	if (*fd >= 0)
		close(*fd);
	*fd = replacement;
}

int session_set_vring_kick(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_ring *ring;
	int fd;

	ring = take_bell(session, message, &fd, error);
	if (!ring)
		return -EINVAL;
	stop_ring(session, (unsigned)(ring - session->rings));
	replace_fd(&ring->bells.kick_fd, fd);
	ring->is_kicked = true;
	ring->has_failed = false;
	return 0;
}

/* The one thing that changes under a running ring, and often: masking of the guest's interrupts. */
int session_set_vring_call(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_ring *ring;
	int fd;

	ring = take_bell(session, message, &fd, error);
	if (!ring)
		return -EINVAL;
	if (ring->is_running)
		session->config->operations->set_call(
			session->config->device, (unsigned)(ring - session->rings), fd);
	replace_fd(&ring->bells.call_fd, fd);
	return 0;
}

int session_set_vring_err(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_ring *ring;
	int fd;

	ring = take_bell(session, message, &fd, error);
	if (!ring)
		return -EINVAL;
	stop_ring(session, (unsigned)(ring - session->rings));
	replace_fd(&ring->bells.error_fd, fd);
	return 0;
}

int session_set_vring_enable(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_vring_state state = message->payload.vring_state;
	struct vhost_user_ring *ring = find_ring(session, state.index, error);

	if (!ring)
		return -EINVAL;
	ring->is_enabled = state.number == 1;
	return 0;
}
