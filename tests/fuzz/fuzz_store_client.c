/* Answers that a storage module's client gets: a byte says what it asks, and the rest is the answer. */
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "store/store_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct script script;
static uint64_t answer[512];

/* ---- a channel whose other end is the fuzzer ---- */

size_t channel_message_bytes_max(const struct channel *channel)
{
	return sizeof answer;
}

int channel_connect(struct channel *channel, struct channel_connection **connection)
{
	*connection = NULL;
	return 0;
}

bool channel_is_lost(const struct channel_connection *connection)
{
	(void)connection;
	return false;
}

void channel_disconnect(struct channel_connection *connection)
{
}

#define SENT_MAX 128u

static uint16_t sent[SENT_MAX]; /* operations without an answer yet */
static unsigned sent_first, sent_count;

int channel_send(struct channel_connection *connection, const struct iovec *parts, unsigned count)
{
	if (sent_count == SENT_MAX)
		abort();
	memcpy(&sent[(sent_first + sent_count++) % SENT_MAX], parts[0].iov_base, sizeof *sent);
	return 0;
}

int channel_post(struct channel_connection *connection, const struct iovec *parts, unsigned count)
{
	return channel_send(connection, parts, count);
}

void channel_expect_delay(struct channel_connection *connection)
{
	(void)connection;
}

int channel_receive(struct channel_connection *connection, const void **reply, size_t *reply_bytes)
{
	const size_t bytes = next_u16(&script) % sizeof answer;
	char *copy = (char *)answer + sizeof answer - bytes;

	for (size_t i = 0; i < bytes; i++)
		copy[i] = (char)next_u8(&script);
	/* What the operation was is guessed rarely. */
	if (bytes >= sizeof(struct store_reply))
		memcpy(copy + offsetof(struct store_reply, operation), &sent[sent_first],
			sizeof *sent);
	sent_first = (sent_first + 1) % SENT_MAX;
	sent_count--;
	*reply = copy;
	*reply_bytes = bytes;
	return 0;
}

/* ---- what a client does with it ---- */

static volatile unsigned sum;

static void use(struct store_bytes bytes)
{
	for (size_t i = 0; i < bytes.bytes; i++)
		sum += ((const unsigned char *)bytes.data)[i];
}

static void get(struct store_client *client)
{
	const struct store_handle handle = {.table = 1};
	struct store_bytes value;

	if (!store_client_get(client, &handle, 0, (struct store_bytes){"k", 1}, 0, &value))
		use(value);
}

static void list(struct store_client *client)
{
	struct store_list names;
	struct store_bytes name;

	if (store_client_table_list(client, (struct store_bytes){"", 0}, &names))
		return;
	while (store_list_next(&names, &name))
		use(name);
}

static void scan(struct store_client *client)
{
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;

	if (store_cursor_begin(&cursor, &(struct store_range){.flags = STORE_BACKWARD}))
		return;
	while (script.left && !store_cursor_next(&cursor, client, &row)) {
		use(row.key);
		use(row.value);
		use(row.row);
	}
	store_cursor_end(&cursor);
}

static void open_table(struct store_client *client)
{
	struct store_handle handle;
	struct store_bytes metadata;

	if (!store_client_table_open(client, (struct store_bytes){"t", 1}, &handle, &metadata))
		use(metadata);
}

static void post(struct store_client *client)
{
	const struct store_handle handle = {.table = 1};
	struct store_batch batch = {.data = NULL};

	if (!store_batch_begin(&batch, client, &handle) &&
		!store_batch_delete(&batch, 0, (struct store_bytes){"k", 1}))
		sum += (unsigned)store_client_post_write(client, &batch);
	store_batch_end(&batch);
	sum += store_client_is_failed(client);
}

static void (*const uses[])(struct store_client *client) = {get, list, scan, open_table, post};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct store_client *client;

	script = (struct script){.bytes = data, .left = size};
	sent_count = 0;
	if (store_client_open(NULL, &client))
		return 0;
	while (script.left) {
		uses[next_choice(&script, sizeof uses / sizeof uses[0])](client);
		use((struct store_bytes){
			store_client_text(client), strlen(store_client_text(client))});
	}
	store_client_close(client);
	return 0;
}
