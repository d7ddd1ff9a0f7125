#include "../cmocka_all.h"

#include "store_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct channel {
	void *instance;
};

#define ANSWERS_MAX 128u

struct answer {
	enum module_result result;
	void *data;
	size_t bytes;
};

struct channel_connection {
	void *session;
	struct module_reply reply;
	struct answer answers[ANSWERS_MAX]; /* the oldest first */
	unsigned answer_count;
	bool has_taken; /* the first of them, which is dropped with the next call */
};

bool fixture_skips_poller;
unsigned long fixture_polled, fixture_waited;

static struct channel loopback;
static char directory[64];

/* ---- the host's part ---- */

static bool grow(struct module_reply *reply, size_t capacity_bytes)
{
	void *data;

	if (capacity_bytes > FIXTURE_MESSAGE_BYTES_MAX)
		return false;
	data = realloc(reply->data, capacity_bytes);
	if (!data)
		return false;
	reply->data = data;
	reply->capacity_bytes = capacity_bytes;
	return true;
}

static enum module_result handle(
	void *session, const void *request, size_t bytes, bool may_wait, struct module_reply *reply)
{
	const struct module_request asked = {.data = request, .bytes = bytes, .may_wait = may_wait};

	reply->grow = grow;
	return sluice_module.handle(session, &asked, reply);
}

static enum module_result ask(struct channel_connection *connection, const void *data, size_t bytes)
{
	enum module_result result = MODULE_WOULD_WAIT;

	if (!fixture_skips_poller)
		result = handle(connection->session, data, bytes, false, &connection->reply);
	if (result != MODULE_WOULD_WAIT) {
		__atomic_add_fetch(&fixture_polled, 1, __ATOMIC_RELAXED);
		return result;
	}
	__atomic_add_fetch(&fixture_waited, 1, __ATOMIC_RELAXED);
	return handle(connection->session, data, bytes, true, &connection->reply);
}

/* ---- a connection without a client ---- */

struct module_reply fixture_reply;

static void *raw_session;

void fixture_begin_session(void)
{
	fixture_reply = (struct module_reply){.data = NULL};
	assert_int_equal(sluice_module.connect(fixture_instance(), &raw_session), 0);
}

void fixture_end_session(void)
{
	free(fixture_reply.data);
	sluice_module.disconnect(raw_session);
}

enum module_result fixture_ask(const void *request, size_t bytes, bool may_wait)
{
	return handle(raw_session, request, bytes, may_wait, &fixture_reply);
}

/* ---- the channel ---- */

size_t channel_message_bytes_max(const struct channel *channel)
{
	return FIXTURE_MESSAGE_BYTES_MAX;
}

int channel_connect(struct channel *channel, struct channel_connection **connection)
{
	struct channel_connection *new = calloc(1, sizeof *new);

	assert_non_null(new);
	assert_int_equal(sluice_module.connect(channel->instance, &new->session), 0);
	*connection = new;
	return 0;
}

bool channel_is_lost(const struct channel_connection *connection)
{
	(void)connection;
	return false;
}

static void drop_answer(struct channel_connection *connection)
{
	free(connection->answers[0].data);
	connection->answer_count--;
	memmove(connection->answers, connection->answers + 1,
		connection->answer_count * sizeof *connection->answers);
}

void channel_disconnect(struct channel_connection *connection)
{
	sluice_module.disconnect(connection->session);
	while (connection->answer_count)
		drop_answer(connection);
	free(connection->reply.data);
	free(connection);
}

static void keep_answer(struct channel_connection *connection, enum module_result result)
{
	struct answer *answer = &connection->answers[connection->answer_count++];

	assert_true(connection->answer_count <= ANSWERS_MAX);
	answer->result = result;
	answer->bytes = connection->reply.bytes;
	answer->data = malloc(answer->bytes + 1);
	memcpy(answer->data, connection->reply.data, answer->bytes);
}

/* Answered at once, and kept until it is asked for. */
int channel_send(struct channel_connection *connection, const struct iovec *parts, unsigned count)
{
	size_t bytes = 0, at = 0;
	char *request;

	for (unsigned i = 0; i < count; i++)
		bytes += parts[i].iov_len;
	if (bytes > FIXTURE_MESSAGE_BYTES_MAX)
		return -EMSGSIZE;
	request = malloc(bytes + 1);
	for (unsigned i = 0; i < count; i++) {
		memcpy(request + at, parts[i].iov_base, parts[i].iov_len);
		at += parts[i].iov_len;
	}
	if (connection->has_taken)
		drop_answer(connection);
	connection->has_taken = false;
	keep_answer(connection, ask(connection, request, bytes));
	free(request);
	return 0;
}

int channel_post(struct channel_connection *connection, const struct iovec *parts, unsigned count)
{
	return channel_send(connection, parts, count);
}

void channel_expect_delay(struct channel_connection *connection)
{
	assert_true(connection->answer_count);
}

int channel_receive(struct channel_connection *connection, const void **reply, size_t *reply_bytes)
{
	if (connection->has_taken)
		drop_answer(connection);
	assert_true(connection->answer_count);
	connection->has_taken = true;
	*reply = connection->answers[0].data;
	*reply_bytes = connection->answers[0].bytes;
	return connection->answers[0].result == MODULE_DONE ? 0 : -ECONNRESET;
}

/* ---- the module ---- */

void fixture_directory_create(void)
{
	snprintf(directory, sizeof directory, "/dev/shm/sluice-store.%d.XXXXXX", getpid());
	assert_non_null(mkdtemp(directory));
}

void fixture_directory_remove(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", directory);
	assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): the name is our own
}

const char *fixture_directory(void)
{
	return directory;
}

void fixture_open_with(const char *name, const char *value)
{
	const struct module_option option = {.name = name, .value = value};
	const struct module_setup setup = {.directory = directory,
		.options = &option,
		.option_count = name ? 1 : 0,
		.memory_bytes_max = 64u << 20,
		.message_bytes_max = FIXTURE_MESSAGE_BYTES_MAX};
	char message[512] = "";
	int failure = sluice_module.open(&setup, &loopback.instance, message, sizeof message);

	if (failure)
		fail_msg("%s", message);
}

void fixture_open(void)
{
	fixture_open_with(NULL, NULL);
}

void fixture_close(void)
{
	sluice_module.close(loopback.instance);
}

void *fixture_instance(void)
{
	return loopback.instance;
}

struct store_client *fixture_connect(void)
{
	struct store_client *client;

	assert_int_equal(store_client_open(&loopback, &client), 0);
	return client;
}

/* ---- shorter to write ---- */

static int write_one(struct store_client *client, const struct store_handle *table,
	enum store_change_kind kind, const char *key, const char *value)
{
	struct store_batch batch = {.data = NULL};
	int status;

	assert_int_equal(store_batch_begin(&batch, client, table), 0);
	if (kind == STORE_PUT)
		store_batch_put(&batch, 0, text_bytes(key), text_bytes(value));
	else if (kind == STORE_INSERT)
		store_batch_insert(&batch, 0, text_bytes(key), text_bytes(value));
	else
		store_batch_delete(&batch, 0, text_bytes(key));
	status = store_client_write(client, &batch, 0, NULL);
	store_batch_end(&batch);
	return status;
}

int fixture_put(struct store_client *client, const struct store_handle *table, const char *key,
	const char *value)
{
	return write_one(client, table, STORE_PUT, key, value);
}

int fixture_insert(struct store_client *client, const struct store_handle *table, const char *key,
	const char *value)
{
	return write_one(client, table, STORE_INSERT, key, value);
}

int fixture_delete(struct store_client *client, const struct store_handle *table, const char *key)
{
	return write_one(client, table, STORE_DELETE, key, NULL);
}

const char *fixture_get(struct store_client *client, const struct store_handle *table,
	const char *key, unsigned flags)
{
	static char text[4096];
	struct store_bytes value;
	const int status = store_client_get(client, table, 0, text_bytes(key), flags, &value);

	if (status == STORE_NOT_FOUND)
		return NULL;
	assert_int_equal(status, STORE_OK);
	assert_true(value.bytes < sizeof text);
	memcpy(text, value.data, value.bytes);
	text[value.bytes] = '\0';
	return text;
}

const char *fixture_scan(struct store_client *client, const struct store_range *range)
{
	static char text[65536];
	struct store_cursor cursor = {.bounds = NULL};
	struct store_cursor_row row;
	size_t at = 0;
	int status;

	text[0] = '\0';
	assert_int_equal(store_cursor_begin(&cursor, range), 0);
	while (!(status = store_cursor_next(&cursor, client, &row)))
		at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s=%.*s", at ? " " : "",
			(int)row.key.bytes, (const char *)row.key.data,
			(int)(range->flags & STORE_WITH_ROWS ? row.row.bytes : row.value.bytes),
			(const char *)(range->flags & STORE_WITH_ROWS ? row.row.data
								      : row.value.data));
	store_cursor_end(&cursor);
	if (status != STORE_NOT_FOUND)
		snprintf(text, sizeof text, "%s", store_status_text(status));
	return text;
}

struct store_handle fixture_table(struct store_client *client, const char *name, uint32_t spaces)
{
	struct store_handle table;

	assert_int_equal(store_client_table_create(client, text_bytes(name), text_bytes("metadata"),
				 spaces, 1, &table),
		STORE_OK);
	return table;
}
