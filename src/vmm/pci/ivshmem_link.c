#include "vmm/pci/ivshmem_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define NO_FD (-1)
#define PROTOCOL_VERSION 0
#define NUMBER_OF_MEMORY (-1)
#define PATIENCE_NS (2 * NS_PER_S)
#define MESSAGES_MAX 64u /* until all is known */
#define FDS_ROOM 4u	 /* a message has one at most; more would be closed unseen by the kernel */

struct ivshmem_link ivshmem_link_none(void)
{
	return (struct ivshmem_link){.socket = NO_FD, .memory_fd = NO_FD, .doorbell_fd = NO_FD};
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = NO_FD;
}

void ivshmem_link_close(struct ivshmem_link *link)
{
	close_fd(&link->socket);
	close_fd(&link->memory_fd);
	close_fd(&link->doorbell_fd);
}

/* ---- messages ---- */

struct message {
	int64_t number;
	int fd;
};

/* The first descriptor is the message's; others there are none of. */
static int take_fd(struct msghdr *header)
{
	int fds[FDS_ROOM], first = NO_FD;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
		const size_t bytes = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS ||
			bytes > sizeof fds)
			continue;
		memcpy(fds, CMSG_DATA(part), bytes);
		for (unsigned i = 0; i < bytes / sizeof *fds; i++)
			if (first < 0)
				first = fds[i];
			else
				close(fds[i]);
	}
	return first;
}

static int wait_for(int socket, uint64_t deadline_ns)
{
	const uint64_t now_ns = clock_now_ns();
	struct pollfd event = {.fd = socket, .events = POLLIN};
	int count;

	if (now_ns >= deadline_ns)
		return -ETIMEDOUT;
	count = poll(&event, 1, (int)((deadline_ns - now_ns) / NS_PER_MS) + 1);
	return count < 0 && errno != EINTR ? -errno : 0;
}

/* Some bytes of a number, and its descriptor, if that comes with them. Returns how many, 0 if there are none yet, or a negative errno. */
static int receive_some(int socket, uint8_t *bytes, size_t size, int *fd)
{
	union {
		char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec part = {bytes, size};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	ssize_t count = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int received;

	if (count == 0)
		return -ECONNRESET;
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	received = take_fd(&header);
	if (received < 0)
		return (int)count;
	if (*fd >= 0)
		close(*fd);
	*fd = received;
	return (int)count;
}

static int receive(int socket, uint64_t deadline_ns, struct message *message)
{
	uint8_t bytes[sizeof message->number];
	size_t have = 0;
	int result = 0;

	message->fd = NO_FD;
	while (result >= 0 && have < sizeof bytes) {
		result = wait_for(socket, deadline_ns);
		if (result == 0)
			result = receive_some(
				socket, bytes + have, sizeof bytes - have, &message->fd);
		if (result > 0)
			have += (size_t)result;
	}
	memcpy(&message->number, bytes, sizeof bytes);
	if (result < 0)
		close_fd(&message->fd);
	return result < 0 ? result : 0;
}

/* ---- what they say ---- */

/* The version, then this device's number, which are not accompanied. */
static int receive_plain(int socket, uint64_t deadline_ns, int64_t *number)
{
	struct message message;
	int result = receive(socket, deadline_ns, &message);

	if (result < 0)
		return result;
	*number = message.number;
	if (message.fd < 0)
		return 0;
	close(message.fd);
	return -EPROTO;
}

static int begin(struct ivshmem_link *link, uint64_t deadline_ns)
{
	int64_t version, number;
	int result = receive_plain(link->socket, deadline_ns, &version);

	/* It hangs up on who comes while another is there. */
	if (result == -ECONNRESET)
		return -EBUSY;
	if (result == 0 && version != PROTOCOL_VERSION)
		return -EPROTO;
	if (result == 0)
		result = receive_plain(link->socket, deadline_ns, &number);
	if (result == 0 && (number < 0 || number > UINT16_MAX))
		return -EPROTO;
	if (result == 0)
		link->number = (uint16_t)number;
	return result;
}

/* Of eventfds, those that would interrupt this device are of no use to it, nor those of other vectors than the first. */
static int take(struct ivshmem_link *link, struct message *message)
{
	int *place = message->number == NUMBER_OF_MEMORY ? &link->memory_fd : &link->doorbell_fd;

	if (message->number < NUMBER_OF_MEMORY || message->number > UINT16_MAX ||
		(message->number == NUMBER_OF_MEMORY && message->fd < 0)) {
		close_fd(&message->fd);
		return -EPROTO;
	}
	if (message->number != link->number && message->fd >= 0 && *place < 0)
		*place = message->fd;
	else
		close_fd(&message->fd);
	return 0;
}

static int receive_rest(struct ivshmem_link *link, uint64_t deadline_ns)
{
	struct message message;
	int result = 0;

	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		result = receive(link->socket, deadline_ns, &message);
		if (result == 0)
			result = take(link, &message);
		if (result < 0)
			return result;
		if (link->memory_fd >= 0 && link->doorbell_fd >= 0)
			return 0;
	}
	return -EPROTO;
}

int ivshmem_link_begin(struct ivshmem_link *link, int socket, struct error *error)
{
	const uint64_t deadline_ns = clock_now_ns() + PATIENCE_NS;
	int result;

	*link = ivshmem_link_none();
	link->socket = socket;
	result = begin(link, deadline_ns);
	if (result == 0)
		result = receive_rest(link, deadline_ns);
	if (result == 0)
		return 0;
	ivshmem_link_close(link);
	if (result == -EBUSY)
		return error_set(error, result,
			"the module's memory is another VM's; stop that one, or give this one a "
			"module of its own");
	return error_set(error, result, "the module does not say where its memory is: %s",
		strerror(-result));
}

/* ---- connecting ---- */

int ivshmem_link_connect(struct ivshmem_link *link, const char *path, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = PATIENCE_NS / NS_PER_S};
	int fd, result;

	*link = ivshmem_link_none();
	if (strlen(path) >= sizeof address.sun_path)
		return error_set(error, -ENAMETOOLONG, "socket path %s is too long", path);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(error, -errno, "no socket: %s", strerror(errno));
	/* It waits for room in the server's queue of connections. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (connect(fd, (const void *)&address, sizeof address) == 0)
		return ivshmem_link_begin(link, fd, error);
	result = -errno;
	close(fd);
	return error_set(error, result, "cannot connect to %s: %s; is sluiced running?", path,
		strerror(-result));
}
