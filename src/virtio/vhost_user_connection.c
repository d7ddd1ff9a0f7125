#include "virtio/vhost_user_connection.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define FEATURE(bit) (1ull << (bit))

const uint64_t vhost_user_mandatory_features =
	FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VHOST_USER_F_PROTOCOL_FEATURES);

/* ---- connecting ---- */

/* It waits for room in the back end's queue of connections. */
static void limit_connecting(int socket, uint64_t deadline_ns)
{
	const uint64_t now_ns = clock_now_ns();
	const uint64_t left_us = deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000 : 0;
	const struct timeval limit = {
		.tv_sec = (time_t)(left_us / 1000000), .tv_usec = (long)(left_us % 1000000) + 1};

	if (deadline_ns)
		setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

int vhost_user_connect(struct vhost_user_connection *connection, const char *path,
	uint64_t deadline_ns, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*connection = (struct vhost_user_connection){.socket = -1, .deadline_ns = deadline_ns};
	if (strlen(path) >= sizeof address.sun_path)
		return error_set(error, -ENAMETOOLONG, "socket path %s is too long", path);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	connection->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->socket >= 0)
		limit_connecting(connection->socket, deadline_ns);
	if (connection->socket < 0 ||
		connect(connection->socket, (const void *)&address, sizeof address) < 0) {
		int result = -errno;

		vhost_user_disconnect(connection);
		return error_set(error, result, "cannot connect to %s: %s; is sluiced running?",
			path, strerror(-result));
	}
	return 0;
}

void vhost_user_disconnect(struct vhost_user_connection *connection)
{
	if (connection->socket >= 0)
		close(connection->socket);
	connection->socket = -1;
}

static int settle_protocol_features(struct vhost_user_connection *connection, uint64_t wanted)
{
	uint64_t offered = 0;
	int result = vhost_user_ask_u64(connection, VHOST_USER_GET_PROTOCOL_FEATURES, &offered);

	if (result == 0)
		result = vhost_user_tell_u64(
			connection, VHOST_USER_SET_PROTOCOL_FEATURES, offered & wanted);
	/* Not before: nothing is acknowledged that was said before it was agreed on. */
	if (result == 0)
		connection->protocol_features = offered & wanted;
	return result;
}

int vhost_user_negotiate(
	struct vhost_user_connection *connection, uint64_t wanted, struct error *error)
{
	int result;

	result = vhost_user_ask_u64(connection, VHOST_USER_GET_FEATURES, &connection->offered);
	if (result == 0 && (connection->offered & vhost_user_mandatory_features) !=
				   vhost_user_mandatory_features)
		return error_set(error, -ENOTSUP,
			"the back end is too old: it offers features 0x%llx",
			(unsigned long long)connection->offered);
	if (result == 0)
		result = settle_protocol_features(connection, wanted);
	if (result == 0)
		result = vhost_user_tell(connection, VHOST_USER_SET_OWNER, "", 0, NULL, 0);
	if (result < 0)
		return error_set(error, result, "negotiation failed: %s", strerror(-result));
	return 0;
}

int vhost_user_ask_queue_count(struct vhost_user_connection *connection, unsigned *count)
{
	uint64_t most = 1;
	int result = 0;

	if (vhost_user_connection_has(connection, VHOST_USER_PROTOCOL_F_MQ))
		result = vhost_user_ask_u64(connection, VHOST_USER_GET_QUEUE_NUM, &most);
	*count = most > UINT16_MAX ? UINT16_MAX : (unsigned)most;
	return result;
}

/* ---- saying ---- */

static int send_request(struct vhost_user_connection *connection,
	const struct vhost_user_header *header, const void *payload, const int *fds,
	unsigned fd_count)
{
	struct vhost_user_message message = {.header = *header, .fd_count = fd_count};

	if (fd_count > VHOST_USER_FDS_MAX || header->size_bytes > sizeof message.payload)
		return -EINVAL;
	memcpy(&message.payload, payload, header->size_bytes);
	for (unsigned i = 0; i < fd_count; i++)
		message.fds[i] = fds[i];
	return vhost_user_send_by(connection->socket, &message, connection->deadline_ns);
}

static int receive_reply(struct vhost_user_connection *connection, uint32_t request,
	struct vhost_user_message *reply)
{
	int result = vhost_user_receive_by(connection->socket, reply, connection->deadline_ns);

	if (result == 0 &&
		(reply->header.request != request || !(reply->header.flags & VHOST_USER_REPLY))) {
		vhost_user_close_fds(reply);
		result = -EPROTO;
	}
	return result;
}

static int receive_acknowledgement(struct vhost_user_connection *connection, uint32_t request)
{
	struct vhost_user_message reply;
	int result = receive_reply(connection, request, &reply);

	if (result < 0)
		return result;
	vhost_user_close_fds(&reply);
	if (reply.header.size_bytes != sizeof reply.payload.u64)
		return -EPROTO;
	return reply.payload.u64 ? -EREMOTEIO : 0;
}

int vhost_user_tell(struct vhost_user_connection *connection, uint32_t request, const void *payload,
	uint32_t size_bytes, const int *fds, unsigned fd_count)
{
	bool is_acknowledged =
		vhost_user_connection_has(connection, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	const struct vhost_user_header header = {request,
		VHOST_USER_VERSION | (is_acknowledged ? VHOST_USER_NEED_REPLY : 0), size_bytes};
	int result = send_request(connection, &header, payload, fds, fd_count);

	if (result == 0 && is_acknowledged)
		result = receive_acknowledgement(connection, request);
	return result;
}

int vhost_user_tell_u64(struct vhost_user_connection *connection, uint32_t request, uint64_t value)
{
	return vhost_user_tell(connection, request, &value, sizeof value, NULL, 0);
}

int vhost_user_tell_vring(
	struct vhost_user_connection *connection, uint32_t request, unsigned index, uint32_t number)
{
	const struct vhost_user_vring_state state = {index, number};

	return vhost_user_tell(connection, request, &state, sizeof state, NULL, 0);
}

int vhost_user_tell_bell(
	struct vhost_user_connection *connection, uint32_t request, unsigned index, int fd)
{
	const uint64_t value = index | (fd < 0 ? VHOST_USER_VRING_NO_FD : 0);

	return vhost_user_tell(connection, request, &value, sizeof value, &fd, fd >= 0);
}

/* ---- asking ---- */

int vhost_user_ask(struct vhost_user_connection *connection, uint32_t request, const void *payload,
	uint32_t size_bytes, struct vhost_user_message *reply)
{
	const struct vhost_user_header header = {request, VHOST_USER_VERSION, size_bytes};
	int result = send_request(connection, &header, payload, NULL, 0);

	return result == 0 ? receive_reply(connection, request, reply) : result;
}

/* As vhost_user_ask, for an answer of a size that is known, without descriptors. */
static int ask_plainly(struct vhost_user_connection *connection, uint32_t request,
	const void *payload, uint32_t size_bytes, struct vhost_user_message *reply,
	uint32_t reply_bytes)
{
	int result = vhost_user_ask(connection, request, payload, size_bytes, reply);

	if (result < 0)
		return result;
	vhost_user_close_fds(reply);
	return reply->header.size_bytes == reply_bytes ? 0 : -EPROTO;
}

int vhost_user_ask_u64(struct vhost_user_connection *connection, uint32_t request, uint64_t *value)
{
	struct vhost_user_message reply = {0};
	int result = ask_plainly(connection, request, "", 0, &reply, sizeof *value);

	if (result == 0)
		*value = reply.payload.u64;
	return result;
}

int vhost_user_ask_config(
	struct vhost_user_connection *connection, void *config, uint32_t size_bytes)
{
	const struct vhost_user_config request = {.size_bytes = size_bytes};
	uint32_t bytes = (uint32_t)offsetof(struct vhost_user_config, payload) + size_bytes;
	struct vhost_user_message reply = {0};
	int result;

	if (size_bytes > VHOST_USER_CONFIG_BYTES_MAX)
		return -EINVAL;
	result = ask_plainly(connection, VHOST_USER_GET_CONFIG, &request, bytes, &reply, bytes);
	if (result == 0)
		memcpy(config, reply.payload.config.payload, size_bytes);
	return result;
}

int vhost_user_ask_base(struct vhost_user_connection *connection, unsigned index, uint32_t *base)
{
	const struct vhost_user_vring_state state = {index, 0};
	struct vhost_user_message reply = {0};
	int result = ask_plainly(
		connection, VHOST_USER_GET_VRING_BASE, &state, sizeof state, &reply, sizeof state);

	if (result == 0 && reply.payload.vring_state.index != index)
		result = -EPROTO;
	if (result == 0 && base)
		*base = reply.payload.vring_state.number;
	return result;
}

int vhost_user_ask_inflight(
	struct vhost_user_connection *connection, struct vhost_user_inflight *inflight)
{
	struct vhost_user_message reply;
	int result, fd;

	result = vhost_user_ask(
		connection, VHOST_USER_GET_INFLIGHT_FD, inflight, sizeof *inflight, &reply);
	if (result < 0)
		return result;
	fd = vhost_user_take_fd(&reply, 0);
	vhost_user_close_fds(&reply);
	if (fd < 0 || reply.payload.inflight.mmap_size_bytes == 0) {
		if (fd >= 0)
			close(fd);
		return -EPROTO;
	}
	inflight->mmap_size_bytes = reply.payload.inflight.mmap_size_bytes;
	inflight->mmap_offset_bytes = reply.payload.inflight.mmap_offset_bytes;
	return fd;
}
