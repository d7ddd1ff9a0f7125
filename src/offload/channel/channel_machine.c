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
 * A server that ends may leave its machine to the next one of the same region, which gets both descriptors: the machine never notices. So closing
 * the socket does not say that the conversation is over; that is said by shutting it down.
 *
 * No more than that may be said: QEMU frees what it has of a peer when it hears that this has gone, and uses it when it hears of that peer
 * again.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/packet.h"
#include "offload/channel/channel_control.h"

#define PROTOCOL_VERSION 0
#define NUMBER_OF_MEMORY (-1)

/* ---- messages ---- */

/* The socket is new, and there is room for all of them. */
static bool say(int socket, int64_t number, int fd)
{
	return packet_send(socket, &number, sizeof number, MSG_DONTWAIT, &fd, fd >= 0) == 0;
}

static bool welcome(const struct channel_machine *machine, int memory)
{
	return say(machine->socket, PROTOCOL_VERSION, CHANNEL_NO_FD) &&
	       say(machine->socket, CHANNEL_PEER_MACHINE, CHANNEL_NO_FD) &&
	       say(machine->socket, NUMBER_OF_MEMORY, memory) &&
	       say(machine->socket, CHANNEL_PEER_HOST, machine->doorbell);
}

/* ---- coming ---- */

static void set_machine(struct channel_server *server, struct channel_machine machine)
{
	pthread_mutex_lock(&server->machine_lock);
	server->machine = machine;
	pthread_mutex_unlock(&server->machine_lock);
}

/* From here on a successor may be told of it, too. */
static void take_over(struct channel_server *server, struct channel_machine machine)
{
	set_machine(server, machine);
	sidecore_call(server->config.sidecore, channel_lobby_set_doorbell, server);
}

/* Returns false if there is no descriptor for its doorbell. */
static bool take_in(struct channel_server *server, int socket)
{
	struct channel_machine machine = {.socket = socket};

	if (server->machine.socket >= 0) {
		log_from(&server->log, LOG_LEVEL_WARNING,
			"a second VM asks for the region, which is one VM's; it is sent away");
		close(socket);
		return true;
	}
	machine.doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine.doorbell < 0) {
		close(socket);
		return false;
	}
	if (welcome(&machine, server->region.fd)) {
		take_over(server, machine);
		return true;
	}
	close(machine.socket);
	close(machine.doorbell);
	return true;
}

void channel_machine_take_over(struct channel_server *server)
{
	if (server->config.machine.socket >= 0)
		take_over(server, server->config.machine);
}

bool channel_machine_can_accept(const struct channel_server *server)
{
	return server->machine.socket >= 0 || server->machine.doorbell < 0;
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

void channel_machine_let_go(struct channel_server *server)
{
	const struct channel_machine machine = server->machine;

	if (machine.socket < 0)
		return;
	set_machine(server, (struct channel_machine){CHANNEL_NO_FD, machine.doorbell});
	close(machine.socket);
	sidecore_call(server->config.sidecore, channel_lobby_drop_doorbell, server);
}

/* Whoever has a copy of the socket. */
void channel_machine_hang_up(struct channel_server *server)
{
	shutdown(server->machine.socket, SHUT_RDWR);
	channel_machine_let_go(server);
}

void channel_machine_clean_up(struct channel_server *server)
{
	const struct channel_machine machine = server->machine;

	if (machine.socket >= 0 || machine.doorbell < 0 ||
		__atomic_load_n(&server->is_doorbell_watched, __ATOMIC_ACQUIRE))
		return;
	set_machine(server, (struct channel_machine){CHANNEL_NO_FD, CHANNEL_NO_FD});
	close(machine.doorbell);
}

bool channel_machine_is_over(const struct channel_server *server)
{
	return server->machine.socket < 0 && server->machine.doorbell < 0;
}

/* ---- a successor ---- */

static int copy(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

struct channel_machine channel_server_share_machine(struct channel_server *server)
{
	struct channel_machine copies = {CHANNEL_NO_FD, CHANNEL_NO_FD};

	pthread_mutex_lock(&server->machine_lock);
	if (server->machine.socket >= 0)
		copies = (struct channel_machine){
			copy(server->machine.socket), copy(server->machine.doorbell)};
	pthread_mutex_unlock(&server->machine_lock);
	if ((copies.socket < 0) == (copies.doorbell < 0))
		return copies;
	close(copies.socket < 0 ? copies.doorbell : copies.socket);
	return (struct channel_machine){CHANNEL_NO_FD, CHANNEL_NO_FD};
}
