/*
 * What a hostile peer may write to a vhost-user socket, descriptors included.
 *
 * The first byte says how many descriptors come with the first write; the rest is the stream.
 * Whatever it is, every message is received or refused, and no descriptor stays open.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/vhost_user_message.h"

#define STREAM_BYTES_MAX 65536u
#define FDS_SENT_MAX 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_stream(int socket, const uint8_t *bytes, size_t size, unsigned fd_count)
{
	char control[CMSG_SPACE(FDS_SENT_MAX * sizeof(int))] = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd_count > 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		for (unsigned i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
	}
	if (sendmsg(socket, &msg, MSG_NOSIGNAL) < 0)
		abort();
}

/* The lowest free descriptor: one that leaks moves it up. */
static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int free_before = lowest_free_fd();
	struct vhost_user_message message;
	int sockets[2];

	if (size < 2 || size > STREAM_BYTES_MAX)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		abort();
	send_stream(sockets[0], data + 1, size - 1, data[0] % (FDS_SENT_MAX + 1));
	shutdown(sockets[0], SHUT_WR);
	while (vhost_user_receive(sockets[1], &message) == 0) {
		if (message.header.size_bytes > sizeof(message.payload))
			abort();
		(void)vhost_user_request_name(message.header.request);
		vhost_user_close_fds(&message);
	}
	close(sockets[0]);
	close(sockets[1]);
	if (lowest_free_fd() != free_before)
		abort();
	return 0;
}
