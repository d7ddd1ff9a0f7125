/* What the owner of a channel's server can rely on. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/counter.h"
#include "channel/channel_client.h"
#include "echo_host.h"
#include "offload/channel/channel_private.h"

static struct echo_host host;
static struct channel *channel;

static int set_up(void **state)
{
	char message[256];

	echo_host_init(&host, false);
	echo_host_start(&host);
	assert_int_equal(channel_open(host.where, &channel, message, sizeof message), 0);
	echo_host_await(&host, 0);
	return 0;
}

static int tear_down(void **state)
{
	channel_close(channel);
	echo_host_end(&host);
	return 0;
}

static struct channel_connection *join(void)
{
	struct channel_connection *connection;

	assert_int_equal(channel_connect(channel, &connection), 0);
	return connection;
}

static bool eventually(bool (*is_true)(void))
{
	for (unsigned i = 0; i < 20000; i++) {
		if (is_true())
			return true;
		usleep(1000);
	}
	return false;
}

/* ---- its owner ---- */

static struct channel_connection_server *kept;

static bool keep(struct channel_connection_server *connection, void *context)
{
	return true;
}

static void keep_request(
	struct channel_connection_server *connection, const void *data, size_t bytes)
{
}

static void nothing_more(struct channel_connection_server *connection)
{
}

static void keep_disconnected(struct channel_connection_server *connection)
{
	__atomic_store_n(&kept, connection, __ATOMIC_RELEASE);
}

static bool is_kept(void)
{
	return __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
}

static void reply_and_release(void *argument)
{
	channel_server_reply(argument, "late", 4);
	channel_server_release(argument);
}

static bool is_free(void)
{
	return channel_server_connection_count(host.server) == 0;
}

static void connection_is_the_owners_until_it_lets_go(void **state)
{
	static const struct channel_server_handlers keeping = {
		.connected = keep,
		.request = keep_request,
		.replied = nothing_more,
		.disconnected = keep_disconnected,
	};
	const struct iovec part = {"x", 1};
	struct channel_connection *first, *second;

	echo_host_stop(&host);
	kept = NULL;
	host.config.connections_max = 1;
	host.config.handlers = &keeping;
	echo_host_start(&host);
	first = join();
	assert_int_equal(channel_send(first, &part, 1), 0);
	channel_disconnect(first);
	assert_true(eventually(is_kept));
	assert_int_equal(channel_server_connection_count(host.server), 1);
	assert_int_equal(channel_connect(channel, &second), -EAGAIN);
	sidecore_call(host.sidecore, reply_and_release, kept);
	assert_true(eventually(is_free));
	kept = NULL;
	while (channel_connect(channel, &second) == -EAGAIN)
		usleep(1000);
	channel_disconnect(second);
	assert_true(eventually(is_kept));
	sidecore_call(host.sidecore, reply_and_release, kept);
}

static void every_connection_is_disconnected_once(void **state)
{
	const uint64_t before = counter_get(&host.connected);
	struct channel_connection *connections[10];

	for (unsigned i = 0; i < 10; i++)
		connections[i] = join();
	for (unsigned i = 0; i < 5; i++)
		channel_disconnect(connections[i]);
	echo_host_stop(&host);
	assert_int_equal(counter_get(&host.connected), before + 10);
	assert_int_equal(counter_get(&host.disconnected), before + 10);
	for (unsigned i = 5; i < 10; i++)
		channel_disconnect(connections[i]);
	echo_host_start(&host);
}

static bool is_little(void)
{
	return __atomic_load_n(&host.server->connections[0].message_bytes_touched,
		       __ATOMIC_RELAXED) <= CHANNEL_IDLE_BYTES;
}

static void memory_of_a_large_message_is_given_back(void **state)
{
	struct channel_connection *connection = join();
	uint8_t *data = calloc(1, 4u << 20);
	const struct iovec large = {data, 4u << 20}, small = {"echo", 4};
	unsigned char is_resident[(8u << 20) / 4096];
	const void *reply;
	size_t bytes;

	data[0] = ECHO;
	assert_int_equal(channel_call(connection, &large, 1, &reply, &bytes), 0);
	assert_false(is_little());
	assert_true(eventually(is_little));
	assert_int_equal(mincore(host.server->connections[0].message, 8u << 20, is_resident), 0);
	assert_true(is_resident[0] & 1);
	for (unsigned i = CHANNEL_IDLE_BYTES / 4096; i < sizeof is_resident; i++)
		assert_false(is_resident[i] & 1);
	assert_int_equal(channel_call(connection, &small, 1, &reply, &bytes), 0);
	assert_memory_equal(reply, "echo", 4);
	channel_disconnect(connection);
	free(data);
}

static void counters_count(void **state)
{
	struct channel_connection *connection = join();
	struct channel_server_counters counters;
	const struct iovec part = {"echo", 4};
	const void *reply;
	size_t bytes;

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	channel_server_counters(host.server, &counters);
	assert_int_equal(counters.requests, 10);
	assert_int_equal(counters.bytes_received, 40);
	assert_int_equal(counters.bytes_sent, 40);
	assert_int_equal(counters.broken, 0);
	channel_disconnect(connection);
}

static void idle_connection_is_parked_and_woken_by_its_doorbell(void **state)
{
	struct channel_connection *connection = join();
	struct channel_server_counters counters;
	const struct iovec part = {"echo", 4};
	const void *reply;
	size_t bytes;

	for (unsigned i = 0; i < 10; i++) {
		usleep(2000);
		assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	}
	channel_server_counters(host.server, &counters);
	assert_in_range(counters.doorbells, 1, 20);
	channel_disconnect(connection);
}

/* ---- setting up ---- */

static void second_server_finds_the_socket_taken(void **state)
{
	struct error error;

	assert_int_equal(channel_server_listen(host.socket_path, &error), -EADDRINUSE);
	assert_non_null(strstr(error.message, "another process listens"));
}

static void file_that_is_no_socket_is_not_replaced(void **state)
{
	struct error error;
	char path[PATH_MAX + 64];

	snprintf(path, sizeof path, "%s/file", host.directory);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(channel_server_listen(path, &error), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
}

static void region_of_another_size_is_refused(void **state)
{
	struct channel_server_config config = host.config;
	struct error error;
	char path[PATH_MAX + 64];
	bool is_new;
	int fd;

	snprintf(path, sizeof path, "%s/region", host.directory);
	fd = channel_region_open(path, &config, &is_new, &error);
	assert_true(fd >= 0 && is_new);
	assert_int_equal(lseek(fd, 0, SEEK_END), channel_region_bytes(&config));
	close(fd);
	fd = channel_region_open(path, &config, &is_new, &error);
	assert_true(fd >= 0 && !is_new);
	close(fd);
	config.connections_max = 4;
	assert_int_equal(channel_region_open(path, &config, &is_new, &error), -EEXIST);
	assert_non_null(strstr(error.message, "is there already"));
}

static void configuration_that_cannot_be_is_refused(void **state)
{
	const struct channel_server_config good = host.config;
	struct channel_server_config wrong[] = {good, good, good, good, good};
	struct channel_server *server;
	struct error error;

	wrong[0].connections_max = 0;
	wrong[1].request_ring_bytes = 5000;
	wrong[2].reply_ring_bytes = 1024;
	wrong[3].message_bytes_max = 0;
	wrong[4].listen_fd = -1;
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(channel_server_create(&wrong[i], &server, &error), -EINVAL);
}

static void region_is_a_bar(void **state)
{
	struct channel_server_config config = channel_server_config_default();

	assert_int_equal(channel_region_bytes(&config), 32u << 20);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connection_is_the_owners_until_it_lets_go),
		TEST(every_connection_is_disconnected_once),
		TEST(memory_of_a_large_message_is_given_back),
		TEST(counters_count),
		TEST(idle_connection_is_parked_and_woken_by_its_doorbell),
		TEST(second_server_finds_the_socket_taken),
		TEST(file_that_is_no_socket_is_not_replaced),
		TEST(region_of_another_size_is_refused),
		TEST(configuration_that_cannot_be_is_refused),
		TEST(region_is_a_bar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
