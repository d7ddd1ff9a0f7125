#include "virtio/vhost_user_message.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* Room for more descriptors than are legal, so that surplus ones are seen and closed here. */
#define FDS_ACCEPTED_MAX (2 * VHOST_USER_FDS_MAX)

union control_buffer {
	struct cmsghdr align;
	char bytes[CMSG_SPACE((size_t)FDS_ACCEPTED_MAX * sizeof(int))];
};

static const char *const request_names[VHOST_USER_REQUESTS] = {
	[VHOST_USER_GET_FEATURES] = "GET_FEATURES",
	[VHOST_USER_SET_FEATURES] = "SET_FEATURES",
	[VHOST_USER_SET_OWNER] = "SET_OWNER",
	[VHOST_USER_RESET_OWNER] = "RESET_OWNER",
	[VHOST_USER_SET_MEM_TABLE] = "SET_MEM_TABLE",
	[VHOST_USER_SET_LOG_BASE] = "SET_LOG_BASE",
	[VHOST_USER_SET_LOG_FD] = "SET_LOG_FD",
	[VHOST_USER_SET_VRING_NUM] = "SET_VRING_NUM",
	[VHOST_USER_SET_VRING_ADDR] = "SET_VRING_ADDR",
	[VHOST_USER_SET_VRING_BASE] = "SET_VRING_BASE",
	[VHOST_USER_GET_VRING_BASE] = "GET_VRING_BASE",
	[VHOST_USER_SET_VRING_KICK] = "SET_VRING_KICK",
	[VHOST_USER_SET_VRING_CALL] = "SET_VRING_CALL",
	[VHOST_USER_SET_VRING_ERR] = "SET_VRING_ERR",
	[VHOST_USER_GET_PROTOCOL_FEATURES] = "GET_PROTOCOL_FEATURES",
	[VHOST_USER_SET_PROTOCOL_FEATURES] = "SET_PROTOCOL_FEATURES",
	[VHOST_USER_GET_QUEUE_NUM] = "GET_QUEUE_NUM",
	[VHOST_USER_SET_VRING_ENABLE] = "SET_VRING_ENABLE",
	[VHOST_USER_NET_SET_MTU] = "NET_SET_MTU",
	[VHOST_USER_SET_BACKEND_REQ_FD] = "SET_BACKEND_REQ_FD",
	[VHOST_USER_GET_CONFIG] = "GET_CONFIG",
	[VHOST_USER_SET_CONFIG] = "SET_CONFIG",
	[VHOST_USER_GET_INFLIGHT_FD] = "GET_INFLIGHT_FD",
	[VHOST_USER_SET_INFLIGHT_FD] = "SET_INFLIGHT_FD",
	[VHOST_USER_RESET_DEVICE] = "RESET_DEVICE",
	[VHOST_USER_GET_MAX_MEM_SLOTS] = "GET_MAX_MEM_SLOTS",
	[VHOST_USER_ADD_MEM_REG] = "ADD_MEM_REG",
	[VHOST_USER_REM_MEM_REG] = "REM_MEM_REG",
	[VHOST_USER_SET_STATUS] = "SET_STATUS",
	[VHOST_USER_GET_STATUS] = "GET_STATUS",
};

const char *vhost_user_request_name(uint32_t request)
{
	if (request >= VHOST_USER_REQUESTS || !request_names[request])
		return "unknown request";
	return request_names[request];
}

int vhost_user_take_fd(struct vhost_user_message *message, unsigned index)
{
	int fd;

	if (index >= message->fd_count)
		return -1;
	fd = message->fds[index];
	message->fds[index] = -1;
	return fd;
}

void vhost_user_close_fds(struct vhost_user_message *message)
{
	for (unsigned i = 0; i < message->fd_count; i++) {
		int fd = vhost_user_take_fd(message, i);

		if (fd >= 0)
			close(fd);
	}
	message->fd_count = 0;
}

/* Keep one descriptor that the kernel has installed; false (and closed) if there is no room. */
static bool keep_fd(struct vhost_user_message *message, int fd)
{
	if (message->fd_count == VHOST_USER_FDS_MAX) {
		close(fd);
		return false;
	}
	message->fds[message->fd_count++] = fd;
	return true;
}

static bool keep_fds(struct vhost_user_message *message, struct msghdr *msg)
{
	bool all_kept = !(msg->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (!keep_fd(message, fd))
				all_kept = false;
		}
	}
	return all_kept;
}

/* Until the next byte can be moved. Returns 0 or a negative errno. */
static int wait_for(int socket, short events, uint64_t deadline_ns)
{
	struct pollfd ready = {socket, events, 0};
	uint64_t now_ns, left_ms;

	while ((now_ns = clock_now_ns()) < deadline_ns) {
		int result;

		left_ms = (deadline_ns - now_ns) / NS_PER_MS + 1;
		result = poll(&ready, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
		if (result > 0)
			return 0;
		if (result < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

static bool should_try_again(uint64_t deadline_ns)
{
	return errno == EINTR || (deadline_ns && errno == EAGAIN);
}

/* Read exactly `size` bytes, gathering the descriptors that come with any of them. */
static int receive_bytes(
	int socket, struct vhost_user_message *message, void *to, size_t size, uint64_t deadline_ns)
{
	const int flags = MSG_CMSG_CLOEXEC | (deadline_ns ? MSG_DONTWAIT : 0);
	size_t done = 0;

	while (done < size) {
		int result = deadline_ns ? wait_for(socket, POLLIN, deadline_ns) : 0;
		union control_buffer control;
		struct iovec iov = {.iov_base = (char *)to + done, .iov_len = size - done};
		struct msghdr msg = {.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes)};
		ssize_t received;

		if (result < 0)
			return result;
		received = recvmsg(socket, &msg, flags);
		if (received < 0 && should_try_again(deadline_ns))
			continue;
		if (received < 0)
			return -errno;
		if (!keep_fds(message, &msg))
			return -EPROTO;
		if (received == 0)
			return -ECONNRESET;
		done += (size_t)received;
	}
	return 0;
}

static bool header_is_sane(const struct vhost_user_header *header)
{
	return (header->flags & VHOST_USER_VERSION_MASK) == VHOST_USER_VERSION &&
	       header->size_bytes <= sizeof(union vhost_user_payload);
}

int vhost_user_receive_by(int socket, struct vhost_user_message *message, uint64_t deadline_ns)
{
	int result;

	memset(message, 0, sizeof(*message));
	result = receive_bytes(
		socket, message, &message->header, sizeof(message->header), deadline_ns);
	if (!result && !header_is_sane(&message->header))
		result = -EPROTO;
	if (!result)
		result = receive_bytes(socket, message, &message->payload,
			message->header.size_bytes, deadline_ns);
	if (result)
		vhost_user_close_fds(message);
	return result;
}

int vhost_user_receive(int socket, struct vhost_user_message *message)
{
	return vhost_user_receive_by(socket, message, 0);
}

static void attach_fds(
	struct msghdr *msg, union control_buffer *control, const int *fds, unsigned fd_count)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	msg->msg_control = control->bytes;
	msg->msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
	memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
}

static int send_message(
	int socket, const struct vhost_user_message *message, int flags, uint64_t deadline_ns)
{
	const size_t size = sizeof(message->header) + message->header.size_bytes;
	union control_buffer control;
	char bytes[sizeof(message->header) + sizeof(message->payload)];
	size_t done = 0;

	if (size > sizeof(bytes) || message->fd_count > VHOST_USER_FDS_MAX)
		return -EINVAL;
	memcpy(bytes, &message->header, sizeof(message->header));
	memcpy(bytes + sizeof(message->header), &message->payload, message->header.size_bytes);
	while (done < size) {
		struct iovec iov = {.iov_base = bytes + done, .iov_len = size - done};
		struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
		int result = deadline_ns ? wait_for(socket, POLLOUT, deadline_ns) : 0;
		ssize_t sent;

		if (result < 0)
			return result;
		if (done == 0 && message->fd_count > 0)
			attach_fds(&msg, &control, message->fds, message->fd_count);
		sent = sendmsg(socket, &msg, MSG_NOSIGNAL | flags);
		if (sent < 0 && should_try_again(deadline_ns))
			continue;
		if (sent < 0)
			return -errno;
		done += (size_t)sent;
	}
	return 0;
}

int vhost_user_send(int socket, const struct vhost_user_message *message)
{
	return send_message(socket, message, 0, 0);
}

int vhost_user_send_by(int socket, const struct vhost_user_message *message, uint64_t deadline_ns)
{
	return send_message(socket, message, deadline_ns ? MSG_DONTWAIT : 0, deadline_ns);
}

int vhost_user_send_now(int socket, const struct vhost_user_message *message)
{
	return send_message(socket, message, MSG_DONTWAIT, 0);
}
