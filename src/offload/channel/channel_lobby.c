/*
 * Clients on PCI: one process of a VM at a time, which claims slots by writing into the region.
 *
 * Theory of operation. The client counts its claims in one place, so that is all that is looked at, by a poller like any other. A new
 * client is another epoch: all connections of the earlier one are closed, and when the owner has let go of the last of them the new one
 * is shown that it may begin. There is no doorbell; so while pollers are parked a timer looks for them, every millisecond.
 */
#include "base/clock.h"
#include "base/container.h"
#include "offload/channel/channel_private.h"

#define LOOK_EVERY_NS (1 * NS_PER_MS)
#define LOOK_IDLE_NS (10 * NS_PER_MS) /* while there is no connection */

/* ---- claims ---- */

static void look_at_claim(struct channel_connection_server *connection)
{
	const uint32_t claim = read_shared_acquire(connection->slot->client.claim);

	if (connection->state == CHANNEL_FREE) {
		if (claim == sluice_channel_next_epoch(connection->epoch))
			channel_connection_open(connection, claim, CHANNEL_NO_FD, CHANNEL_NO_FD);
		return;
	}
	if (claim == connection->epoch)
		return;
	if (connection->state == CHANNEL_OPEN)
		channel_connection_close(connection, NULL);
	if (connection->state == CHANNEL_FINISHED)
		channel_connection_free(connection);
}

static void look_at_claims(struct channel_server *server)
{
	for (unsigned i = 0; i < server->config.connections_max; i++)
		look_at_claim(&server->connections[i]);
}

/* ---- another client ---- */

static void forget_client(struct channel_server *server)
{
	server->is_forgetting = true;
	channel_hide(server);
	for (unsigned i = 0; i < server->config.connections_max; i++)
		channel_connection_close(&server->connections[i], NULL);
}

/* Until it is shown its epoch, the new one claims nothing; what is there is of the earlier one. */
static void admit_client(struct channel_server *server)
{
	struct sluice_channel_header *header = channel_memory_header(&server->region);
	struct channel_connection_server *connection;

	for (unsigned i = 0; i < server->config.connections_max; i++) {
		connection = &server->connections[i];
		if (connection->state == CHANNEL_FINISHED)
			channel_connection_free(connection);
		write_shared(connection->slot->client.claim, 0);
	}
	server->is_forgetting = false;
	server->client_epoch = read_shared_acquire(header->client.client_epoch);
	server->claims = read_shared_acquire(header->client.claims);
	write_shared_release(header->host.client_epoch_seen, server->client_epoch);
	channel_show_new_epoch(server);
}

/* ---- the poller ---- */

static bool has_news(struct channel_server *server)
{
	const struct sluice_channel_header *header = channel_memory_header(&server->region);

	if (server->is_forgetting)
		return channel_is_over(server);
	return server->has_finished ||
	       read_shared(header->client.client_epoch) != server->client_epoch ||
	       read_shared(header->client.claims) != server->claims;
}

static unsigned poll_lobby(struct poller *poller, uint64_t now_ns)
{
	struct channel_server *server = container_of(poller, struct channel_server, lobby);
	const struct sluice_channel_header *header = channel_memory_header(&server->region);

	if (!has_news(server))
		return 0;
	server->has_finished = false;
	if (server->is_forgetting) {
		admit_client(server);
	} else if (read_shared(header->client.client_epoch) != server->client_epoch) {
		forget_client(server);
	} else {
		server->claims = read_shared_acquire(header->client.claims);
		look_at_claims(server);
	}
	return 1;
}

static bool arm_lobby(struct poller *poller)
{
	struct channel_server *server = container_of(poller, struct channel_server, lobby);

	server->is_lobby_parked = true;
	return has_news(server);
}

static void disarm_lobby(struct poller *poller)
{
	container_of(poller, struct channel_server, lobby)->is_lobby_parked = false;
}

void channel_lobby_finished(struct channel_server *server)
{
	server->has_finished = true;
	sidecore_wake_poller(server->config.sidecore, &server->lobby);
}

/* ---- looking, where no doorbell comes ---- */

static void look(struct timer *timer, uint64_t now_ns)
{
	struct channel_server *server = container_of(timer, struct channel_server, look_timer);

	if (server->is_lobby_parked && has_news(server))
		sidecore_wake_poller(server->config.sidecore, &server->lobby);
	for (unsigned i = 0; i < server->config.connections_max; i++)
		channel_connection_look(&server->connections[i]);
	sidecore_set_timer(server->config.sidecore, timer,
		now_ns + (server->open_count ? LOOK_EVERY_NS : LOOK_IDLE_NS));
}

/* ---- opening and closing ---- */

int channel_lobby_open(struct channel_server *server)
{
	int result;

	server->look_timer = (struct timer){.expire = look};
	result = sidecore_set_timer(
		server->config.sidecore, &server->look_timer, clock_now_ns() + LOOK_EVERY_NS);
	if (result < 0)
		return result;
	/* A client that claims and lets go as fast as it can delays the others no more than one request does. */
	server->lobby = (struct poller){
		.poll = poll_lobby, .arm = arm_lobby, .disarm = disarm_lobby, .is_bulk = true};
	server->is_lobby_parked = false;
	sidecore_add_poller(server->config.sidecore, &server->lobby);
	admit_client(server);
	return 0;
}

void channel_lobby_close(struct channel_server *server)
{
	sidecore_cancel_timer(server->config.sidecore, &server->look_timer);
	sidecore_remove_poller(server->config.sidecore, &server->lobby);
}
