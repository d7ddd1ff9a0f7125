/*
 * The machine that a region is in: QEMU with an ivshmem-doorbell device, or sluice-vm. To it this is an ivshmem server (QEMU's
 * docs/specs/ivshmem-spec, "The ivshmem Client-Server Protocol").
 *
 * Theory of operation. The machine is told the protocol's version, its own number as a peer, the memory, and one other peer, which is
 * this host, with the eventfd that is written to when the guest rings it; then nothing more, and it never says anything. It
 * is not told of eventfds that would interrupt its guest: nobody would ring them. One machine is here at a time, as the region is one
 * VM's; its eventfd is its own, so that an earlier one rings nobody. It is closed when the sidecore has let go of it, and until
 * then the next machine waits to be accepted.
 *
 * No more than that may be said: QEMU frees what it has of a peer when it hears that this has gone, and uses it when it hears of that peer
 * again.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "offload/channel/channel_control.h"

#define PROTOCOL_VERSION 0
#define NUMBER_OF_MEMORY (-1)

/* ---- messages ---- */

/* The socket is new, and there is room for all of them. */
static bool say(int socket, int64_t number, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof fd)];
		struct cmsghdr header;
	} control = {0};
	struct iovec part = {&number, sizeof number};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof control.bytes;
	}
	return sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof number;
}

static bool welcome(const struct channel_server *server)
{
	const int socket = server->machine;

	return say(socket, PROTOCOL_VERSION, CHANNEL_NO_FD) &&
	       say(socket, CHANNEL_PEER_MACHINE, CHANNEL_NO_FD) &&
	       say(socket, NUMBER_OF_MEMORY, server->region.fd) &&
	       say(socket, CHANNEL_PEER_HOST, server->machine_doorbell_fd);
}

/* ---- coming ---- */

/* Returns false if there is no descriptor for its doorbell. */
static bool take_in(struct channel_server *server, int socket)
{
	if (server->machine >= 0) {
		log_from(&server->log, LOG_LEVEL_WARNING,
			"a second VM asks for the region, which is one VM's; it is sent away");
		close(socket);
		return true;
	}
	server->machine_doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->machine_doorbell_fd < 0) {
		close(socket);
		return false;
	}
	server->machine = socket;
	sidecore_call(server->config.sidecore, channel_lobby_set_doorbell, server);
	if (!welcome(server))
		channel_machine_hang_up(server);
	return true;
}

bool channel_machine_can_accept(const struct channel_server *server)
{
	return server->machine >= 0 || server->machine_doorbell_fd < 0;
}

/* One: whether the last one has gone is to be known before the next is looked at. */
bool channel_machine_accept(struct channel_server *server)
{
	int socket;

	if (!channel_machine_can_accept(server))
		return true;
	socket =
		accept4(server->config.machine_listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket >= 0)
		return take_in(server, socket);
	return errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS;
}

/* ---- going ---- */

void channel_machine_hang_up(struct channel_server *server)
{
	if (server->machine < 0)
		return;
	close(server->machine);
	server->machine = CHANNEL_NO_FD;
	sidecore_call(server->config.sidecore, channel_lobby_drop_doorbell, server);
}

void channel_machine_clean_up(struct channel_server *server)
{
	if (server->machine >= 0 || server->machine_doorbell_fd < 0 ||
		__atomic_load_n(&server->is_doorbell_watched, __ATOMIC_ACQUIRE))
		return;
	close(server->machine_doorbell_fd);
	server->machine_doorbell_fd = CHANNEL_NO_FD;
}

bool channel_machine_is_over(const struct channel_server *server)
{
	return server->machine < 0 && server->machine_doorbell_fd < 0;
}
