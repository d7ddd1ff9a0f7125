/*
 * Clients on PCI: one process of a VM at a time, which claims slots by writing into the region.
 *
 * Theory of operation. The client counts its claims in one place, so that is all that is looked at, by a poller like any other. A new
 * client is another epoch: all connections of the earlier one are closed, and when the owner has let go of the last of them the new one
 * is shown that it may begin.
 *
 * While pollers are parked a timer looks for them, every millisecond, unless there is a doorbell: one for all connections, so who is
 * woken by it looks at all of them. That a machine has been given a doorbell does not say that it rings already, nor that the
 * client can reach it: it counts once it has rung, until another machine or client comes. A last look follows, for whoever has
 * looked for it before it was there. From then on the timer only sees to it that what cannot be (a machine that loses it)
 * costs a second, and not a hang.
 */
#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "offload/channel/channel_private.h"

#define LOOK_EVERY_NS (1 * NS_PER_MS)
#define LOOK_IDLE_NS (10 * NS_PER_MS) /* while there is no connection */
#define LOOK_RUNG_NS NS_PER_S	      /* while there is a doorbell */

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

/* ---- looking ---- */

static void look_at_connections(struct channel_server *server)
{
	for (unsigned i = 0; i < server->config.connections_max; i++)
		channel_connection_look(&server->connections[i]);
}

static uint64_t look_interval_ns(const struct channel_server *server)
{
	if (server->does_ring)
		return LOOK_RUNG_NS;
	return server->open_count ? LOOK_EVERY_NS : LOOK_IDLE_NS;
}

/* Whether the doorbell rings is to be seen anew. The timer is set already, so there is a place for it. */
static void doubt_doorbell(struct channel_server *server)
{
	server->does_ring = false;
	sidecore_set_timer(
		server->config.sidecore, &server->look_timer, clock_now_ns() + LOOK_EVERY_NS);
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
	doubt_doorbell(server);
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
	return server->has_finished || server->is_rung ||
	       read_shared(header->client.client_epoch) != server->client_epoch ||
	       read_shared(header->client.claims) != server->claims;
}

static unsigned poll_lobby(struct poller *poller, uint64_t now_ns)
{
	struct channel_server *server = container_of(poller, struct channel_server, lobby);
	const struct sluice_channel_header *header = channel_memory_header(&server->region);
	const bool has_finished = server->has_finished, is_rung = server->is_rung;

	if (!has_news(server))
		return 0;
	server->has_finished = server->is_rung = false;
	if (is_rung)
		look_at_connections(server);
	if (server->is_forgetting) {
		admit_client(server);
	} else if (read_shared(header->client.client_epoch) != server->client_epoch) {
		forget_client(server);
	} else if (has_finished || read_shared(header->client.claims) != server->claims) {
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

/* ---- the doorbell ---- */

static void doorbell_rang(struct doorbell *doorbell)
{
	struct channel_server *server = container_of(doorbell, struct channel_server, doorbell);

	counter_add(&server->counters.doorbells, 1);
	server->does_ring = server->is_rung = true;
}

static void doorbell_unwatched(struct doorbell *doorbell)
{
	struct channel_server *server = container_of(doorbell, struct channel_server, doorbell);

	__atomic_store_n(&server->is_doorbell_watched, false, __ATOMIC_RELEASE);
	channel_wake_control(server);
}

static void show_doorbell(struct channel_server *server, uint32_t doorbell)
{
	write_shared(channel_memory_header(&server->region)->layout.doorbell, doorbell);
}

void channel_lobby_set_doorbell(void *argument)
{
	struct channel_server *server = argument;

	server->doorbell = (struct doorbell){
		.poller = &server->lobby, .fd = server->machine.doorbell, .rang = doorbell_rang};
	server->is_doorbell_watched = true;
	sidecore_watch(server->config.sidecore, &server->doorbell);
	show_doorbell(server, CHANNEL_PEER_HOST << 16);
}

void channel_lobby_drop_doorbell(void *argument)
{
	struct channel_server *server = argument;

	show_doorbell(server, 0);
	sidecore_unwatch(&server->doorbell, doorbell_unwatched);
	doubt_doorbell(server);
}

/* ---- the timer ---- */

static void look(struct timer *timer, uint64_t now_ns)
{
	struct channel_server *server = container_of(timer, struct channel_server, look_timer);

	if (server->is_lobby_parked && has_news(server))
		sidecore_wake_poller(server->config.sidecore, &server->lobby);
	look_at_connections(server);
	sidecore_set_timer(server->config.sidecore, timer, now_ns + look_interval_ns(server));
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
