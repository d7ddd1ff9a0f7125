/*
 * What clients do with the descriptors that a channel's host gives them, and with others that they send it. The host goes on, and so does
 * who did nothing.
 */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "channel/channel_private.h"
#include "echo_host.h"

#define STORM 200u
#define SENT_MAX 64u

/* A client without the library: a socket, and what came over it. */
struct raw_client {
	int socket;
	struct sluice_channel_welcome welcome;
	int fds[SLUICE_CHANNEL_DESCRIPTORS];
};

static struct echo_host host;
static struct channel *channel;
static struct channel_connection *bystander;

static int connect_raw(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%.100s", host.socket_path);
	assert_int_equal(connect(fd, (const void *)&address, sizeof address), 0);
	return fd;
}

static struct raw_client come(void)
{
	struct raw_client client = {.socket = connect_raw()};
	union {
		char bytes[CMSG_SPACE(sizeof client.fds)];
		struct cmsghdr header;
	} control;
	struct iovec part = {&client.welcome, sizeof client.welcome};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};

	assert_int_equal(recvmsg(client.socket, &header, 0), sizeof client.welcome);
	assert_int_equal(client.welcome.status, 0);
	assert_int_equal(header.msg_controllen, sizeof control);
	memcpy(client.fds, CMSG_DATA(&control.header), sizeof client.fds);
	return client;
}

static void go(struct raw_client *client)
{
	for (unsigned i = 0; i < SLUICE_CHANNEL_DESCRIPTORS; i++)
		close(client->fds[i]);
	close(client->socket);
}

static void expect_answer(struct channel_connection *connection)
{
	const struct iovec part = {"echo", 4};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	assert_memory_equal(reply, "echo", 4);
}

static bool is_hung_up(int socket)
{
	char byte;

	return recv(socket, &byte, 1, 0) <= 0;
}

static int set_up(void **state)
{
	echo_host_init(&host, false);
	echo_host_start(&host);
	channel = echo_host_open_channel(&host);
	assert_int_equal(channel_connect(channel, &bystander), 0);
	/* Opening has its own connection, whose slot and descriptors go when the host sees its end. */
	echo_host_await(&host, 1);
	return 0;
}

static int tear_down(void **state)
{
	expect_answer(bystander);
	channel_disconnect(bystander);
	channel_close(channel);
	echo_host_end(&host);
	return 0;
}

/* ---- the region ---- */

static void region_cannot_be_cut_under_the_hosts_feet(void **state)
{
	struct raw_client client = come();
	struct stat status;

	assert_int_equal(fstat(client.fds[SLUICE_CHANNEL_REGION], &status), 0);
	assert_int_equal(ftruncate(client.fds[SLUICE_CHANNEL_REGION], 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(client.fds[SLUICE_CHANNEL_REGION], status.st_size * 2), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fallocate(client.fds[SLUICE_CHANNEL_REGION], 0, status.st_size, 4096), -1);
	assert_int_equal(errno, EPERM);
	go(&client);
}

static void region_cannot_be_sealed_against_the_host(void **state)
{
	struct raw_client client = come();

	assert_int_equal(fcntl(client.fds[SLUICE_CHANNEL_REGION], F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EPERM);
	go(&client);
}

/* Pages that are not there any more are zeroes to who reads them. */
static void holes_in_a_slot_harm_its_client_alone(void **state)
{
	struct raw_client client = come();
	const struct sluice_channel_layout *layout = &bystander->region->layout;
	const off_t slot = layout->slots_offset + (off_t)client.welcome.slot * layout->slot_stride;

	for (unsigned i = 0; i < STORM; i++) {
		assert_int_equal(fallocate(client.fds[SLUICE_CHANNEL_REGION],
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, slot,
					 layout->slot_stride),
			0);
		eventfd_write(client.fds[SLUICE_CHANNEL_DOORBELL], 1);
		expect_answer(bystander);
	}
	go(&client);
}

/* ---- the eventfds ---- */

/* What is set on a descriptor that was passed on is set for both. */
static void call_that_blocks_and_is_full_holds_up_nobody(void **state)
{
	struct channel_connection *attacker;
	const struct iovec part = {"echo", 4};
	const uint64_t most = UINT64_MAX - 1;

	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(channel_connect(channel, &attacker), 0);
		assert_int_equal(fcntl(attacker->call, F_SETFL, 0), 0);
		assert_int_equal(write(attacker->call, &most, sizeof most), sizeof most);
		for (unsigned j = 0; j < 100; j++) {
			write_shared(attacker->slot->client.sleeps, UINT32_MAX);
			assert_int_equal(channel_send(attacker, &part, 1), 0);
			expect_answer(bystander);
		}
		channel_disconnect(attacker);
	}
	echo_host_await(&host, 1);
}

static void doorbell_that_blocks_holds_up_nobody(void **state)
{
	struct raw_client client = come();
	eventfd_t value;

	assert_int_equal(fcntl(client.fds[SLUICE_CHANNEL_DOORBELL], F_SETFL, 0), 0);
	for (unsigned i = 0; i < STORM; i++) {
		eventfd_write(client.fds[SLUICE_CHANNEL_DOORBELL], 1);
		if (i % 2) {
			/* It takes the ring away from the host, if that was not faster. */
			fcntl(client.fds[SLUICE_CHANNEL_DOORBELL], F_SETFL, O_NONBLOCK);
			eventfd_read(client.fds[SLUICE_CHANNEL_DOORBELL], &value);
			fcntl(client.fds[SLUICE_CHANNEL_DOORBELL], F_SETFL, 0);
		}
		expect_answer(bystander);
	}
	go(&client);
	echo_host_await(&host, 1);
}

/* Who has the same slot next has other eventfds. */
static void doorbell_of_an_earlier_connection_rings_nobody(void **state)
{
	struct raw_client earlier = come(), next;
	struct channel_server_counters before, after;
	unsigned slot = earlier.welcome.slot;

	close(earlier.socket);
	echo_host_await(&host, 1);
	next = come();
	assert_int_equal(next.welcome.slot, slot);
	expect_answer(bystander);
	channel_server_counters(host.server, &before);
	for (unsigned i = 0; i < STORM; i++)
		eventfd_write(earlier.fds[SLUICE_CHANNEL_DOORBELL], 1);
	usleep(50000);
	channel_server_counters(host.server, &after);
	assert_int_equal(after.doorbells, before.doorbells);
	earlier.socket = -1;
	go(&earlier);
	go(&next);
}

/* ---- the socket ---- */

static bool send_descriptors(int socket, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(SENT_MAX * sizeof(int))];
		struct cmsghdr header;
	} control = {0};
	struct iovec part = {"x", 1};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(count * sizeof(int))};
	int fds[SENT_MAX];

	for (unsigned i = 0; i < count; i++)
		fds[i] = STDIN_FILENO;
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	return sendmsg(socket, &header, MSG_NOSIGNAL) == 1;
}

static void descriptors_that_are_sent_to_the_host_are_not_kept(void **state)
{
	struct raw_client client;
	const unsigned before = open_descriptors();

	for (unsigned i = 0; i < 20; i++) {
		client = come();
		send_descriptors(client.socket, SENT_MAX);
		assert_true(is_hung_up(client.socket));
		go(&client);
	}
	echo_host_await(&host, 1);
	expect_answer(bystander);
	assert_int_equal(open_descriptors(), before);
}

static void clients_that_come_and_go_leave_room_for_others(void **state)
{
	for (unsigned i = 0; i < STORM; i++)
		close(connect_raw());
	echo_host_await(&host, 1);
}

/* All who come beyond that are told so, and what they were told with is not kept for them. */
static void welcomes_that_nobody_takes_hold_up_nobody(void **state)
{
	int sockets[STORM];

	for (unsigned i = 0; i < STORM; i++)
		sockets[i] = connect_raw();
	expect_answer(bystander);
	for (unsigned i = 0; i < STORM; i++)
		close(sockets[i]);
	echo_host_await(&host, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(region_cannot_be_cut_under_the_hosts_feet),
		TEST(region_cannot_be_sealed_against_the_host),
		TEST(holes_in_a_slot_harm_its_client_alone),
		TEST(call_that_blocks_and_is_full_holds_up_nobody),
		TEST(doorbell_that_blocks_holds_up_nobody),
		TEST(doorbell_of_an_earlier_connection_rings_nobody),
		TEST(descriptors_that_are_sent_to_the_host_are_not_kept),
		TEST(clients_that_come_and_go_leave_room_for_others),
		TEST(welcomes_that_nobody_takes_hold_up_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
