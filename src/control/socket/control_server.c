#include "control/socket/control_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/socket/control_listen.h"

#define READ_BYTES 16384u

struct connection {
	int socket; /* -1: a free place */
	uint64_t active_at_ns;
	char *input; /* what has come of requests */
	size_t input_bytes, input_capacity;
	char *output; /* the answer being sent; no request is looked at meanwhile */
	size_t output_bytes, output_sent;
	bool is_at_end; /* the client sends no more */
};

struct control_server {
	struct control_listener listener;
	const struct rpc_method *methods;
	void *context;
	struct connection connections[CONTROL_CONNECTIONS_MAX];
};

static void close_connection(struct connection *connection)
{
	close(connection->socket);
	free(connection->input);
	free(connection->output);
	*connection = (struct connection){.socket = -1};
}

int control_server_open(const char *path, const char *group, const struct rpc_method *methods,
	void *context, struct control_server **server, struct error *error)
{
	int result;

	*server = calloc(1, sizeof **server);
	if (!*server)
		return error_set(error, -ENOMEM, "out of memory");
	(*server)->methods = methods;
	(*server)->context = context;
	for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		(*server)->connections[i].socket = -1;
	result = control_listen(path, group, &(*server)->listener, error);
	if (result < 0) {
		free(*server);
		*server = NULL;
	}
	return result;
}

void control_server_close(struct control_server *server)
{
	if (!server)
		return;
	for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		if (server->connections[i].socket >= 0)
			close_connection(&server->connections[i]);
	control_listener_close(&server->listener);
	free(server);
}

/* A free place, or that of the client that has been silent longest. */
static struct connection *place(struct control_server *server)
{
	struct connection *oldest = &server->connections[0];

	for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
		struct connection *connection = &server->connections[i];

		if (connection->socket < 0)
			return connection;
		if (connection->active_at_ns < oldest->active_at_ns)
			oldest = connection;
	}
	close_connection(oldest);
	return oldest;
}

static void accept_client(struct control_server *server)
{
	int socket = accept4(server->listener.socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (socket >= 0)
		*place(server) = (struct connection){
			.socket = socket,
			.active_at_ns = clock_now_ns(),
		};
}

/* Send what the client takes. Returns false if the connection is of no more use. */
static bool send_output(struct connection *connection)
{
	ssize_t sent = send(connection->socket, connection->output + connection->output_sent,
		connection->output_bytes - connection->output_sent, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	connection->output_sent += (size_t)sent;
	if (connection->output_sent < connection->output_bytes)
		return true;
	free(connection->output);
	connection->output = NULL;
	return true;
}

/* Answer requests that are complete, until an answer has to wait for the client. */
static bool answer_requests(struct control_server *server, struct connection *connection)
{
	char *end;

	while (!connection->output && connection->input_bytes &&
		(end = memchr(connection->input, '\n', connection->input_bytes))) {
		size_t length = (size_t)(end - connection->input);

		if (length)
			connection->output = rpc_answer(
				server->methods, server->context, connection->input, length);
		connection->input_bytes -= length + 1;
		memmove(connection->input, end + 1, connection->input_bytes);
		if (!connection->output)
			continue;
		connection->output_bytes = strlen(connection->output);
		connection->output_sent = 0;
		if (!send_output(connection))
			return false;
	}
	if (connection->is_at_end)
		return connection->output != NULL;
	return connection->output || connection->input_bytes < RPC_LINE_BYTES_MAX;
}

static bool make_room(struct connection *connection)
{
	size_t wanted = connection->input_bytes + READ_BYTES;
	char *grown;

	if (wanted <= connection->input_capacity)
		return true;
	grown = realloc(connection->input, wanted * 2);
	if (!grown)
		return false;
	connection->input = grown;
	connection->input_capacity = wanted * 2;
	return true;
}

static bool receive_input(struct connection *connection)
{
	ssize_t count;

	if (!make_room(connection))
		return false;
	count = recv(
		connection->socket, connection->input + connection->input_bytes, READ_BYTES, 0);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR;
	connection->is_at_end = count == 0;
	connection->input_bytes += (size_t)count;
	return true;
}

static void serve(struct control_server *server, struct connection *connection)
{
	bool is_good = connection->output ? send_output(connection) : receive_input(connection);

	connection->active_at_ns = clock_now_ns();
	if (!is_good || !answer_requests(server, connection))
		close_connection(connection);
}

/* Returns how many there are. */
static unsigned list_clients(const struct control_server *server, struct pollfd *fds)
{
	for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
		const struct connection *connection = &server->connections[i];

		fds[i].fd = connection->socket;
		fds[i].events = connection->output ? POLLOUT : POLLIN;
	}
	fds[CONTROL_CONNECTIONS_MAX] = (struct pollfd){server->listener.socket, POLLIN, 0};
	return CONTROL_CONNECTIONS_MAX + 1;
}

void control_server_wait(
	struct control_server *server, struct pollfd *others, unsigned count, int timeout_ms)
{
	struct pollfd fds[CONTROL_CONNECTIONS_MAX + 1 + CONTROL_OTHERS_MAX];
	unsigned clients = list_clients(server, fds);

	for (unsigned i = 0; i < count; i++)
		others[i].revents = 0;
	memcpy(&fds[clients], others, count * sizeof *others);
	if (poll(fds, clients + count, timeout_ms) < 0)
		return;
	for (unsigned i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		if (fds[i].fd >= 0 && fds[i].revents)
			serve(server, &server->connections[i]);
	if (fds[CONTROL_CONNECTIONS_MAX].revents)
		accept_client(server);
	memcpy(others, &fds[clients], count * sizeof *others);
}
