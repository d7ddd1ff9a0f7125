/*
 * Theory of operation. The control thread sleeps in poll: for who wants to connect, for sockets of clients that have gone, and for the
 * sidecore, which rings when something is to be logged, a connection has finished, or a message was so large that its memory should
 * not be kept. That memory is given back when a connection was idle from one look to the next: the sidecore leaves it alone meanwhile.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "offload/channel/channel_control.h"

#define LOOK_FOR_IDLE_MS 1000
#define ACCEPT_AGAIN_MS 100 /* after descriptors have run out */

/* ---- memory of messages ---- */

static bool has_much(const struct channel_connection_server *connection)
{
	return __atomic_load_n(&connection->message_bytes_touched, __ATOMIC_RELAXED) >
	       CHANNEL_IDLE_BYTES;
}

static bool has_any_much(const struct channel_server *server)
{
	for (unsigned i = 0; i < server->config.connections_max; i++)
		if (has_much(&server->connections[i]))
			return true;
	return false;
}

static void choose_idle(void *argument)
{
	struct channel_server *server = argument;
	struct channel_connection_server *connection;

	for (unsigned i = 0; i < server->config.connections_max; i++) {
		connection = &server->connections[i];
		connection->is_trimming = has_much(connection) && !connection->was_used &&
					  !connection->is_owners_turn &&
					  connection->message_bytes == 0;
		connection->was_used = false;
	}
}

static void return_trimmed(void *argument)
{
	struct channel_server *server = argument;

	for (unsigned i = 0; i < server->config.connections_max; i++)
		if (server->connections[i].is_trimming)
			channel_connection_trimmed(&server->connections[i]);
}

static void trim(const struct channel_connection_server *connection)
{
	madvise(connection->message + CHANNEL_IDLE_BYTES,
		connection->message_bytes_touched - CHANNEL_IDLE_BYTES, MADV_DONTNEED);
}

static void give_memory_back(struct channel_server *server)
{
	sidecore_call(server->config.sidecore, choose_idle, server);
	for (unsigned i = 0; i < server->config.connections_max; i++)
		if (server->connections[i].is_trimming)
			trim(&server->connections[i]);
	sidecore_call(server->config.sidecore, return_trimmed, server);
}

/* ---- what the sidecore has rung for ---- */

static void log_trouble(struct channel_connection_server *connection)
{
	const char *trouble = __atomic_exchange_n(&connection->trouble, NULL, __ATOMIC_ACQUIRE);

	if (trouble)
		log_from(&connection->server->log, LOG_LEVEL_WARNING, "connection %u is closed: %s",
			connection->index, trouble);
}

static void look_at_connections(struct channel_server *server)
{
	uint64_t rings;

	while (read(server->wake_fd, &rings, sizeof rings) < 0 && errno == EINTR)
		;
	for (unsigned i = 0; i < server->config.connections_max; i++) {
		log_trouble(&server->connections[i]);
		channel_socket_clean_up(&server->connections[i]);
	}
	channel_machine_clean_up(server);
}

/* ---- the loop ---- */

/* These events; then one per connection. */
enum { EVENT_WAKE, EVENT_LISTEN, EVENT_LISTEN_FOR_MACHINE, EVENT_MACHINE, EVENT_FIRST_SOCKET };

struct control {
	struct channel_server *server;
	struct pollfd *events;
	bool is_out_of_descriptors;
};

static void set_events(struct control *control)
{
	struct channel_server *server = control->server;
	const bool accepts = !control->is_out_of_descriptors;

	control->events[EVENT_WAKE] = (struct pollfd){.fd = server->wake_fd, .events = POLLIN};
	control->events[EVENT_LISTEN] = (struct pollfd){
		.fd = accepts ? server->config.listen_fd : CHANNEL_NO_FD, .events = POLLIN};
	control->events[EVENT_LISTEN_FOR_MACHINE] =
		(struct pollfd){.fd = accepts && channel_machine_can_accept(server)
					      ? server->config.machine_listen_fd
					      : CHANNEL_NO_FD,
			.events = POLLIN};
	control->events[EVENT_MACHINE] =
		(struct pollfd){.fd = server->machine.socket, .events = POLLIN | POLLRDHUP};
	for (unsigned i = 0; i < server->config.connections_max; i++)
		control->events[EVENT_FIRST_SOCKET + i] = (struct pollfd){
			.fd = server->connections[i].socket, .events = POLLIN | POLLRDHUP};
}

static void wait_for_events(struct control *control)
{
	const nfds_t count = EVENT_FIRST_SOCKET + control->server->config.connections_max;
	int timeout_ms = -1;

	if (has_any_much(control->server))
		timeout_ms = LOOK_FOR_IDLE_MS;
	if (control->is_out_of_descriptors)
		timeout_ms = ACCEPT_AGAIN_MS;
	if (poll(control->events, count, timeout_ms) < 0)
		memset(control->events, 0, count * sizeof *control->events);
	control->is_out_of_descriptors = false;
}

static void handle_events(struct control *control)
{
	struct channel_server *server = control->server;

	/* Clients and machines say nothing over their sockets, so whatever comes is an end. */
	for (unsigned i = 0; i < server->config.connections_max; i++)
		if (control->events[EVENT_FIRST_SOCKET + i].revents)
			channel_socket_hang_up(&server->connections[i]);
	if (control->events[EVENT_MACHINE].revents)
		channel_machine_hang_up(server);
	look_at_connections(server);
	if (control->events[EVENT_LISTEN].revents)
		control->is_out_of_descriptors = !channel_socket_accept(server);
	if (control->events[EVENT_LISTEN_FOR_MACHINE].revents)
		control->is_out_of_descriptors |= !channel_machine_accept(server);
}

static bool is_stopping(const struct channel_server *server)
{
	return __atomic_load_n(&server->stop, __ATOMIC_ACQUIRE);
}

static void serve(struct control *control)
{
	struct channel_server *server = control->server;
	uint64_t looked_at_ns = clock_now_ns();

	while (!is_stopping(server)) {
		set_events(control);
		wait_for_events(control);
		handle_events(control);
		if (clock_now_ns() - looked_at_ns < LOOK_FOR_IDLE_MS * NS_PER_MS)
			continue;
		looked_at_ns = clock_now_ns();
		if (has_any_much(server))
			give_memory_back(server);
	}
}

static void end(struct channel_server *server)
{
	struct pollfd wake = {.fd = server->wake_fd, .events = POLLIN};

	channel_machine_let_go(server);
	sidecore_call(server->config.sidecore, channel_stop_serving, server);
	for (unsigned i = 0; i < server->config.connections_max; i++)
		channel_socket_hang_up(&server->connections[i]);
	while (!channel_is_over(server) || !channel_machine_is_over(server)) {
		poll(&wake, 1, -1);
		look_at_connections(server);
	}
	look_at_connections(server);
}

static void *thread_main(void *argument)
{
	struct control *control = argument;

	pthread_setname_np(pthread_self(), "channel");
	serve(control);
	end(control->server);
	free(control->events);
	free(control);
	return NULL;
}

/* ---- starting and stopping ---- */

int channel_control_start(struct channel_server *server, struct error *error)
{
	struct control *control = calloc(1, sizeof *control);
	int result = -ENOMEM;

	if (!control)
		goto fail;
	control->server = server;
	control->events = calloc(
		EVENT_FIRST_SOCKET + server->config.connections_max, sizeof *control->events);
	if (!control->events)
		goto fail_events;
	result = -pthread_create(&server->thread, NULL, thread_main, control);
	if (result == 0)
		return 0;
	free(control->events);
fail_events:
	free(control);
fail:
	return error_set(error, result, "%s: no thread: %s", server->log.name, strerror(-result));
}

void channel_control_stop(struct channel_server *server)
{
	const uint64_t one = 1;

	__atomic_store_n(&server->stop, 1, __ATOMIC_RELEASE);
	while (write(server->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	pthread_join(server->thread, NULL);
}
