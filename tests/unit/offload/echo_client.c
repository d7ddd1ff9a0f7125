#include "echo_client.h"

#include <stdlib.h>

struct echo_host host;
struct channel *channel;

void open_channel(void)
{
	channel = echo_host_open_channel(&host);
}

static int set_up(bool is_pci)
{
	echo_host_init(&host, is_pci);
	echo_host_start(&host);
	open_channel();
	return 0;
}

int echo_client_set_up_unix(void **state)
{
	return set_up(false);
}

int echo_client_set_up_pci(void **state)
{
	return set_up(true);
}

int echo_client_tear_down(void **state)
{
	channel_close(channel);
	echo_host_end(&host);
	return 0;
}

struct channel_connection *join(void)
{
	struct channel_connection *connection;

	assert_int_equal(channel_connect(channel, &connection), 0);
	return connection;
}

/* A pattern by which a byte that went astray is noticed. */
static void fill(uint8_t *data, size_t bytes, uint32_t seed)
{
	for (size_t i = 0; i < bytes; i++) {
		seed = seed * 1664525 + 1013904223;
		data[i] = (uint8_t)(seed >> 24);
	}
	if (bytes > 0)
		data[0] = ECHO;
}

void expect_echo(struct channel_connection *connection, size_t bytes)
{
	uint8_t *data = malloc(bytes + 1);
	const struct iovec part = {data, bytes};
	const void *reply;
	size_t reply_bytes;

	fill(data, bytes, (uint32_t)bytes);
	assert_int_equal(channel_call(connection, &part, 1, &reply, &reply_bytes), 0);
	assert_int_equal(reply_bytes, bytes);
	assert_int_equal((uintptr_t)reply % 8, 0);
	assert_memory_equal(reply, data, bytes);
	free(data);
}
