/*
 * A module channel whose client does anything: what it should, and what it likes, by writing into the region. A script chooses, and it
 * is the owner of the host's end, too, who answers when it likes.
 *
 * Whatever that is, a poll is bounded, the host's own positions stay within a ring of each other, a request is whole and within its limit,
 * a connection has one at a time, and each that came is told once that it is gone.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "offload/channel/channel_private.h"
#include "script.h"
#include "sidecore_here.h"

#define CONNECTIONS 3u
#define RING_BYTES SLUICE_CHANNEL_RING_BYTES_MIN
#define MESSAGE_BYTES 20000u

/* What the owner knows of a connection. */
struct session {
	struct channel_connection_server *connection;
	bool is_connected;
	bool has_request;
	bool is_replying;
	bool waits_for_release;
};

static struct channel_server *server;
static struct session sessions[CONNECTIONS];
static bool refuses;
static uint8_t reply[MESSAGE_BYTES];
static volatile uint8_t sum;

static void expect(bool is_true)
{
	if (!is_true)
		abort();
}

/* ---- the owner ---- */

static struct session *session_of(struct channel_connection_server *connection)
{
	return &sessions[channel_connection_index(connection)];
}

static bool connected(struct channel_connection_server *connection, void *context)
{
	struct session *session = session_of(connection);

	expect(!session->is_connected && !session->waits_for_release);
	if (refuses)
		return false;
	*session = (struct session){.connection = connection, .is_connected = true};
	return true;
}

static void request(struct channel_connection_server *connection, const void *data, size_t bytes)
{
	struct session *session = session_of(connection);

	expect(session->is_connected && !session->has_request && !session->is_replying);
	expect(bytes <= MESSAGE_BYTES && (uintptr_t)data % 8 == 0);
	for (size_t i = 0; i < bytes; i++)
		sum ^= ((const uint8_t *)data)[i];
	session->has_request = true;
}

static void replied(struct channel_connection_server *connection)
{
	struct session *session = session_of(connection);

	expect(session->is_connected && session->is_replying);
	session->is_replying = false;
}

static void disconnected(struct channel_connection_server *connection)
{
	struct session *session = session_of(connection);

	expect(session->is_connected);
	*session = (struct session){.connection = connection, .waits_for_release = true};
}

static const struct channel_server_handlers handlers = {
	.connected = connected,
	.request = request,
	.replied = replied,
	.disconnected = disconnected,
};

/* ---- running ---- */

static void check_positions(const struct channel_connection_server *connection)
{
	expect(connection->reply_tail - connection->reply_head <= RING_BYTES);
	expect(connection->request_head % SLUICE_CHANNEL_RECORD_ALIGNMENT == 0);
	expect(connection->reply_tail % SLUICE_CHANNEL_RECORD_ALIGNMENT == 0);
	expect(connection->message_bytes <= MESSAGE_BYTES);
	expect(connection->state != CHANNEL_OPEN || sessions[connection->index].is_connected);
}

static void run(struct script *script)
{
	sidecore_here_run();
	for (unsigned i = 0; i < CONNECTIONS; i++)
		check_positions(&server->connections[i]);
}

/* The timer, at once: a run is not to depend on the time. */
static void look(struct script *script)
{
	server->look_timer.expire(&server->look_timer, clock_now_ns());
	sidecore_cancel_timer(server->config.sidecore, &server->look_timer);
	run(script);
}

/* ---- what the owner does ---- */

static void answer(struct script *script)
{
	struct session *session = &sessions[next_choice(script, CONNECTIONS)];
	const size_t bytes = next_u16(script) % (MESSAGE_BYTES + 1);

	if (!session->has_request)
		return;
	session->has_request = false;
	session->is_replying = true;
	channel_server_reply(session->connection, reply, bytes);
}

static void hang_up(struct script *script)
{
	struct session *session = &sessions[next_choice(script, CONNECTIONS)];

	if (session->is_connected)
		channel_server_hang_up(session->connection, "why not");
}

static void let_go(struct session *session)
{
	if (!session->waits_for_release)
		return;
	session->waits_for_release = false;
	channel_server_release(session->connection);
}

static void release(struct script *script)
{
	let_go(&sessions[next_choice(script, CONNECTIONS)]);
}

static void change_mind(struct script *script)
{
	refuses = next_u8(script) & 1;
}

/* ---- what the client does ---- */

static struct sluice_channel_header *header(void)
{
	return channel_memory_header(&server->region);
}

static struct channel_connection_server *some_connection(struct script *script)
{
	return &server->connections[next_choice(script, CONNECTIONS)];
}

static void claim(struct script *script)
{
	struct sluice_channel_slot *slot = some_connection(script)->slot;

	slot->client.claim = sluice_channel_next_epoch(slot->host.epoch);
	header()->client.claims++;
}

static void unclaim(struct script *script)
{
	some_connection(script)->slot->client.claim = next_u8(script) % 4;
	header()->client.claims++;
}

static void take_over(struct script *script)
{
	header()->client.client_epoch += next_u8(script);
}

static void put_record(struct script *script)
{
	struct channel_connection_server *connection = some_connection(script);
	uint32_t *tail = &connection->slot->client_request.request_tail;
	const struct sluice_channel_record record = {
		.bytes = next_u16(script) % 1200, .flags = next_u8(script) % 8 % 3 % 2};

	*tail &= ~(SLUICE_CHANNEL_RECORD_ALIGNMENT - 1);
	channel_record_put(&connection->requests, *tail, record);
	*tail += channel_record_room(record.bytes);
}

static void put_strange_record(struct script *script)
{
	struct channel_connection_server *connection = some_connection(script);
	uint32_t *tail = &connection->slot->client_request.request_tail;
	const uint64_t record = next_u64(script);

	*tail &= ~(SLUICE_CHANNEL_RECORD_ALIGNMENT - 1);
	memcpy(channel_record_at(&connection->requests, *tail), &record, sizeof record);
	*tail += next_u16(script);
}

static void take_replies(struct script *script)
{
	struct sluice_channel_slot *slot = some_connection(script)->slot;

	slot->client_reply.reply_head = slot->host_reply.reply_tail;
}

static void move_index(struct script *script)
{
	struct sluice_channel_slot *slot = some_connection(script)->slot;
	uint32_t *const indices[] = {&slot->client_request.request_tail,
		&slot->client_reply.reply_head, &slot->client.sleeps, &slot->client.claim};

	*indices[next_choice(script, 4)] += 4u * next_u16(script);
}

static void scribble(struct script *script)
{
	const size_t where = (size_t)next_u64(script) % server->region.bytes;

	server->region.memory[where] = next_u8(script);
}

static void (*const steps[])(struct script *script) = {
	claim,
	unclaim,
	put_record,
	put_record,
	put_strange_record,
	take_replies,
	move_index,
	scribble,
	take_over,
	run,
	look,
	look,
	answer,
	answer,
	hang_up,
	release,
	change_mind,
};

/* ---- one run ---- */

static void set_up(void)
{
	const struct sidecore_config sidecore_config = {.name = "here", .cpu = SIDECORE_NOT_PINNED};
	struct channel_server_config config = channel_server_config_default();
	struct error error;

	config.connections_max = CONNECTIONS;
	config.request_ring_bytes = config.reply_ring_bytes = RING_BYTES;
	config.message_bytes_max = MESSAGE_BYTES;
	config.handlers = &handlers;
	config.region_fd = memfd_create("region", MFD_CLOEXEC);
	expect(ftruncate(config.region_fd, (off_t)channel_region_bytes(&config)) == 0);
	expect(sidecore_start(&sidecore_config, &config.sidecore, &error) == 0);
	expect(channel_server_create(&config, &server, &error) == 0);
	channel_serve(server);
	sidecore_cancel_timer(config.sidecore, &server->look_timer);
}

/* A new client: after that all is as at first, but for epochs. */
static void begin_anew(void)
{
	struct script none = {0};

	refuses = false;
	header()->client.client_epoch = server->client_epoch + 1;
	do {
		look(&none);
		for (unsigned i = 0; i < CONNECTIONS; i++)
			let_go(&sessions[i]);
	} while (server->is_forgetting || header()->host.client_epoch_seen != server->client_epoch);
	expect(server->open_count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};

	if (!server)
		set_up();
	while (script.left)
		steps[next_choice(&script, sizeof steps / sizeof *steps)](&script);
	begin_anew();
	return 0;
}
