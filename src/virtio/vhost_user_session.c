/* Dispatch of vhost-user messages by a table, and those that concern the session as a whole. */
#include "virtio/vhost_user_session.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>

#define FEATURE(bit) (1ull << (bit))

static const uint64_t ring_features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED) |
				      FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
				      FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(VHOST_F_LOG_ALL) |
				      FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);

static const uint64_t common_protocol_features =
	FEATURE(VHOST_USER_PROTOCOL_F_MQ) | FEATURE(VHOST_USER_PROTOCOL_F_LOG_SHMFD) |
	FEATURE(VHOST_USER_PROTOCOL_F_REPLY_ACK) | FEATURE(VHOST_USER_PROTOCOL_F_BACKEND_REQ) |
	FEATURE(VHOST_USER_PROTOCOL_F_CONFIG) | FEATURE(VHOST_USER_PROTOCOL_F_BACKEND_SEND_FD) |
	FEATURE(VHOST_USER_PROTOCOL_F_RESET_DEVICE) | FEATURE(VHOST_USER_PROTOCOL_F_STATUS);

/* ---- features ---- */

static uint64_t offered_features(const struct vhost_user_session *session)
{
	return session->config->operations->features(session->config->device) | ring_features;
}

static int get_features(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	message->payload.u64 = offered_features(session);
	return 0;
}

static int set_features(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	uint64_t surplus = message->payload.u64 & ~offered_features(session);

	if (surplus)
		return error_set(error, -EINVAL, "features 0x%llx were never offered",
			(unsigned long long)surplus);
	session->features = message->payload.u64;
	session->config->operations->accept_features(session->config->device, session->features);
	return 0;
}

static uint64_t offered_protocol_features(const struct vhost_user_session *session)
{
	uint64_t offered = common_protocol_features;

	if (!session->config->is_lossy)
		offered |= FEATURE(VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
	if (!session->config->is_shared)
		offered |= FEATURE(VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	if (session->config->operations->set_mtu)
		offered |= FEATURE(VHOST_USER_PROTOCOL_F_NET_MTU);
	return offered;
}

static int get_protocol_features(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	message->payload.u64 = offered_protocol_features(session);
	return 0;
}

static int set_protocol_features(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	session->protocol_features = message->payload.u64 & offered_protocol_features(session);
	return 0;
}

static int get_queue_num(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	message->payload.u64 = session->config->queue_count;
	return 0;
}

/* ---- configuration space ---- */

static int get_config(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	struct vhost_user_config *request = &message->payload.config;
	uint8_t config[VHOST_USER_CONFIG_BYTES_MAX] = {0};

	/* A front end may ask for more than the device has; the rest reads as zeroes. */
	session->config->operations->read_config(session->config->device, config, sizeof config);
	if (request->offset > sizeof config ||
		request->size_bytes > sizeof config - request->offset) {
		message->header.size_bytes = 0;
		return error_set(
			error, -EINVAL, "configuration space ends at byte %zu", sizeof config);
	}
	memcpy(request->payload, config + request->offset, request->size_bytes);
	message->header.size_bytes =
		(uint32_t)offsetof(struct vhost_user_config, payload) + request->size_bytes;
	return 0;
}

static int set_config(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	return error_set(error, -EINVAL, "configuration space is read-only");
}

static int net_set_mtu(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	const struct vhost_user_operations *operations = session->config->operations;

	if (!operations->set_mtu)
		return error_set(error, -EINVAL, "the device is no NIC");
	return operations->set_mtu(session->config->device, message->payload.u64, error);
}

static int set_backend_req_fd(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	if (session->request_fd >= 0)
		close(session->request_fd);
	session->request_fd = vhost_user_take_fd(message, 0);
	return 0;
}

void session_send_config_change(struct vhost_user_session *session)
{
	const struct vhost_user_message message = {
		.header = {.request = VHOST_USER_BACKEND_CONFIG_CHANGE_MSG,
			.flags = VHOST_USER_VERSION},
	};
	int result;

	if (session->request_fd < 0)
		return;
	/* The other end is the front end's: it may never read, or not be a socket at all. */
	result = vhost_user_send_now(session->request_fd, &message);
	if (result == 0)
		return;
	log_from(session->log, LOG_LEVEL_WARNING,
		"the front end does not hear that the configuration has changed: %s",
		strerror(-result));
	close(session->request_fd);
	session->request_fd = VHOST_USER_NO_FD;
}

/* ---- status and reset ---- */

/*
 * Where a ring stood is kept: QEMU before 8.0 sets the status to 0 whenever it stops a device, and
 * asks only then with GET_VRING_BASE. A driver that begins anew begins with SET_VRING_BASE.
 */
static void reset_rings(struct vhost_user_session *session)
{
	session_pause_rings(session);
	for (unsigned i = 0; i < session->config->queue_count; i++) {
		session->rings[i].is_kicked = false;
		session->rings[i].is_enabled = false;
	}
	session->status = 0;
}

static int set_owner(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	return 0;
}

static int reset_owner(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	for (unsigned i = 0; i < session->config->queue_count; i++)
		session->rings[i].is_enabled = false;
	return 0;
}

static int reset_device(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	reset_rings(session);
	return 0;
}

static int get_status(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	message->payload.u64 = session->status;
	return 0;
}

static int set_status(
	struct vhost_user_session *session, struct vhost_user_message *message, struct error *error)
{
	/* NEEDS_RESET is the device's to set, and only a reset clears it. */
	uint8_t kept = session->status & VIRTIO_CONFIG_S_NEEDS_RESET;

	if (message->payload.u64 == 0)
		reset_rings(session);
	else
		session->status = (uint8_t)message->payload.u64 | kept;
	return 0;
}

void session_report_trouble(struct vhost_user_session *session, const char *reason)
{
	session->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	log_from(session->log, LOG_LEVEL_ERROR, "ring stopped: %s; the guest must reset the device",
		reason);
}

/* ---- dispatch ---- */

enum message_trait {
	HAS_REPLY = 1,	   /* the request itself is answered */
	PAUSES_RINGS = 2,  /* nothing may be in flight while it is handled */
	UPDATES_RINGS = 4, /* rings may start or stop because of it */
	VARIABLE_SIZE = 8, /* the payload may be shorter than the structure */
};

struct message_kind {
	session_handler *handle;
	uint32_t payload_bytes;
	uint8_t traits;
};

#define PAYLOAD(member) (uint32_t)sizeof(((union vhost_user_payload *)0)->member)

static const struct message_kind message_kinds[VHOST_USER_REQUESTS] = {
	[VHOST_USER_GET_FEATURES] = {get_features, 0, HAS_REPLY},
	[VHOST_USER_SET_FEATURES] = {set_features, PAYLOAD(u64), PAUSES_RINGS | UPDATES_RINGS},
	[VHOST_USER_SET_OWNER] = {set_owner, 0, 0},
	[VHOST_USER_RESET_OWNER] = {reset_owner, 0, UPDATES_RINGS},
	[VHOST_USER_SET_MEM_TABLE] = {session_set_mem_table, PAYLOAD(memory_table),
		PAUSES_RINGS | UPDATES_RINGS | VARIABLE_SIZE},
	[VHOST_USER_SET_LOG_BASE] = {session_set_log_base, PAYLOAD(log),
		HAS_REPLY | PAUSES_RINGS | UPDATES_RINGS},
	[VHOST_USER_SET_VRING_NUM] = {session_set_vring_num, PAYLOAD(vring_state), 0},
	[VHOST_USER_SET_VRING_ADDR] = {session_set_vring_addr, PAYLOAD(vring_address),
		PAUSES_RINGS | UPDATES_RINGS},
	[VHOST_USER_SET_VRING_BASE] = {session_set_vring_base, PAYLOAD(vring_state), 0},
	[VHOST_USER_GET_VRING_BASE] = {session_get_vring_base, PAYLOAD(vring_state), HAS_REPLY},
	[VHOST_USER_SET_VRING_KICK] = {session_set_vring_kick, PAYLOAD(u64), UPDATES_RINGS},
	[VHOST_USER_SET_VRING_CALL] = {session_set_vring_call, PAYLOAD(u64), 0},
	[VHOST_USER_SET_VRING_ERR] = {session_set_vring_err, PAYLOAD(u64), UPDATES_RINGS},
	[VHOST_USER_GET_PROTOCOL_FEATURES] = {get_protocol_features, 0, HAS_REPLY},
	[VHOST_USER_SET_PROTOCOL_FEATURES] = {set_protocol_features, PAYLOAD(u64), 0},
	[VHOST_USER_GET_QUEUE_NUM] = {get_queue_num, 0, HAS_REPLY},
	[VHOST_USER_SET_VRING_ENABLE] = {session_set_vring_enable, PAYLOAD(vring_state),
		UPDATES_RINGS},
	[VHOST_USER_NET_SET_MTU] = {net_set_mtu, PAYLOAD(u64), 0},
	[VHOST_USER_SET_BACKEND_REQ_FD] = {set_backend_req_fd, 0, 0},
	[VHOST_USER_GET_CONFIG] = {get_config, PAYLOAD(config), HAS_REPLY | VARIABLE_SIZE},
	[VHOST_USER_SET_CONFIG] = {set_config, PAYLOAD(config), VARIABLE_SIZE},
	[VHOST_USER_GET_INFLIGHT_FD] = {session_get_inflight_fd, PAYLOAD(inflight),
		HAS_REPLY | VARIABLE_SIZE},
	[VHOST_USER_SET_INFLIGHT_FD] = {session_set_inflight_fd, PAYLOAD(inflight),
		PAUSES_RINGS | UPDATES_RINGS | VARIABLE_SIZE},
	[VHOST_USER_RESET_DEVICE] = {reset_device, 0, 0},
	[VHOST_USER_GET_MAX_MEM_SLOTS] = {session_get_max_mem_slots, 0, HAS_REPLY},
	[VHOST_USER_ADD_MEM_REG] = {session_add_mem_reg, PAYLOAD(one_region),
		PAUSES_RINGS | UPDATES_RINGS},
	[VHOST_USER_REM_MEM_REG] = {session_rem_mem_reg, PAYLOAD(one_region),
		PAUSES_RINGS | UPDATES_RINGS},
	[VHOST_USER_SET_STATUS] = {set_status, PAYLOAD(u64), 0},
	[VHOST_USER_GET_STATUS] = {get_status, 0, HAS_REPLY},
};

static const struct message_kind *find_kind(const struct vhost_user_message *message)
{
	const struct message_kind *kind;

	if (message->header.request >= VHOST_USER_REQUESTS)
		return NULL;
	kind = &message_kinds[message->header.request];
	return kind->handle ? kind : NULL;
}

static bool has_right_size(
	const struct message_kind *kind, const struct vhost_user_message *message)
{
	uint32_t size_bytes = message->header.size_bytes;

	return kind->traits & VARIABLE_SIZE ? size_bytes <= kind->payload_bytes
					    : size_bytes == kind->payload_bytes;
}

static int handle(struct vhost_user_session *session, const struct message_kind *kind,
	struct vhost_user_message *message)
{
	struct error error;
	int result;

	if (kind->traits & PAUSES_RINGS)
		session_pause_rings(session);
	result = kind->handle(session, message, &error);
	if (result < 0)
		log_from(session->log, LOG_LEVEL_WARNING, "%s refused: %s",
			vhost_user_request_name(message->header.request), error.message);
	if (kind->traits & UPDATES_RINGS)
		session_update_rings(session);
	return result;
}

/* Requests without an answer of their own are acknowledged if the front end asks for that. */
static int answer(struct vhost_user_session *session, const struct message_kind *kind,
	struct vhost_user_message *message, bool wants_acknowledgement, int result)
{
	if (!(kind->traits & HAS_REPLY)) {
		if (!wants_acknowledgement)
			return 0;
		vhost_user_close_fds(message);
		message->payload.u64 = result < 0;
		message->header.size_bytes = sizeof message->payload.u64;
	} else if (kind->payload_bytes == 0) {
		message->header.size_bytes = sizeof message->payload.u64;
	}
	message->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	return vhost_user_send(session->socket, message);
}

int session_serve_message(struct vhost_user_session *session)
{
	struct vhost_user_message message;
	const struct message_kind *kind;
	bool wants_acknowledgement;
	int result;

	result = vhost_user_receive(session->socket, &message);
	if (result < 0)
		return result;
	kind = find_kind(&message);
	if (!kind || !has_right_size(kind, &message)) {
		log_from(session->log, LOG_LEVEL_ERROR,
			"front end disconnected for a message that it may not send: %s (%u), %u "
			"bytes",
			vhost_user_request_name(message.header.request), message.header.request,
			message.header.size_bytes);
		vhost_user_close_fds(&message);
		return -EPROTO;
	}
	wants_acknowledgement =
		message.header.flags & VHOST_USER_NEED_REPLY &&
		session_has_protocol_feature(session, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	result = handle(session, kind, &message);
	result = answer(session, kind, &message, wants_acknowledgement, result);
	vhost_user_close_fds(&message);
	return result;
}

/* ---- the session ---- */

void session_open(struct vhost_user_session *session,
	const struct vhost_user_backend_config *config, struct log_source *lines, int socket)
{
	memset(session, 0, sizeof *session);
	session->config = config;
	session->log = lines;
	session->socket = socket;
	session->request_fd = VHOST_USER_NO_FD;
	guest_memory_init(&session->memory);
	for (unsigned i = 0; i < VHOST_USER_QUEUES_MAX; i++)
		session->rings[i].bells = (struct vhost_user_bells){
			VHOST_USER_NO_FD, VHOST_USER_NO_FD, VHOST_USER_NO_FD};
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void session_close(struct vhost_user_session *session)
{
	session_pause_rings(session);
	for (unsigned i = 0; i < VHOST_USER_QUEUES_MAX; i++) {
		close_if_open(session->rings[i].bells.kick_fd);
		close_if_open(session->rings[i].bells.call_fd);
		close_if_open(session->rings[i].bells.error_fd);
	}
	guest_memory_clear(&session->memory);
	session_unmap_inflight(session);
	close_if_open(session->request_fd);
	close(session->socket);
}
