#include "base/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
	char bytes[CMSG_SPACE(PACKET_DESCRIPTORS_MAX * sizeof(int))];
	struct cmsghdr header; /* aligned as this is */
};

int packet_send(int socket, const void *data, size_t bytes, int flags, const int *fds, size_t count)
{
	struct iovec part = {(void *)data, bytes};
	union control control = {.header = {.cmsg_len = CMSG_LEN(count * sizeof *fds),
					 .cmsg_level = SOL_SOCKET,
					 .cmsg_type = SCM_RIGHTS}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (count > 0) {
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof *fds);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof *fds);
	}
	sent = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == bytes ? 0 : -EMSGSIZE;
}

static size_t take_descriptors(struct msghdr *message, int *fds)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	size_t bytes;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return 0;
	bytes = header->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(header), bytes);
	return bytes / sizeof *fds;
}

ssize_t packet_receive(
	int socket, void *data, size_t bytes, int flags, struct packet_descriptors *descriptors)
{
	struct iovec part = {data, bytes};
	union control control;
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(descriptors->capacity * sizeof(int))};
	ssize_t length = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC);

	descriptors->count = 0;
	if (length < 0)
		return -errno;
	/* An empty packet looks like the end, and may have some all the same. */
	descriptors->count = take_descriptors(&message, descriptors->fds);
	if (length > 0 && (size_t)length <= bytes)
		return length;
	packet_close_descriptors(descriptors->fds, descriptors->count);
	descriptors->count = 0;
	return length;
}

void packet_close_descriptors(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}
