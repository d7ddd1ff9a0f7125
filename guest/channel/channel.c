/* Channels, the life of their connections, and what is counted. */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel_private.h"

#define PCI_DEVICES "/sys/bus/pci/devices"

int channel_fail(const struct channel_message *message, int code, const char *format, ...)
{
	va_list arguments;

	if (!message || !message->text)
		return code;
	va_start(arguments, format);
	vsnprintf(message->text, message->bytes, format, arguments);
	va_end(arguments);
	return code;
}

/* ---- channels ---- */

struct channel *channel_new(const struct channel_transport *transport)
{
	struct channel *channel = calloc(1, sizeof *channel);

	if (!channel)
		return NULL;
	channel->transport = transport;
	channel->device_fd = CHANNEL_NO_FD;
	pthread_mutex_init(&channel->lock, NULL);
	TAILQ_INIT(&channel->connections);
	return channel;
}

void channel_free(struct channel *channel)
{
	pthread_mutex_destroy(&channel->lock);
	free(channel);
}

int channel_open(const char *where, struct channel **channel, char *message, size_t message_bytes)
{
	const struct channel_message reason = {message, message_bytes};

	if (strncmp(where, "unix:", 5) == 0)
		return channel_unix_open(channel, where + 5, &reason);
	if (strncmp(where, "pci:", 4) == 0)
		return channel_pci_open(channel, PCI_DEVICES, where + 4, &reason);
	if (strcmp(where, "pci") == 0)
		return channel_pci_open(channel, PCI_DEVICES, NULL, &reason);
	return channel_fail(&reason, -EINVAL,
		"'%s' is no channel; say unix:PATH, pci:ADDRESS, or pci for the first device",
		where);
}

void channel_close(struct channel *channel)
{
	channel->transport->close(channel);
	channel_free(channel);
}

size_t channel_message_bytes_max(const struct channel *channel)
{
	return channel->message_bytes_max;
}

/* ---- counters ---- */

static void add_counters(struct channel_counters *sum, const struct channel_counters *counters)
{
	sum->requests += read_shared(counters->requests);
	sum->doorbells += read_shared(counters->doorbells);
	sum->sleeps += read_shared(counters->sleeps);
	sum->bytes_sent += read_shared(counters->bytes_sent);
	sum->bytes_received += read_shared(counters->bytes_received);
}

void channel_counters(struct channel *channel, struct channel_counters *counters)
{
	struct channel_connection *connection;

	pthread_mutex_lock(&channel->lock);
	*counters = channel->ended;
	TAILQ_FOREACH (connection, &channel->connections, link)
		add_counters(counters, &connection->counters);
	pthread_mutex_unlock(&channel->lock);
}

/* ---- connections ---- */

/* Can the host answer while a client polls? If all that both have is one CPU, it cannot. */
static bool works_meanwhile(const struct channel_connection *connection)
{
	const uint32_t cpu = connection->region->layout.host_cpu;
	cpu_set_t own;

	if (connection->channel->transport->is_from_guest)
		return true;
	if (sched_getaffinity(0, sizeof own, &own) < 0)
		return false;
	return CPU_COUNT(&own) > 1 || (cpu > 0 && !CPU_ISSET(cpu - 1, &own));
}

static void look_at_rings(struct channel_connection *connection)
{
	const struct sluice_channel_layout *layout = &connection->region->layout;
	uint8_t *slot = (void *)connection->slot;

	connection->requests = (struct channel_bytes){
		slot + layout->request_ring_offset, layout->request_ring_bytes};
	connection->answers =
		(struct channel_bytes){slot + layout->reply_ring_offset, layout->reply_ring_bytes};
}

int channel_connect(struct channel *channel, struct channel_connection **connection)
{
	struct channel_connection *new_one = calloc(1, sizeof *new_one);
	int result;

	if (!new_one)
		return -ENOMEM;
	new_one->channel = channel;
	new_one->socket = new_one->doorbell = new_one->call = CHANNEL_NO_FD;
	STAILQ_INIT(&new_one->received);
	result = channel->transport->connect(channel, new_one);
	if (result < 0) {
		free(new_one);
		return result;
	}
	look_at_rings(new_one);
	new_one->poll_ns_max = works_meanwhile(new_one) ? CHANNEL_POLL_NS_MAX : 0;
	new_one->trust = CHANNEL_TRUST_MAX;
	pthread_mutex_lock(&channel->lock);
	TAILQ_INSERT_TAIL(&channel->connections, new_one, link);
	pthread_mutex_unlock(&channel->lock);
	*connection = new_one;
	return 0;
}

static void free_replies(struct channel_connection *connection)
{
	struct channel_reply *reply;

	while ((reply = STAILQ_FIRST(&connection->received))) {
		STAILQ_REMOVE_HEAD(&connection->received, link);
		free(reply);
	}
	free(connection->partial);
	free(connection->current);
	free(connection->spare);
}

void channel_disconnect(struct channel_connection *connection)
{
	struct channel *channel;

	if (!connection)
		return;
	channel = connection->channel;
	channel->transport->disconnect(channel, connection);
	pthread_mutex_lock(&channel->lock);
	TAILQ_REMOVE(&channel->connections, connection, link);
	add_counters(&channel->ended, &connection->counters);
	pthread_mutex_unlock(&channel->lock);
	free_replies(connection);
	free(connection);
}
