/*
 * A tenant that attacks the module that is its own: tenant_attacks WHERE ATTACK CONNECTIONS. It goes on until its input ends; then it says
 * how many steps it has done, and ends without taking leave.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel/channel_private.h"
#include "store/store_client_private.h"

#define BURST 100u
#define ROWS 20000u
#define ROW_BYTES 200u
#define HOT_ROWS 8u
#define VALUE_BYTES 8192u
#define FRAGMENT_BYTES 8000u
#define LOCK_TIMEOUT_MS 1000u

struct attacker {
	struct store_client *client;
	struct channel_connection *connection; /* the client's */
	struct store_batch batch;
	struct store_cursor cursor;
	uint64_t in_message; /* bytes that were sent of one without end */
	uint64_t random;
};

static struct channel *channel;
static struct store_handle table;
static uint64_t steps;

static uint32_t choose(struct attacker *attacker, uint32_t count)
{
	attacker->random = attacker->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(attacker->random >> 33) % count;
}

/* ---- a step of each attack; a connection that is lost is followed by another ---- */

/* As many requests as it can send. */
static int flood(struct attacker *attacker)
{
	const struct store_get get = {.table = {.request = {.operation = STORE_GET},
					      .table = table.table,
					      .generation = table.generation}};
	const struct iovec part = {(void *)&get, sizeof get};
	const void *reply;
	size_t bytes;
	int result = 0;

	for (unsigned i = 0; i < BURST && result == 0; i++)
		result = channel_send(attacker->connection, &part, 1);
	for (unsigned i = 0; i < BURST && result == 0; i++)
		result = channel_receive(attacker->connection, &reply, &bytes);
	return result;
}

/* ---- records by hand: without waiting, and without taking answers ---- */

static bool send_record(
	struct channel_connection *connection, const void *data, uint32_t bytes, uint32_t flags)
{
	if (!channel_has_room(connection, bytes))
		return false;
	channel_record_put(&connection->requests, connection->request_tail,
		(struct sluice_channel_record){bytes, flags});
	channel_bytes_put(&connection->requests,
		connection->request_tail + (uint32_t)sizeof(struct sluice_channel_record), data,
		bytes);
	connection->request_tail += channel_record_room(bytes);
	channel_show(connection, &connection->slot->client_request.request_tail,
		connection->request_tail, SLUICE_CHANNEL_WAKE_FOR_DATA);
	return true;
}

static int wait_or_begin_anew(const struct attacker *attacker)
{
	usleep(1000);
	return channel_is_lost(attacker->connection) ? -ECONNRESET : 0;
}

/* Whole tables are asked for, and no answer is ever taken. */
static int take_nothing(struct attacker *attacker)
{
	const struct store_scan scan = {.table = {.request = {.operation = STORE_SCAN},
						.table = table.table,
						.generation = table.generation}};

	if (send_record(attacker->connection, &scan, sizeof scan, 0))
		return 0;
	return wait_or_begin_anew(attacker);
}

/* A message that grows to the most that one may have, and has no end. */
static int leave_unfinished(struct attacker *attacker)
{
	static const char data[FRAGMENT_BYTES];
	const uint64_t sent = attacker->in_message + sizeof data;

	if (sent < channel_message_bytes_max(channel) &&
		send_record(attacker->connection, data, sizeof data, SLUICE_CHANNEL_RECORD_MORE)) {
		attacker->in_message = sent;
		return 0;
	}
	return wait_or_begin_anew(attacker);
}

/* An operation that there is, and noise behind it. */
static int send_nonsense(struct attacker *attacker)
{
	uint32_t noise[32] = {choose(attacker, STORE_OPERATIONS + 1), 0};
	const struct iovec part = {noise, 8 + choose(attacker, sizeof noise - 8)};
	const void *reply;
	size_t bytes;

	for (size_t i = 2; i < sizeof noise / sizeof *noise; i++)
		noise[i] = choose(attacker, choose(attacker, 4) ? 8 : UINT32_MAX);
	return channel_call(attacker->connection, &part, 1, &reply, &bytes);
}

/* All that a client can write, in all connections, while the host reads it. */
static int scribble(struct attacker *attacker)
{
	struct channel_region *region = attacker->connection->region;
	uint32_t *words =
		(void *)channel_region_slot(region, choose(attacker, region->layout.slot_count));

	for (unsigned i = 0; i < BURST; i++)
		write_shared(words[choose(attacker, region->layout.slot_stride / sizeof *words)],
			choose(attacker, UINT32_MAX));
	attacker->connection->channel->transport->ring_doorbell(attacker->connection);
	return channel_is_lost(attacker->connection) ? -ECONNRESET : 0;
}

/* Come, ask, and go. */
static int reconnect(struct attacker *attacker)
{
	return -ECONNRESET;
}

/* ---- requests that make sense, too many and too large ---- */

static int put(struct attacker *attacker, uint32_t key, size_t bytes)
{
	static const char value[VALUE_BYTES];

	return store_batch_put(&attacker->batch, 0, (struct store_bytes){&key, sizeof key},
		(struct store_bytes){value, bytes});
}

static int write_rows(struct attacker *attacker, uint32_t first, unsigned count, size_t bytes)
{
	int result = store_batch_begin(&attacker->batch, attacker->client, &table);

	for (unsigned i = 0; i < count && result == 0; i++)
		result = put(attacker, first + i, bytes);
	return result == 0 ? store_client_write(attacker->client, &attacker->batch, 0, NULL)
			   : result;
}

/* Returns what ends a connection; what the store refuses is no reason. */
static int go_on(int result)
{
	return result < 0 ? result : 0;
}

static int scan_all(struct attacker *attacker)
{
	const struct store_range range = {.handle = table};
	struct store_cursor_row row;
	int result = store_cursor_begin(&attacker->cursor, &range);

	while (result == 0)
		result = store_cursor_next(&attacker->cursor, attacker->client, &row);
	store_client_rollback(attacker->client);
	return go_on(result);
}

/* The same few rows, in any order: deadlocks, and queues of those who wait. */
static int fight_for_locks(struct attacker *attacker)
{
	uint32_t key;
	int result = 0;

	for (unsigned i = 0; i < HOT_ROWS && result == 0; i++) {
		key = choose(attacker, HOT_ROWS);
		result = store_client_get(attacker->client, &table, 0,
			(struct store_bytes){&key, sizeof key}, STORE_EXCLUSIVE, NULL);
	}
	store_client_rollback(attacker->client);
	return go_on(result);
}

/* Transactions as large as they may be, all at once. */
static int fill_transaction(struct attacker *attacker)
{
	int result = 0;

	for (uint32_t i = 0; i < 100000 && result == 0; i++)
		result = write_rows(attacker, choose(attacker, UINT32_MAX), BURST, VALUE_BYTES);
	if (result >= 0)
		usleep(1000);
	return go_on(result);
}

/* Durable commits of much. */
static int write_through(struct attacker *attacker)
{
	int result = write_rows(attacker, ROWS + choose(attacker, ROWS), 16, VALUE_BYTES);

	return go_on(result == 0 ? store_client_commit(attacker->client, true) : result);
}

/* ---- who attacks ---- */

static const struct attack {
	const char *name;
	int (*step)(struct attacker *attacker);
} attacks[] = {
	{"flood", flood},
	{"take_nothing", take_nothing},
	{"leave_unfinished", leave_unfinished},
	{"send_nonsense", send_nonsense},
	{"scribble", scribble},
	{"reconnect", reconnect},
	{"scan_all", scan_all},
	{"fight_for_locks", fight_for_locks},
	{"fill_transaction", fill_transaction},
	{"write_through", write_through},
};

static const struct attack *attack;

/* The module may be between two lives. */
static void come(struct attacker *attacker)
{
	while (store_client_open(channel, &attacker->client) != 0)
		usleep(10000);
	attacker->connection = attacker->client->connection;
	attacker->in_message = 0;
	store_client_set_lock_timeout(attacker->client, LOCK_TIMEOUT_MS);
}

/* Says so when it is the first. */
static void count_step(void)
{
	if (__atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED) == 0) {
		puts("attacking");
		fflush(stdout);
	}
}

static void *attack_for_ever(void *argument)
{
	struct attacker *attacker = argument;

	for (;;) {
		come(attacker);
		while (attack->step(attacker) == 0)
			count_step();
		count_step();
		store_client_close(attacker->client);
	}
	return NULL;
}

static int make_table(struct attacker *attacker)
{
	const struct store_bytes name = {"attacked", 8};
	int result = store_client_table_open(attacker->client, name, &table, NULL);

	if (result != STORE_NOT_FOUND)
		return result;
	result = store_client_table_create(
		attacker->client, name, (struct store_bytes){NULL, 0}, 1, 1, &table);
	for (uint32_t i = 0; i < ROWS && result == 0; i += BURST)
		result = write_rows(attacker, i, BURST, ROW_BYTES);
	return result == 0 ? store_client_commit(attacker->client, true) : result;
}

/* Other attackers make it, too, and the module may crash meanwhile. */
static void make_table_whoever_disturbs(struct attacker *attacker)
{
	int result;

	do {
		come(attacker);
		result = make_table(attacker);
		store_client_close(attacker->client);
	} while (result != STORE_OK);
}

static int begin(const char *where, unsigned connections)
{
	struct attacker *attackers = calloc(connections, sizeof *attackers);
	char message[256];
	pthread_t thread;
	int result = 0;

	if (!attackers)
		return -ENOMEM;
	/* The module may be between two lives here, too. */
	while (channel_open(where, &channel, message, sizeof message) < 0)
		usleep(10000);
	make_table_whoever_disturbs(&attackers[0]);
	for (unsigned i = 0; i < connections && result == 0; i++) {
		attackers[i].random = i;
		result = pthread_create(&thread, NULL, attack_for_ever, &attackers[i]);
	}
	return result;
}

/* Whatever its threads wait for. */
static void *await_the_end(void *unused)
{
	while (getchar() != EOF)
		;
	printf("%llu\n", (unsigned long long)__atomic_load_n(&steps, __ATOMIC_RELAXED));
	fflush(stdout);
	_exit(EXIT_SUCCESS);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int connections;

	if (argc != 4 || (connections = atoi(argv[3])) <= 0)
		return EXIT_FAILURE;
	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
		if (strcmp(attacks[i].name, argv[2]) == 0)
			attack = &attacks[i];
	if (!attack || pthread_create(&thread, NULL, await_the_end, NULL) != 0 ||
		begin(argv[1], (unsigned)connections) != 0)
		return EXIT_FAILURE;
	pthread_join(thread, NULL);
	return EXIT_FAILURE;
}
