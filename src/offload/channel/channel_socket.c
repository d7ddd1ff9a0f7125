/*
 * Clients that are processes of this host: each connection has a socket.
 *
 * Theory of operation. A client that connects gets the region, a slot, and two eventfds, made for this connection, so that an earlier client
 * can ring nobody's but its own. Nothing is read from the socket; that the client is gone is all it can say.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/packet.h"
#include "offload/channel/channel_control.h"

#define ACCEPTS_MAX 16u /* in a row, so that those who go are seen */

/* ---- the welcome ---- */

static bool send_welcome(int socket, struct sluice_channel_welcome *welcome, const int *fds)
{
	const size_t count = fds ? SLUICE_CHANNEL_DESCRIPTORS : 0;

	welcome->magic = SLUICE_CHANNEL_MAGIC;
	welcome->version = SLUICE_CHANNEL_VERSION;
	return packet_send(socket, welcome, sizeof *welcome, MSG_DONTWAIT, fds, count) == 0;
}

static void refuse(int socket, int status)
{
	struct sluice_channel_welcome welcome = {.status = status};

	send_welcome(socket, &welcome, NULL);
	close(socket);
}

/* ---- on the sidecore ---- */

struct opening {
	struct channel_connection_server *connection;
	bool is_open;
};

static void open_on_sidecore(void *argument)
{
	struct opening *opening = argument;
	struct channel_connection_server *connection = opening->connection;

	opening->is_open =
		channel_connection_open(connection, sluice_channel_next_epoch(connection->epoch),
			connection->doorbell_fd, connection->call_fd);
}

static void close_on_sidecore(void *argument)
{
	channel_connection_close(argument, NULL);
}

static void free_on_sidecore(void *argument)
{
	channel_connection_free(argument);
}

/* ---- coming ---- */

static bool open_eventfds(struct channel_connection_server *connection)
{
	connection->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (connection->doorbell_fd < 0)
		return false;
	connection->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (connection->call_fd >= 0)
		return true;
	close(connection->doorbell_fd);
	return false;
}

static struct channel_connection_server *find_free(struct channel_server *server)
{
	for (unsigned i = 0; i < server->config.connections_max; i++)
		if (!server->connections[i].is_taken)
			return &server->connections[i];
	return NULL;
}

static void welcome_client(struct channel_server *server, int socket)
{
	struct channel_connection_server *connection = find_free(server);
	struct opening opening = {.connection = connection};
	struct sluice_channel_welcome welcome = {0};

	if (!connection || !open_eventfds(connection)) {
		refuse(socket, -EAGAIN);
		return;
	}
	connection->is_taken = true;
	sidecore_call(server->config.sidecore, open_on_sidecore, &opening);
	if (!opening.is_open) {
		refuse(socket, -ECONNREFUSED);
		channel_socket_clean_up(connection);
		return;
	}
	connection->socket = socket;
	welcome.slot = connection->index;
	welcome.slot_epoch = connection->epoch;
	if (!send_welcome(socket, &welcome,
		    (int[]){server->region.fd, connection->doorbell_fd, connection->call_fd}))
		channel_socket_hang_up(connection);
}

bool channel_socket_accept(struct channel_server *server)
{
	for (unsigned i = 0; i < ACCEPTS_MAX; i++) {
		int socket =
			accept4(server->config.listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (socket >= 0)
			welcome_client(server, socket);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			return false;
		else if (errno != EINTR && errno != ECONNABORTED)
			return true;
	}
	return true;
}

/* ---- going ---- */

void channel_socket_hang_up(struct channel_connection_server *connection)
{
	if (connection->socket < 0)
		return;
	close(connection->socket);
	connection->socket = CHANNEL_NO_FD;
	sidecore_call(connection->server->config.sidecore, close_on_sidecore, connection);
}

void channel_socket_clean_up(struct channel_connection_server *connection)
{
	if (!connection->is_taken || connection->socket >= 0 ||
		__atomic_load_n(&connection->state, __ATOMIC_ACQUIRE) != CHANNEL_FINISHED)
		return;
	close(connection->doorbell_fd);
	close(connection->call_fd);
	sidecore_call(connection->server->config.sidecore, free_on_sidecore, connection);
	connection->is_taken = false;
}
