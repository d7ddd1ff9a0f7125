/* Connections, clients, hosts and devices that come and go, with each way in. */
#include "echo_client.h"

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
#include "base/cpu.h"

/* ---- connections ---- */

/* For how long a client that has just come, and may use the first CPU alone, polls a host on another. */
static uint64_t poll_ns_max(bool is_pci, int host_cpu)
{
	struct channel_connection *connection;
	uint64_t poll_ns_max;

	echo_host_init(&host, is_pci);
	host.cpu = host_cpu;
	echo_host_start(&host);
	channel = echo_host_open_channel(&host);
	connection = join();
	expect_echo(connection, 1);
	poll_ns_max = connection->poll_ns_max;
	channel_disconnect(connection);
	channel_close(channel);
	echo_host_end(&host);
	return poll_ns_max;
}

static void client_with_one_cpu_polls_a_host_that_has_another(void **state)
{
	cpu_set_t usable;
	int first = 0, last = CPU_SETSIZE - 1;

	sched_getaffinity(0, sizeof usable, &usable);
	while (!CPU_ISSET(first, &usable))
		first++;
	while (!CPU_ISSET(last, &usable))
		last--;
	assert_int_equal(cpu_pin_thread(first), 0);
	assert_int_equal(poll_ns_max(false, SIDECORE_NOT_PINNED), 0);
	assert_int_equal(poll_ns_max(false, first), 0);
	assert_int_equal(poll_ns_max(true, SIDECORE_NOT_PINNED), CHANNEL_POLL_NS_MAX);
	if (last > first)
		assert_int_equal(poll_ns_max(false, last), CHANNEL_POLL_NS_MAX);
	assert_int_equal(sched_setaffinity(0, sizeof usable, &usable), 0);
}

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
	ASSERT_OPEN_DESCRIPTORS(before);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_WAYS(slots_run_out_and_come_back),
		BOTH_WAYS(many_threads_have_a_connection_each),
		BOTH_WAYS(refused_client_is_told_so),
		BOTH_WAYS(connection_that_the_module_ends_is_reset),
		BOTH_WAYS(restarted_host_resets_connections_and_takes_new_ones),
		BOTH_WAYS(host_that_ends_wakes_who_waits),
		BOTH_WAYS(client_that_is_killed_within_a_message_is_forgotten),
		BOTH_WAYS(nothing_is_left_open),
		cmocka_unit_test_setup_teardown(device_is_had_by_one_process_at_a_time,
			echo_client_set_up_pci, echo_client_tear_down),
		cmocka_unit_test_setup_teardown(next_client_of_a_device_finds_all_slots_free,
			echo_client_set_up_pci, echo_client_tear_down),
		cmocka_unit_test_setup_teardown(doorbell_of_a_device_is_its_register,
			echo_client_set_up_pci, echo_client_tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_channel_is_refused_with_the_reason,
			echo_client_set_up_pci, echo_client_tear_down),
		cmocka_unit_test(names_of_no_channel_are_refused),
		cmocka_unit_test(client_with_one_cpu_polls_a_host_that_has_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
