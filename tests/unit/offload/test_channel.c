/* Both ends of a module channel, with each way in. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "channel/channel_private.h"
#include "echo_host.h"

static struct echo_host host;
static struct channel *channel;

static void open_channel(void)
{
	char message[256] = "";
	const struct channel_message where = {message, sizeof message};
	const int result = host.is_pci
				   ? channel_pci_open(&channel, host.directory, NULL, &where)
				   : channel_open(host.where, &channel, message, sizeof message);

	if (result < 0)
		fail_msg("%d: %s", result, message);
}

static int set_up_unix(void **state)
{
	echo_host_init(&host, false);
	echo_host_start(&host);
	open_channel();
	return 0;
}

static int set_up_pci(void **state)
{
	echo_host_init(&host, true);
	echo_host_start(&host);
	open_channel();
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

static void expect_echo(struct channel_connection *connection, size_t bytes)
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

/* ---- messages ---- */

static void request_is_answered(void **state)
{
	struct channel_connection *connection = join();

	expect_echo(connection, 1);
	channel_disconnect(connection);
}

static void empty_request_is_answered(void **state)
{
	struct channel_connection *connection = join();

	expect_echo(connection, 0);
	channel_disconnect(connection);
}

static void messages_of_all_sizes_wrap_around_the_ring(void **state)
{
	struct channel_connection *connection = join();

	for (size_t bytes = 0; bytes < 3000; bytes += 7)
		expect_echo(connection, bytes);
	channel_disconnect(connection);
}

static void messages_larger_than_a_ring_are_streamed(void **state)
{
	struct channel_connection *connection = join();

	expect_echo(connection, (1u << 20) + 13);
	expect_echo(connection, 8u << 20);
	expect_echo(connection, 5);
	channel_disconnect(connection);
}

static void message_that_is_too_large_is_refused_and_the_connection_goes_on(void **state)
{
	struct channel_connection *connection = join();
	uint8_t *data = calloc(1, (8u << 20) + 1);
	const struct iovec part = {data, (8u << 20) + 1};

	assert_int_equal(channel_message_bytes_max(channel), 8u << 20);
	assert_int_equal(channel_send(connection, &part, 1), -EMSGSIZE);
	expect_echo(connection, 100);
	channel_disconnect(connection);
	free(data);
}

static void parts_are_sent_one_after_the_other(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec parts[] = {{"e", 1}, {NULL, 0}, {"cho", 3}, {"", 0}, {"es", 2}};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_call(connection, parts, 5, &reply, &bytes), 0);
	assert_int_equal(bytes, 6);
	assert_memory_equal(reply, "echoes", 6);
	channel_disconnect(connection);
}

static void requests_in_a_row_are_answered_in_their_order(void **state)
{
	struct channel_connection *connection = join();
	uint32_t request[256] = {0};
	const struct iovec part = {request, sizeof request};
	const void *reply;
	size_t bytes;

	/* More than both rings hold, so that sending has to receive. */
	for (uint32_t i = 0; i < 2000; i++) {
		request[0] = ECHO;
		request[1] = i;
		assert_int_equal(channel_send(connection, &part, 1), 0);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		assert_int_equal(channel_receive(connection, &reply, &bytes), 0);
		assert_int_equal(bytes, sizeof request);
		assert_int_equal(((const uint32_t *)reply)[1], i);
	}
	channel_disconnect(connection);
}

static void answer_that_takes_its_time_is_slept_for(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec part = {"later", 5};
	struct channel_counters counters;
	const void *reply;
	size_t bytes;

	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
		assert_int_equal(bytes, 5);
	}
	channel_counters(channel, &counters);
	assert_true(counters.sleeps >= 20);
	channel_disconnect(connection);
}

static void large_answer_to_a_small_request_comes_whole(void **state)
{
	struct channel_connection *connection = join();
	uint8_t request[5] = {ECHO_LARGE};
	const uint32_t wanted = 3000001;
	const struct iovec part = {request, sizeof request};
	const void *reply;
	size_t bytes;

	memcpy(request + 1, &wanted, sizeof wanted);
	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	assert_int_equal(bytes, wanted);
	assert_int_equal(((const uint8_t *)reply)[wanted - 1], 'x');
	channel_disconnect(connection);
}

static void nothing_is_received_that_was_not_asked_for(void **state)
{
	struct channel_connection *connection = join();
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_receive(connection, &reply, &bytes), -EINVAL);
	expect_echo(connection, 9);
	assert_int_equal(channel_receive(connection, &reply, &bytes), -EINVAL);
	channel_disconnect(connection);
}

static void counters_count(void **state)
{
	struct channel_connection *connection = join();
	struct channel_counters counters;

	expect_echo(connection, 100);
	expect_echo(connection, 200);
	channel_disconnect(connection);
	channel_counters(channel, &counters);
	assert_int_equal(counters.requests, 2);
	assert_int_equal(counters.bytes_sent, 300);
	assert_int_equal(counters.bytes_received, 300);
}

/* ---- connections ---- */

static void slots_run_out_and_come_back(void **state)
{
	struct channel_connection *connections[CHANNEL_CONNECTIONS_DEFAULT], *one_more;

	echo_host_await(&host, 0);
	for (unsigned i = 0; i < CHANNEL_CONNECTIONS_DEFAULT; i++)
		connections[i] = join();
	assert_int_equal(channel_connect(channel, &one_more), -EAGAIN);
	for (unsigned i = 0; i < CHANNEL_CONNECTIONS_DEFAULT; i++) {
		expect_echo(connections[i], i * 10);
		channel_disconnect(connections[i]);
	}
	echo_host_await(&host, 0);
	channel_disconnect(join());
}

static void *talk(void *argument)
{
	struct channel_connection *connection = join();

	for (size_t i = 0; i < 200; i++)
		expect_echo(connection, i * (size_t)(uintptr_t)argument % 9000);
	channel_disconnect(connection);
	return NULL;
}

static void many_threads_have_a_connection_each(void **state)
{
	pthread_t threads[16];

	for (uintptr_t i = 0; i < 16; i++)
		pthread_create(&threads[i], NULL, talk, (void *)(i * 31 + 1));
	for (unsigned i = 0; i < 16; i++)
		pthread_join(threads[i], NULL);
	echo_host_await(&host, 0);
}

static void refused_client_is_told_so(void **state)
{
	struct channel_connection *connection;

	__atomic_store_n(&host.refuses, true, __ATOMIC_RELAXED);
	assert_int_equal(channel_connect(channel, &connection), -ECONNREFUSED);
	__atomic_store_n(&host.refuses, false, __ATOMIC_RELAXED);
	connection = join();
	expect_echo(connection, 10);
	channel_disconnect(connection);
}

static void connection_that_the_module_ends_is_reset(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec part = {"hang up", 7};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), -ECONNRESET);
	assert_int_equal(channel_send(connection, &part, 1), -ECONNRESET);
	channel_disconnect(connection);
	connection = join();
	expect_echo(connection, 10);
	channel_disconnect(connection);
}

static void restarted_host_resets_connections_and_takes_new_ones(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec part = {"e", 1};

	expect_echo(connection, 100);
	echo_host_stop(&host);
	assert_int_equal(channel_send(connection, &part, 1), -ECONNRESET);
	channel_disconnect(connection);
	assert_int_equal(channel_connect(channel, &connection), -ECONNREFUSED);
	echo_host_start(&host);
	connection = join();
	expect_echo(connection, 100);
	channel_disconnect(connection);
}

static void *stop_host(void *argument)
{
	usleep(20000);
	echo_host_stop(&host);
	return NULL;
}

static void host_that_ends_wakes_who_waits(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec part = {"never", 5};
	const void *reply;
	size_t bytes;
	pthread_t thread;

	pthread_create(&thread, NULL, stop_host, NULL);
	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), -ECONNRESET);
	pthread_join(thread, NULL);
	channel_disconnect(connection);
}

/* ---- processes ---- */

static void send_half_a_message_and_die(void)
{
	static uint8_t data[60000];
	struct channel_connection *connection;

	open_channel();
	connection = join();
	channel_record_put(&connection->requests, 0,
		(struct sluice_channel_record){sizeof data, SLUICE_CHANNEL_RECORD_MORE});
	channel_bytes_put(&connection->requests, 8, data, sizeof data);
	channel_show(connection, &connection->slot->client_request.request_tail,
		channel_record_room(sizeof data), SLUICE_CHANNEL_WAKE_FOR_DATA);
	while (read_shared(connection->slot->host_request.request_head) == 0)
		usleep(100);
	kill(getpid(), SIGKILL);
}

static void client_that_is_killed_within_a_message_is_forgotten(void **state)
{
	struct channel_connection *connection;
	pid_t child;

	channel_close(channel);
	child = fork();
	if (child == 0)
		send_half_a_message_and_die();
	assert_int_equal(waitpid(child, NULL, 0), child);
	open_channel();
	connection = join();
	echo_host_await(&host, 1);
	expect_echo(connection, 1000);
	channel_disconnect(connection);
}

static void nothing_is_left_open(void **state)
{
	unsigned before;

	channel_close(channel);
	echo_host_await(&host, 0);
	before = open_descriptors();
	for (unsigned i = 0; i < 20; i++) {
		open_channel();
		for (unsigned k = 0; k < 3; k++)
			channel_disconnect(join());
		channel_close(channel);
	}
	echo_host_await(&host, 0);
	/* The control thread closes its ends after the connection is over. */
	for (unsigned i = 0; i < 2000 && open_descriptors() != before; i++)
		usleep(1000);
	assert_int_equal(open_descriptors(), before);
	open_channel();
}

/* ---- a device ---- */

static void device_is_had_by_one_process_at_a_time(void **state)
{
	char message[256];
	struct channel *second;

	assert_int_equal(channel_pci_open(&second, host.directory, ECHO_PCI_ADDRESS,
				 &(struct channel_message){message, sizeof message}),
		-EBUSY);
	assert_non_null(strstr(message, "another process has the channel"));
}

static void next_client_of_a_device_finds_all_slots_free(void **state)
{
	struct channel_connection *old[CHANNEL_CONNECTIONS_DEFAULT], *connection;
	struct channel *first = channel;

	for (unsigned i = 0; i < CHANNEL_CONNECTIONS_DEFAULT; i++)
		old[i] = join();
	/* As if the process were gone, but for its memory. */
	assert_int_equal(flock(first->device_fd, LOCK_UN), 0);
	open_channel();
	connection = join();
	expect_echo(connection, 100);
	echo_host_await(&host, 1);
	channel_disconnect(connection);
	TAILQ_INIT(&first->connections);
	for (unsigned i = 0; i < CHANNEL_CONNECTIONS_DEFAULT; i++) {
		assert_true(channel_is_lost(old[i]));
		free(old[i]);
	}
	channel_close(first);
}

static void doorbell_of_a_device_is_its_register(void **state)
{
	char path[PATH_MAX + 128];
	uint32_t registers[1024] = {0};
	int fd;

	channel_region_header(&channel->device)->layout.doorbell = 0x10003;
	channel_close(channel);
	snprintf(path, sizeof path, "%s/%s/resource0", host.directory, ECHO_PCI_ADDRESS);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, registers, sizeof registers), sizeof registers);
	open_channel();
	assert_int_equal(pread(fd, registers, sizeof registers, 0), sizeof registers);
	assert_int_equal(registers[SLUICE_CHANNEL_PCI_DOORBELL_OFFSET / 4], 0x10003);
	close(fd);
}

static void what_is_no_channel_is_refused_with_the_reason(void **state)
{
	struct sluice_channel_layout *layout = &channel_region_header(&channel->device)->layout;
	const struct sluice_channel_layout good = *layout;
	struct sluice_channel_layout wrong[] = {good, good, good, good, good, good};
	const int results[] = {-ECONNREFUSED, -EPROTO, -EPROTONOSUPPORT, -EPROTO, -EPROTO, -EPROTO};
	char message[256];
	struct channel *second;

	assert_int_equal(flock(channel->device_fd, LOCK_UN), 0);
	wrong[0].magic = 0;
	wrong[1].magic++;
	wrong[2].version++;
	wrong[3].slot_count = 1000;
	wrong[4].request_ring_bytes = 5000;
	wrong[5].reply_ring_offset = UINT32_MAX - 127;
	for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		*layout = wrong[i];
		message[0] = '\0';
		assert_int_equal(channel_pci_open(&second, host.directory, NULL,
					 &(struct channel_message){message, sizeof message}),
			results[i]);
		assert_true(strlen(message) > 0);
	}
	*layout = good;
	assert_int_equal(flock(channel->device_fd, LOCK_EX), 0);
}

static void names_of_no_channel_are_refused(void **state)
{
	char message[256];
	struct channel *second;

	assert_int_equal(channel_open("tcp:1", &second, message, sizeof message), -EINVAL);
	assert_non_null(strstr(message, "unix:PATH"));
	assert_int_equal(channel_open("pci:../x", &second, message, sizeof message), -EINVAL);
	assert_int_equal(channel_open("unix:/nonexistent/socket", &second, message, sizeof message),
		-ENOENT);
	assert_non_null(strstr(message, "/nonexistent/socket"));
}

#define BOTH_WAYS(test)                                                \
	cmocka_unit_test_setup_teardown(test, set_up_unix, tear_down), \
	{                                                              \
		"pci: " #test, test, set_up_pci, tear_down, NULL       \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_WAYS(request_is_answered),
		BOTH_WAYS(empty_request_is_answered),
		BOTH_WAYS(messages_of_all_sizes_wrap_around_the_ring),
		BOTH_WAYS(messages_larger_than_a_ring_are_streamed),
		BOTH_WAYS(message_that_is_too_large_is_refused_and_the_connection_goes_on),
		BOTH_WAYS(parts_are_sent_one_after_the_other),
		BOTH_WAYS(requests_in_a_row_are_answered_in_their_order),
		BOTH_WAYS(answer_that_takes_its_time_is_slept_for),
		BOTH_WAYS(large_answer_to_a_small_request_comes_whole),
		BOTH_WAYS(nothing_is_received_that_was_not_asked_for),
		BOTH_WAYS(counters_count),
		BOTH_WAYS(slots_run_out_and_come_back),
		BOTH_WAYS(many_threads_have_a_connection_each),
		BOTH_WAYS(refused_client_is_told_so),
		BOTH_WAYS(connection_that_the_module_ends_is_reset),
		BOTH_WAYS(restarted_host_resets_connections_and_takes_new_ones),
		BOTH_WAYS(host_that_ends_wakes_who_waits),
		BOTH_WAYS(client_that_is_killed_within_a_message_is_forgotten),
		BOTH_WAYS(nothing_is_left_open),
		{"device_is_had_by_one_process_at_a_time", device_is_had_by_one_process_at_a_time,
			set_up_pci, tear_down, NULL},
		{"next_client_of_a_device_finds_all_slots_free",
			next_client_of_a_device_finds_all_slots_free, set_up_pci, tear_down, NULL},
		{"doorbell_of_a_device_is_its_register", doorbell_of_a_device_is_its_register,
			set_up_pci, tear_down, NULL},
		{"what_is_no_channel_is_refused_with_the_reason",
			what_is_no_channel_is_refused_with_the_reason, set_up_pci, tear_down, NULL},
		cmocka_unit_test(names_of_no_channel_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
