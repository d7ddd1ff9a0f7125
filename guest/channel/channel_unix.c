/*
 * Theory of operation. Each connection is a socket of its own, so that the host sees when this process dies, and this process when the
 * host does. Nothing is said over it but the host's welcome, with the region, which is mapped once however many connections
 * there are. A host that was started anew has another region; the old one stays mapped while a connection of it is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel_private.h"

#define WELCOME_WAIT_S 10

/* ---- the socket ---- */

static int open_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval wait = {.tv_sec = WELCOME_WAIT_S};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int result;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
	if (connect(fd, (const void *)&address, sizeof address) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

static void close_all(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Take the descriptors that came with a message. Returns how many there are. */
static unsigned take_descriptors(struct msghdr *header, int *fds)
{
	struct cmsghdr *control = CMSG_FIRSTHDR(header);
	unsigned count;

	if (!control || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
		return 0;
	count = (unsigned)((control->cmsg_len - CMSG_LEN(0)) / sizeof *fds);
	memcpy(fds, CMSG_DATA(control), count * sizeof *fds);
	return count;
}

/* Returns 0, with three descriptors, or a negative errno. */
static int receive_welcome(int socket, struct sluice_channel_welcome *welcome, int *fds)
{
	union {
		char bytes[CMSG_SPACE(SLUICE_CHANNEL_DESCRIPTORS * sizeof *fds)];
		struct cmsghdr header;
	} control;
	struct iovec part = {welcome, sizeof *welcome};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	ssize_t bytes;
	unsigned count;

	do
		bytes = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	while (bytes < 0 && errno == EINTR);
	if (bytes <= 0)
		return -ECONNREFUSED;
	count = take_descriptors(&header, fds);
	if (bytes == sizeof *welcome && welcome->magic == SLUICE_CHANNEL_MAGIC) {
		if (welcome->version != SLUICE_CHANNEL_VERSION)
			goto fail_version;
		if (welcome->status == 0 && count == SLUICE_CHANNEL_DESCRIPTORS)
			return 0;
		close_all(fds, count);
		return welcome->status < 0 ? welcome->status : -EPROTO;
	}
	close_all(fds, count);
	return -EPROTO;

fail_version:
	close_all(fds, count);
	return -EPROTONOSUPPORT;
}

/* ---- the region ---- */

/* With the lock. */
static void let_go(struct channel_region *region)
{
	if (!region || --region->users > 0)
		return;
	channel_region_unmap(region);
	free(region);
}

static bool is_same(const struct channel_region *region, int fd)
{
	struct stat status;

	return region && fstat(fd, &status) == 0 && region->device == status.st_dev &&
	       region->inode == status.st_ino;
}

/* With the lock. The newest one, after this; the channel uses it, too. */
static int replace_region(struct channel *channel, int fd, const struct channel_message *message)
{
	struct channel_region *region = calloc(1, sizeof *region);
	int result;

	if (!region)
		return -ENOMEM;
	result = channel_region_map(region, fd, message);
	if (result < 0) {
		free(region);
		return result;
	}
	region->users = 1;
	let_go(channel->newest);
	channel->newest = region;
	return 0;
}

static int use_region(struct channel *channel, int fd, struct channel_region **region,
	const struct channel_message *message)
{
	int result = 0;

	pthread_mutex_lock(&channel->lock);
	if (!is_same(channel->newest, fd))
		result = replace_region(channel, fd, message);
	if (result == 0) {
		*region = channel->newest;
		(*region)->users++;
	}
	pthread_mutex_unlock(&channel->lock);
	return result;
}

/* ---- connections ---- */

static int greet(struct channel *channel, struct channel_connection *connection, int socket,
	const struct channel_message *message)
{
	struct sluice_channel_welcome welcome;
	int fds[SLUICE_CHANNEL_DESCRIPTORS];
	int result = receive_welcome(socket, &welcome, fds);

	if (result < 0)
		return result;
	result = use_region(channel, fds[SLUICE_CHANNEL_REGION], &connection->region, message);
	if (result == 0 && welcome.slot >= connection->region->layout.slot_count)
		result = -EPROTO;
	if (result != 0) {
		close_all(fds, SLUICE_CHANNEL_DESCRIPTORS);
		return result;
	}
	close(fds[SLUICE_CHANNEL_REGION]);
	connection->doorbell = fds[SLUICE_CHANNEL_DOORBELL];
	connection->call = fds[SLUICE_CHANNEL_CALL];
	connection->header = channel_region_header(connection->region);
	connection->slot = channel_region_slot(connection->region, welcome.slot);
	connection->slot_index = welcome.slot;
	connection->slot_epoch = welcome.slot_epoch;
	connection->host_epoch = read_shared(connection->header->host.host_epoch);
	return 0;
}

static void hang_up(struct channel *channel, struct channel_connection *connection)
{
	int fds[] = {connection->doorbell, connection->call, connection->socket};

	close_all(fds, sizeof fds / sizeof *fds);
	pthread_mutex_lock(&channel->lock);
	let_go(connection->region);
	pthread_mutex_unlock(&channel->lock);
}

static int connect_and_say(struct channel *channel, struct channel_connection *connection,
	const struct channel_message *message)
{
	int result = open_socket(channel->path);

	if (result < 0)
		return result;
	connection->socket = result;
	result = greet(channel, connection, connection->socket, message);
	if (result != 0)
		hang_up(channel, connection);
	return result;
}

/* A socket that is not there, or whose host is on its way out, is a host that does not serve now. */
static int connect_socket(struct channel *channel, struct channel_connection *connection)
{
	int result = connect_and_say(channel, connection, NULL);

	return result == -ENOENT || result == -ECONNRESET ? -ECONNREFUSED : result;
}

static bool ring_eventfd(struct channel_connection *connection)
{
	const uint64_t one = 1;

	/* It cannot fail but by being full, and then it has been rung. */
	while (write(connection->doorbell, &one, sizeof one) < 0 && errno == EINTR)
		;
	return true;
}

/* The host says nothing after its welcome, so whatever comes over the socket is its end. */
static bool sleep_until_called(struct channel_connection *connection, unsigned nap)
{
	struct pollfd events[] = {
		{.fd = connection->call, .events = POLLIN},
		{.fd = connection->socket, .events = POLLIN | POLLRDHUP},
	};
	uint64_t calls;

	if (poll(events, 2, -1) < 0)
		return errno == EINTR;
	if (events[0].revents && read(connection->call, &calls, sizeof calls) < 0 &&
		errno != EAGAIN && errno != EINTR)
		return false;
	return events[1].revents == 0;
}

static void close_unix(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	let_go(channel->newest);
	pthread_mutex_unlock(&channel->lock);
}

static const struct channel_transport unix_transport = {
	.connect = connect_socket,
	.disconnect = hang_up,
	.ring_doorbell = ring_eventfd,
	.sleep = sleep_until_called,
	.close = close_unix,
};

/* ---- opening ---- */

static int explain(const struct channel_message *message, const char *path, int result)
{
	if (result == -EAGAIN)
		return channel_fail(message, result,
			"%s: as many connections as the channel has room for are in use", path);
	if (result == -EPROTONOSUPPORT)
		return channel_fail(message, result,
			"%s: the host speaks another version of the channel than %u", path,
			SLUICE_CHANNEL_VERSION);
	return channel_fail(message, result,
		"%s: %s; is a module's host running, and may this "
		"user connect to it?",
		path, strerror(-result));
}

/* One connection shows whether it is a channel, and which. */
static int probe(struct channel *channel, const struct channel_message *message)
{
	struct channel_connection connection = {
		.socket = CHANNEL_NO_FD, .doorbell = CHANNEL_NO_FD, .call = CHANNEL_NO_FD};
	int result = connect_and_say(channel, &connection, message);

	if (result != 0)
		return result;
	channel->message_bytes_max = connection.region->layout.message_bytes_max;
	hang_up(channel, &connection);
	return 0;
}

int channel_unix_open(
	struct channel **channel, const char *path, const struct channel_message *message)
{
	struct channel *new_one;
	int result;

	if (strlen(path) >= sizeof new_one->path)
		return channel_fail(message, -ENAMETOOLONG, "%s is too long for a socket", path);
	new_one = channel_new(&unix_transport);
	if (!new_one)
		return channel_fail(message, -ENOMEM, "no memory");
	snprintf(new_one->path, sizeof new_one->path, "%s", path);
	result = probe(new_one, message);
	if (result < 0) {
		explain(message, path, result);
		channel_close(new_one);
		return result;
	}
	*channel = new_one;
	return 0;
}
