/*
 * Theory of operation. A connection is free, open, closing, finished, and free again. Closing is quick for the client, who finds its slot
 * closed, and then waits for whoever still has something of the connection: the owner, the kernel. A finished one waits for its client
 * to let go, since a client that has not may yet write into the slot: on a Unix socket the control thread sees that, on PCI the lobby.
 */
#include "base/container.h"
#include "base/counter.h"
#include "offload/channel/channel_private.h"

static void set_state(
	struct channel_connection_server *connection, enum channel_connection_state state)
{
	__atomic_store_n(&connection->state, state, __ATOMIC_RELEASE);
}

/* ---- closing ---- */

static void try_to_finish(struct channel_connection_server *connection)
{
	struct channel_server *server = connection->server;

	if (connection->state != CHANNEL_CLOSING || !connection->is_released ||
		connection->is_watched || connection->caller.is_in_flight ||
		connection->is_trimming)
		return;
	set_state(connection, CHANNEL_FINISHED);
	if (channel_is_pci(server))
		channel_lobby_finished(server);
	channel_wake_control(server);
}

static void doorbell_unwatched(struct doorbell *doorbell)
{
	struct channel_connection_server *connection =
		container_of(doorbell, struct channel_connection_server, doorbell);

	connection->is_watched = false;
	try_to_finish(connection);
}

static void caller_idle(struct caller *caller)
{
	try_to_finish(container_of(caller, struct channel_connection_server, caller));
}

/* It sleeps, perhaps: whatever for, this is the end of it. */
static void tell_client(struct channel_connection_server *connection)
{
	write_shared_release(connection->slot->host.state, SLUICE_CHANNEL_SLOT_CLOSED);
	sidecore_ring_caller(&connection->caller);
	if (connection->caller.fd >= 0 || connection->caller.is_offered)
		sidecore_redirect_caller(&connection->caller, CHANNEL_NO_FD);
}

void channel_connection_close(struct channel_connection_server *connection, const char *trouble)
{
	struct channel_server *server = connection->server;

	if (connection->state != CHANNEL_OPEN)
		return;
	set_state(connection, CHANNEL_CLOSING);
	if (trouble) {
		__atomic_store_n(&connection->trouble, trouble, __ATOMIC_RELEASE);
		channel_wake_control(server);
	}
	sidecore_remove_poller(server->config.sidecore, &connection->poller);
	if (connection->is_watched)
		sidecore_unwatch(&connection->doorbell, doorbell_unwatched);
	tell_client(connection);
	connection->reply = NULL;
	connection->is_replying = false;
	connection->message_bytes = 0; /* an unfinished one's memory is given back, too */
	server->config.handlers->disconnected(connection);
	try_to_finish(connection);
}

void channel_connection_free(struct channel_connection_server *connection)
{
	set_state(connection, CHANNEL_FREE);
	write_shared(connection->server->open_count, connection->server->open_count - 1);
	write_shared_release(connection->slot->host.state, SLUICE_CHANNEL_SLOT_FREE);
}

void channel_connection_trimmed(struct channel_connection_server *connection)
{
	connection->is_trimming = false;
	connection->server->message_bytes_held -=
		connection->message_bytes_touched - CHANNEL_IDLE_BYTES;
	__atomic_store_n(&connection->message_bytes_touched, CHANNEL_IDLE_BYTES, __ATOMIC_RELAXED);
	sidecore_wake_poller(connection->server->config.sidecore, &connection->poller);
	try_to_finish(connection);
}

void channel_server_release(struct channel_connection_server *connection)
{
	connection->is_released = true;
	try_to_finish(connection);
}

void channel_server_hang_up(struct channel_connection_server *connection, const char *reason)
{
	channel_connection_close(connection, reason);
}

/* ---- working ---- */

static unsigned poll_connection(struct poller *poller, uint64_t now_ns)
{
	struct channel_connection_server *connection =
		container_of(poller, struct channel_connection_server, poller);

	if (connection->is_replying)
		return channel_give(connection);
	if (connection->is_owners_turn || connection->is_trimming)
		return 0;
	return channel_take(connection);
}

bool channel_connection_has_work(struct channel_connection_server *connection)
{
	if (connection->is_replying)
		return channel_can_give(connection);
	return !connection->is_owners_turn && !connection->is_trimming &&
	       channel_can_take(connection);
}

/* While the owner has a request there is nothing that a client could wake this side for. */
static uint32_t reasons_to_wake(const struct channel_connection_server *connection)
{
	if (connection->is_replying)
		return SLUICE_CHANNEL_WAKE_FOR_ROOM;
	return connection->is_owners_turn ? 0 : SLUICE_CHANNEL_WAKE_FOR_DATA;
}

static bool arm_connection(struct poller *poller)
{
	struct channel_connection_server *connection =
		container_of(poller, struct channel_connection_server, poller);

	connection->is_parked = true;
	write_shared(connection->slot->host.sleeps, reasons_to_wake(connection));
	/* Either the client, which moves an index, sees this, or the index is seen here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return channel_connection_has_work(connection);
}

static void disarm_connection(struct poller *poller)
{
	struct channel_connection_server *connection =
		container_of(poller, struct channel_connection_server, poller);

	connection->is_parked = false;
	write_shared(connection->slot->host.sleeps, 0);
}

void channel_connection_look(struct channel_connection_server *connection)
{
	if (connection->state == CHANNEL_OPEN && connection->is_parked &&
		channel_connection_has_work(connection))
		sidecore_wake_poller(connection->server->config.sidecore, &connection->poller);
}

static void doorbell_rang(struct doorbell *doorbell)
{
	struct channel_connection_server *connection =
		container_of(doorbell, struct channel_connection_server, doorbell);

	counter_add(&connection->server->counters.doorbells, 1);
}

/* Does it sleep, and for what has happened? */
static enum call_wish wish_for_call(struct caller *caller, bool is_last)
{
	struct channel_connection_server *connection =
		container_of(caller, struct channel_connection_server, caller);
	const uint32_t happened = (connection->has_replied ? SLUICE_CHANNEL_WAKE_FOR_DATA : 0) |
				  (connection->has_taken ? SLUICE_CHANNEL_WAKE_FOR_ROOM : 0);

	connection->has_replied = connection->has_taken = false;
	/* Either the client, about to sleep, sees the index, or it is seen here that it sleeps. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (caller->fd < 0 || !(read_shared(connection->slot->client.sleeps) & happened))
		return CALL_UNWANTED;
	counter_add(&connection->server->counters.calls, 1);
	return CALL_WANTED;
}

/* ---- replies ---- */

void channel_server_reply(
	struct channel_connection_server *connection, const void *data, size_t bytes)
{
	if (connection->state != CHANNEL_OPEN)
		return;
	if (bytes > connection->server->config.message_bytes_max) {
		channel_connection_close(connection, "the reply is longer than messages may be");
		return;
	}
	connection->is_owners_turn = false;
	connection->is_replying = true;
	connection->reply = data;
	connection->reply_bytes = bytes;
	connection->reply_sent = 0;
	channel_give(connection);
	/* It has said, perhaps, that it sleeps for nothing. */
	sidecore_wake_poller(connection->server->config.sidecore, &connection->poller);
}

/* ---- opening ---- */

static void clear_slot(struct sluice_channel_slot *slot)
{
	write_shared(slot->client_request.request_tail, 0);
	write_shared(slot->client_reply.reply_head, 0);
	write_shared(slot->client.sleeps, 0);
	write_shared(slot->host_request.request_head, 0);
	write_shared(slot->host_reply.reply_tail, 0);
	write_shared(slot->host.sleeps, 0);
}

static void reset(struct channel_connection_server *connection)
{
	connection->owner = NULL;
	connection->is_released = false;
	connection->is_parked = false;
	connection->request_head = 0;
	connection->reply_tail = connection->reply_head = 0;
	connection->has_taken = connection->has_replied = false;
	connection->message_bytes = 0;
	connection->is_owners_turn = false;
	connection->is_replying = false;
	connection->reply = NULL;
}

static void set_bells(struct channel_connection_server *connection, int doorbell_fd, int call_fd)
{
	connection->poller = (struct poller){
		.poll = poll_connection, .arm = arm_connection, .disarm = disarm_connection};
	connection->doorbell = (struct doorbell){
		.poller = &connection->poller, .fd = doorbell_fd, .rang = doorbell_rang};
	connection->caller = (struct caller){.sidecore = connection->server->config.sidecore,
		.fd = call_fd,
		.idle = caller_idle,
		.wish = wish_for_call};
}

/* On PCI, the client takes the epoch for the answer. */
static void show(struct channel_connection_server *connection, enum sluice_channel_slot_state state)
{
	write_shared_release(connection->slot->host.state, state);
	write_shared_release(connection->slot->host.epoch, connection->epoch);
}

bool channel_connection_open(
	struct channel_connection_server *connection, uint32_t epoch, int doorbell_fd, int call_fd)
{
	struct channel_server *server = connection->server;

	connection->epoch = epoch;
	clear_slot(connection->slot);
	reset(connection);
	set_bells(connection, doorbell_fd, call_fd);
	write_shared(server->open_count, server->open_count + 1);
	if (!server->config.handlers->connected(connection, server->config.context)) {
		set_state(connection, CHANNEL_FINISHED);
		show(connection, SLUICE_CHANNEL_SLOT_CLOSED);
		return false;
	}
	set_state(connection, CHANNEL_OPEN);
	counter_add(&server->counters.connections, 1);
	sidecore_add_poller(server->config.sidecore, &connection->poller);
	connection->is_watched = doorbell_fd >= 0;
	if (connection->is_watched)
		sidecore_watch(server->config.sidecore, &connection->doorbell);
	show(connection, SLUICE_CHANNEL_SLOT_OPEN);
	return true;
}

/* ---- what the owner keeps ---- */

void channel_connection_set_owner(struct channel_connection_server *connection, void *owner)
{
	connection->owner = owner;
}

void *channel_connection_owner(const struct channel_connection_server *connection)
{
	return connection->owner;
}

unsigned channel_connection_index(const struct channel_connection_server *connection)
{
	return connection->index;
}
