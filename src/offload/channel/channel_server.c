/* Making and ending servers, and when they serve. */
#include "offload/channel/channel_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "offload/channel/channel_control.h"

struct channel_server_config channel_server_config_default(void)
{
	return (struct channel_server_config){
		.name = "module",
		.listen_fd = CHANNEL_NO_FD,
		.region_fd = CHANNEL_NO_FD,
		.machine_listen_fd = CHANNEL_NO_FD,
		.machine = {CHANNEL_NO_FD, CHANNEL_NO_FD},
		.connections_max = CHANNEL_CONNECTIONS_DEFAULT,
		.request_ring_bytes = CHANNEL_REQUEST_RING_BYTES_DEFAULT,
		.reply_ring_bytes = CHANNEL_REPLY_RING_BYTES_DEFAULT,
		.message_bytes_max = CHANNEL_MESSAGE_BYTES_MAX_DEFAULT,
		.messages_bytes_max = CHANNEL_MESSAGES_BYTES_MAX_DEFAULT,
	};
}

/* ---- on the sidecore ---- */

void channel_wake_control(struct channel_server *server)
{
	sidecore_ring_caller(&server->control_caller);
}

bool channel_is_over(const struct channel_server *server)
{
	for (unsigned i = 0; i < server->config.connections_max; i++) {
		const uint32_t state =
			__atomic_load_n(&server->connections[i].state, __ATOMIC_ACQUIRE);

		if (state == CHANNEL_OPEN || state == CHANNEL_CLOSING)
			return false;
	}
	return true;
}

void channel_show_new_epoch(struct channel_server *server)
{
	server->host_epoch = sluice_channel_next_epoch(server->host_epoch);
	write_shared_release(
		channel_memory_header(&server->region)->host.host_epoch, server->host_epoch);
}

void channel_hide(struct channel_server *server)
{
	write_shared_release(channel_memory_header(&server->region)->host.host_epoch, 0);
}

void channel_serve(void *argument)
{
	struct channel_server *server = argument;

	server->serve_result = 0;
	if (channel_is_pci(server))
		server->serve_result = channel_lobby_open(server);
	else
		channel_show_new_epoch(server);
}

void channel_stop_serving(void *argument)
{
	struct channel_server *server = argument;

	channel_hide(server);
	if (channel_is_pci(server))
		channel_lobby_close(server);
	for (unsigned i = 0; i < server->config.connections_max; i++)
		channel_connection_close(&server->connections[i], NULL);
}

/* ---- making ---- */

static bool is_ring_size(uint32_t bytes)
{
	return bytes >= SLUICE_CHANNEL_RING_BYTES_MIN && bytes <= SLUICE_CHANNEL_RING_BYTES_MAX &&
	       (bytes & (bytes - 1)) == 0;
}

static int check(const struct channel_server_config *config, struct error *error)
{
	if (config->connections_max == 0 || config->connections_max > SLUICE_CHANNEL_SLOTS_MAX)
		return error_set(error, -EINVAL, "channel '%s': connections must be 1 to %u",
			config->name, SLUICE_CHANNEL_SLOTS_MAX);
	if (!is_ring_size(config->request_ring_bytes) || !is_ring_size(config->reply_ring_bytes))
		return error_set(error, -EINVAL,
			"channel '%s': a ring's size must be a power of two from %u to %u bytes",
			config->name, SLUICE_CHANNEL_RING_BYTES_MIN, SLUICE_CHANNEL_RING_BYTES_MAX);
	if (config->message_bytes_max == 0 || config->message_bytes_max > MESSAGE_BYTES_MAX)
		return error_set(error, -EINVAL,
			"channel '%s': a message's size must be 1 to %u bytes", config->name,
			MESSAGE_BYTES_MAX);
	if ((config->listen_fd < 0) == (config->region_fd < 0))
		return error_set(error, -EINVAL,
			"channel '%s': it needs either a socket or a device's memory",
			config->name);
	if (config->machine_listen_fd >= 0 && config->region_fd < 0)
		return error_set(error, -EINVAL,
			"channel '%s': only a device's memory has a doorbell of its own",
			config->name);
	return 0;
}

/* Address space for a message; memory comes when it is used. */
static uint8_t *reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void free_connections(struct channel_server *server)
{
	for (unsigned i = 0; i < server->config.connections_max; i++)
		if (server->connections[i].message)
			munmap(server->connections[i].message, server->config.message_bytes_max);
	free(server->connections);
}

static int make_connections(struct channel_server *server)
{
	const struct sluice_channel_layout *layout = &server->region.layout;
	struct channel_connection_server *connection;
	uint8_t *slot;

	server->connections = calloc(server->config.connections_max, sizeof *connection);
	if (!server->connections)
		return -ENOMEM;
	for (unsigned i = 0; i < server->config.connections_max; i++) {
		connection = &server->connections[i];
		connection->server = server;
		connection->index = i;
		connection->socket = CHANNEL_NO_FD;
		connection->slot = channel_memory_slot(&server->region, i);
		slot = (void *)connection->slot;
		connection->requests = (struct channel_bytes){
			slot + layout->request_ring_offset, layout->request_ring_bytes};
		connection->replies = (struct channel_bytes){
			slot + layout->reply_ring_offset, layout->reply_ring_bytes};
		connection->message = reserve(server->config.message_bytes_max);
		if (!connection->message)
			return -ENOMEM;
	}
	return 0;
}

static void set_names(struct channel_server *server, const struct channel_server_config *config)
{
	server->config = *config;
	snprintf(server->name, sizeof server->name, "%s", config->name);
	snprintf(server->log_name, sizeof server->log_name, "channel '%s'", server->name);
	server->config.name = server->name;
	server->log.name = server->log_name;
	/* Another than an earlier host's; there it went up by one for each client. */
	server->host_epoch = (uint32_t)(clock_real_ns() / NS_PER_MS);
}

static int open_wake(struct channel_server *server, struct error *error)
{
	const struct channel_server_config *config = &server->config;

	server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (server->wake_fd < 0)
		return error_set(error, -errno, "channel '%s': no eventfd: %s", config->name,
			strerror(errno));
	server->control_caller =
		(struct caller){.sidecore = config->sidecore, .fd = server->wake_fd};
	return 0;
}

static int set_up(struct channel_server *server, struct error *error)
{
	const struct channel_server_config *config = &server->config;
	int result = open_wake(server, error);

	if (result < 0)
		return result;
	result = channel_memory_prepare(&server->region, config, error);
	if (result < 0)
		goto fail_region;
	result = make_connections(server);
	if (result < 0) {
		error_set(error, result, "channel '%s': no memory for %u connections", config->name,
			config->connections_max);
		goto fail_connections;
	}
	return 0;

fail_connections:
	if (server->connections)
		free_connections(server);
	channel_memory_drop(&server->region);
fail_region:
	close(server->wake_fd);
	return result;
}

int channel_server_create(const struct channel_server_config *config,
	struct channel_server **server, struct error *error)
{
	struct channel_server *new_one;
	int result = check(config, error);

	if (result < 0)
		return result;
	new_one = calloc(1, sizeof *new_one);
	if (!new_one)
		return error_set(error, -ENOMEM, "channel '%s': no memory", config->name);
	set_names(new_one, config);
	new_one->machine = (struct channel_machine){CHANNEL_NO_FD, CHANNEL_NO_FD};
	pthread_mutex_init(&new_one->machine_lock, NULL);
	result = set_up(new_one, error);
	if (result < 0) {
		pthread_mutex_destroy(&new_one->machine_lock);
		free(new_one);
		return result;
	}
	*server = new_one;
	return 0;
}

/* ---- starting and ending ---- */

int channel_server_start(struct channel_server *server, struct error *error)
{
	int result;

	sidecore_call(server->config.sidecore, channel_serve, server);
	result = server->serve_result;
	if (result < 0)
		return error_set(error, result, "channel '%s': no timer is left on its sidecore",
			server->name);
	channel_machine_take_over(server);
	result = channel_control_start(server, error);
	if (result < 0)
		sidecore_call(server->config.sidecore, channel_stop_serving, server);
	else
		server->is_started = true;
	return result;
}

struct release {
	struct channel_server *server;
	bool is_done;
};

/* Whether a call is in flight only the sidecore can tell: it may be busy with its completion. */
static void release_control(void *argument)
{
	struct release *release = argument;
	struct caller *caller = &release->server->control_caller;

	if (caller->fd >= 0)
		sidecore_redirect_caller(caller, CHANNEL_NO_FD);
	release->is_done = !caller->is_in_flight;
}

void channel_server_destroy(struct channel_server *server)
{
	struct release release = {.server = server};

	if (!server)
		return;
	if (server->is_started)
		channel_control_stop(server);
	/* Each call lets the sidecore look at completions once. */
	do
		sidecore_call(server->config.sidecore, release_control, &release);
	while (!release.is_done);
	free_connections(server);
	channel_memory_drop(&server->region);
	close(server->wake_fd);
	pthread_mutex_destroy(&server->machine_lock);
	free(server);
}

/* ---- what others may know ---- */

void channel_server_counters(
	const struct channel_server *server, struct channel_server_counters *counters)
{
	*counters = (struct channel_server_counters){
		.connections = counter_get(&server->counters.connections),
		.requests = counter_get(&server->counters.requests),
		.doorbells = counter_get(&server->counters.doorbells),
		.calls = counter_get(&server->counters.calls),
		.bytes_received = counter_get(&server->counters.bytes_received),
		.bytes_sent = counter_get(&server->counters.bytes_sent),
		.broken = counter_get(&server->counters.broken),
	};
}

unsigned channel_server_connection_count(const struct channel_server *server)
{
	return read_shared(server->open_count);
}
