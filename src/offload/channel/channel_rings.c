/*
 * Theory of operation. Each index is read once, and compared with what this side knows; its own it never reads back. A record's head is
 * read once, checked against what the index has shown, and its data are copied by that copy. So the worst that a client can do is to change
 * data while they are copied, and then it has sent other data.
 */
#include "base/counter.h"
#include "offload/channel/channel_private.h"

/* In one poll, so that others get their turn. */
#define POLL_BYTES_MAX (64u << 10)
#define POLL_RECORDS_MAX 64u

#define ALIGNMENT SLUICE_CHANNEL_RECORD_ALIGNMENT

static void break_off(struct channel_connection_server *connection, const char *reason)
{
	counter_add(&connection->server->counters.broken, 1);
	channel_connection_close(connection, reason);
}

/* ---- memory of messages ---- */

static size_t beyond_idle(size_t bytes)
{
	return bytes > CHANNEL_IDLE_BYTES ? bytes - CHANNEL_IDLE_BYTES : 0;
}

/* What a connection has touched is its own until it is given back, so it may be used again. */
static bool has_memory_for(const struct channel_connection_server *connection, size_t bytes)
{
	const struct channel_server *server = connection->server;
	const size_t touched = connection->message_bytes_touched;

	return bytes <= touched ||
	       server->message_bytes_held + beyond_idle(bytes) - beyond_idle(touched) <=
		       server->config.messages_bytes_max;
}

/* ---- taking ---- */

/* How many bytes there are to take. Returns false if that cannot be; the connection is closed then. */
static bool count_available(struct channel_connection_server *connection, uint32_t *bytes)
{
	*bytes = read_shared_acquire(connection->slot->client_request.request_tail) -
		 connection->request_head;
	if (*bytes <= connection->requests.size && *bytes % ALIGNMENT == 0)
		return true;
	break_off(connection, "its request tail is where it cannot be");
	return false;
}

static const char *find_fault(const struct channel_connection_server *connection,
	const struct sluice_channel_record *record, uint32_t available)
{
	if (record->flags & ~SLUICE_CHANNEL_RECORD_MORE)
		return "a record has flags that there are not";
	if (record->bytes > connection->requests.size ||
		channel_record_room(record->bytes) > available)
		return "a record is longer than what is in the ring";
	if (record->bytes == 0 && (record->flags & SLUICE_CHANNEL_RECORD_MORE))
		return "a fragment of a message is empty";
	if (record->bytes >
		connection->server->config.message_bytes_max - connection->message_bytes)
		return "a message is longer than messages may be";
	if (!has_memory_for(connection, connection->message_bytes + record->bytes))
		return "the messages of all connections are longer than they may be together";
	return NULL;
}

static bool take_record(struct channel_connection_server *connection, uint32_t available,
	struct sluice_channel_record *record)
{
	const char *fault;

	*record = channel_record_take(&connection->requests, connection->request_head);
	fault = find_fault(connection, record, available);
	if (fault) {
		break_off(connection, fault);
		return false;
	}
	channel_bytes_take(&connection->requests,
		connection->request_head + (uint32_t)sizeof *record,
		connection->message + connection->message_bytes, record->bytes);
	connection->message_bytes += record->bytes;
	connection->request_head += channel_record_room(record->bytes);
	return true;
}

static void show_taken(struct channel_connection_server *connection)
{
	write_shared_release(connection->slot->host_request.request_head, connection->request_head);
	connection->has_taken = true;
	sidecore_offer_call(&connection->caller);
}

/* The control thread gives back what was much; see channel_control.c. */
static void note_use(struct channel_connection_server *connection)
{
	const size_t before = connection->message_bytes_touched;

	connection->was_used = true;
	if (connection->message_bytes <= before)
		return;
	connection->server->message_bytes_held +=
		beyond_idle(connection->message_bytes) - beyond_idle(before);
	__atomic_store_n(
		&connection->message_bytes_touched, connection->message_bytes, __ATOMIC_RELAXED);
	if (before <= CHANNEL_IDLE_BYTES && connection->message_bytes > CHANNEL_IDLE_BYTES)
		channel_wake_control(connection->server);
}

static void hand_over(struct channel_connection_server *connection)
{
	struct channel_server *server = connection->server;
	const size_t bytes = connection->message_bytes;

	connection->message_bytes = 0;
	connection->is_owners_turn = true;
	counter_add(&server->counters.requests, 1);
	counter_add(&server->counters.bytes_received, bytes);
	server->config.handlers->request(connection, connection->message, bytes);
}

unsigned channel_take(struct channel_connection_server *connection)
{
	struct sluice_channel_record record = {.flags = SLUICE_CHANNEL_RECORD_MORE};
	const uint32_t began = connection->request_head;
	uint32_t available;
	unsigned count = 0;

	if (!count_available(connection, &available))
		return 1;
	while (available > 0 && count < POLL_RECORDS_MAX &&
		(record.flags & SLUICE_CHANNEL_RECORD_MORE) &&
		connection->request_head - began < POLL_BYTES_MAX) {
		if (!take_record(connection, available, &record))
			return 1;
		available -= channel_record_room(record.bytes);
		count++;
	}
	if (count == 0)
		return 0;
	note_use(connection);
	show_taken(connection);
	if (!(record.flags & SLUICE_CHANNEL_RECORD_MORE))
		hand_over(connection);
	return count;
}

bool channel_can_take(struct channel_connection_server *connection)
{
	return read_shared(connection->slot->client_request.request_tail) !=
	       connection->request_head;
}

/* ---- giving ---- */

static uint32_t next_fragment(const struct channel_connection_server *connection)
{
	const size_t left = connection->reply_bytes - connection->reply_sent;
	const uint32_t most = channel_fragment_bytes(&connection->replies);

	return left < most ? (uint32_t)left : most;
}

static uint32_t room(const struct channel_connection_server *connection)
{
	return connection->replies.size - (connection->reply_tail - connection->reply_head);
}

/* Is there room for so much? If not by what is known, look. What cannot be closes the connection. */
static bool has_room(struct channel_connection_server *connection, uint32_t needed)
{
	uint32_t head;

	if (room(connection) >= needed)
		return true;
	head = read_shared_acquire(connection->slot->client_reply.reply_head);
	if (head - connection->reply_head > connection->reply_tail - connection->reply_head ||
		head % ALIGNMENT != 0) {
		break_off(connection, "its reply head is where it cannot be");
		return false;
	}
	connection->reply_head = head;
	return room(connection) >= needed;
}

static void give_record(struct channel_connection_server *connection, uint32_t bytes)
{
	const bool is_last = connection->reply_sent + bytes == connection->reply_bytes;
	const struct sluice_channel_record record = {
		.bytes = bytes, .flags = is_last ? 0 : SLUICE_CHANNEL_RECORD_MORE};

	channel_record_put(&connection->replies, connection->reply_tail, record);
	if (bytes > 0)
		channel_bytes_put(&connection->replies,
			connection->reply_tail + (uint32_t)sizeof record,
			connection->reply + connection->reply_sent, bytes);
	connection->reply_tail += channel_record_room(bytes);
	connection->reply_sent += bytes;
	write_shared_release(connection->slot->host_reply.reply_tail, connection->reply_tail);
	connection->has_replied = true;
	sidecore_offer_call(&connection->caller);
}

static void finish_reply(struct channel_connection_server *connection)
{
	struct channel_server *server = connection->server;

	connection->is_replying = false;
	connection->reply = NULL;
	counter_add(&server->counters.bytes_sent, connection->reply_bytes);
	server->config.handlers->replied(connection);
}

unsigned channel_give(struct channel_connection_server *connection)
{
	const uint32_t began = connection->reply_tail;
	unsigned count = 0;

	do {
		const uint32_t bytes = next_fragment(connection);

		if (!has_room(connection, channel_record_room(bytes)))
			return connection->state == CHANNEL_OPEN ? count : 1;
		give_record(connection, bytes);
		count++;
	} while (connection->reply_sent < connection->reply_bytes &&
		 connection->reply_tail - began < POLL_BYTES_MAX);
	if (connection->reply_sent == connection->reply_bytes)
		finish_reply(connection);
	return count;
}

bool channel_can_give(struct channel_connection_server *connection)
{
	return read_shared(connection->slot->client_reply.reply_head) != connection->reply_head ||
	       room(connection) >= channel_record_room(next_fragment(connection));
}
