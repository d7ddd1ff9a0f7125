/* A region's doorbell, with a machine that is played: its socket, and its device's registers as a file that looks like sysfs. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "base/counter.h"
#include "channel/channel_private.h"
#include "echo_host.h"
#include "offload/channel/channel_private.h"

#define HOST 1
#define MACHINE 2
#define REGISTERS_AT 0x700u /* of BAR 0, in its page */
#define NO_FD (-1)

struct said {
	int64_t number;
	int fd;
};

static struct echo_host host;
static struct channel *channel;

/* The machine: what it was told, and a thread that does as KVM does. */
static struct {
	int socket, doorbell;
	uint32_t *doorbell_register;
	pthread_t thread;
	uint32_t is_ending;
	uint32_t last_value;
} machine;

/* ---- the machine ---- */

static int connect_machine(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%.100s", host.machine_path);
	assert_int_equal(connect(fd, (const void *)&address, sizeof address), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return fd;
}

/* One message, read as QEMU does. Returns false at the end. */
static bool hear(int socket, struct said *said)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec part = {&said->number, sizeof said->number};
	struct msghdr header = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	ssize_t count = recvmsg(socket, &header, MSG_WAITALL);

	said->fd = NO_FD;
	if (count <= 0)
		return false;
	assert_int_equal(count, sizeof said->number);
	if (CMSG_FIRSTHDR(&header))
		memcpy(&said->fd, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof said->fd);
	return true;
}

static void expect(int socket, int64_t number, int *fd)
{
	struct said said;

	assert_true(hear(socket, &said));
	assert_int_equal(said.number, number);
	assert_int_equal(said.fd >= 0, fd != NULL);
	if (fd)
		*fd = said.fd;
}

static void expect_welcome(int socket, int *memory, int *doorbell)
{
	expect(socket, 0, NULL);
	expect(socket, MACHINE, NULL);
	expect(socket, -1, memory);
	expect(socket, HOST, doorbell);
}

/* That a peer has gone which comes again makes QEMU use memory that it has freed. */
static void expect_silence(int socket)
{
	char byte;

	usleep(20000);
	assert_int_equal(recv(socket, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static bool is_hung_up(int socket)
{
	struct said said;

	return !hear(socket, &said);
}

static void *be_kvm(void *argument)
{
	while (!__atomic_load_n(&machine.is_ending, __ATOMIC_RELAXED)) {
		uint32_t value =
			__atomic_exchange_n(machine.doorbell_register, 0, __ATOMIC_SEQ_CST);

		if (value) {
			__atomic_store_n(&machine.last_value, value, __ATOMIC_RELAXED);
			eventfd_write(machine.doorbell, 1);
		}
		usleep(50);
	}
	return NULL;
}

static void plug_in(void)
{
	int memory;

	machine.socket = connect_machine();
	expect_welcome(machine.socket, &memory, &machine.doorbell);
	close(memory);
	machine.is_ending = 0;
	assert_int_equal(pthread_create(&machine.thread, NULL, be_kvm, NULL), 0);
}

static void pull_out(void)
{
	__atomic_store_n(&machine.is_ending, 1, __ATOMIC_RELAXED);
	pthread_join(machine.thread, NULL);
	close(machine.socket);
	close(machine.doorbell);
}

/* ---- sysfs ---- */

static int make_file(const char *name, const void *content, size_t bytes)
{
	char path[PATH_MAX + 64];
	int fd;

	snprintf(path, sizeof path, "%s/%s/%s", host.directory, ECHO_PCI_ADDRESS, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, content, bytes), bytes);
	return fd;
}

static void make_registers(void)
{
	static const char resource[] = "0x00000000fe000700 0x00000000fe0007ff 0x0000000000040200\n";
	static const uint8_t registers[4096];
	int fd;

	close(make_file("resource", resource, strlen(resource)));
	fd = make_file("resource0", registers, sizeof registers);
	machine.doorbell_register = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) +
				    REGISTERS_AT + SLUICE_CHANNEL_PCI_DOORBELL_OFFSET;
	close(fd);
}

/* ---- set up ---- */

static int set_up(void **state)
{
	echo_host_init(&host, true);
	make_registers();
	echo_host_start(&host);
	return 0;
}

static int tear_down(void **state)
{
	munmap((uint8_t *)machine.doorbell_register - REGISTERS_AT -
			SLUICE_CHANNEL_PCI_DOORBELL_OFFSET,
		4096);
	echo_host_end(&host);
	return 0;
}

static void open_channel(void)
{
	char message[256] = "";
	const struct channel_message where = {message, sizeof message};

	if (channel_pci_open(&channel, host.directory, NULL, &where) < 0)
		fail_msg("%s", message);
}

static struct channel_connection *join(void)
{
	struct channel_connection *connection;

	assert_int_equal(channel_connect(channel, &connection), 0);
	return connection;
}

static void expect_echo(struct channel_connection *connection)
{
	const struct iovec part = {"echo", 4};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	assert_int_equal(bytes, 4);
}

static uint64_t rung(void)
{
	struct channel_server_counters counters;

	channel_server_counters(host.server, &counters);
	return counters.doorbells;
}

static uint64_t sleeps(void)
{
	return counter_get(&sidecore_counters(host.sidecore)->sleeps);
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

static void look_at_trust(void *argument)
{
	*(bool *)argument = host.server->does_ring;
}

static bool is_trusted(void)
{
	bool is_trusted;

	sidecore_call(host.sidecore, look_at_trust, &is_trusted);
	return is_trusted;
}

static bool is_doubted(void)
{
	return !is_trusted();
}

/* ---- what a machine is told ---- */

static void machine_is_told_as_by_an_ivshmem_server(void **state)
{
	int socket = connect_machine(), memory, doorbell;
	struct stat of_memory, of_region;

	expect_welcome(socket, &memory, &doorbell);
	expect_silence(socket);
	assert_int_equal(fstat(memory, &of_memory), 0);
	assert_int_equal(stat(host.region_path, &of_region), 0);
	assert_int_equal(of_memory.st_ino, of_region.st_ino);
	assert_int_equal(eventfd_write(doorbell, 1), 0);
	close(memory);
	close(doorbell);
	close(socket);
}

static void second_machine_is_sent_away_and_the_first_stays(void **state)
{
	struct channel_connection *connection;
	int second;

	plug_in();
	second = connect_machine();
	assert_true(is_hung_up(second));
	close(second);
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void machine_that_says_something_is_hung_up_on(void **state)
{
	int memory, doorbell;
	int socket = connect_machine();

	expect_welcome(socket, &memory, &doorbell);
	assert_int_equal(write(socket, "hello", 5), 5);
	assert_true(is_hung_up(socket));
	close(socket);
	close(memory);
	close(doorbell);
	plug_in();
	pull_out();
}

static void machines_come_and_go_and_leave_nothing(void **state)
{
	unsigned before = open_descriptors();

	for (unsigned i = 0; i < 50; i++)
		close(connect_machine());
	for (unsigned i = 0; i < 20; i++) {
		plug_in();
		pull_out();
	}
	for (unsigned i = 0; i < 2000 && open_descriptors() != before; i++)
		usleep(1000);
	assert_int_equal(open_descriptors(), before);
}

static void host_that_ends_hangs_up(void **state)
{
	plug_in();
	echo_host_stop(&host);
	assert_true(is_hung_up(machine.socket));
	pull_out();
	echo_host_start(&host);
	plug_in();
	pull_out();
}

/* ---- ringing ---- */

static void parked_host_is_rung(void **state)
{
	struct channel_connection *connection;
	struct channel_counters counters;

	plug_in();
	open_channel();
	connection = join();
	for (unsigned i = 0; i < 20; i++) {
		usleep(2000);
		expect_echo(connection);
	}
	channel_counters(channel, &counters);
	assert_true(counters.doorbells > 0);
	assert_true(rung() > 0);
	assert_int_equal(__atomic_load_n(&machine.last_value, __ATOMIC_RELAXED), HOST << 16);
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

/* A timer that looked each millisecond would make that hundreds. */
static void host_with_a_doorbell_sleeps_until_it_is_rung(void **state)
{
	struct channel_connection *connection;
	uint64_t before;

	plug_in();
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	usleep(20000);
	before = sleeps();
	usleep(500000);
	assert_in_range(sleeps() - before, 0, 10);
	expect_echo(connection);
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void client_that_cannot_ring_is_answered_all_the_same(void **state)
{
	struct channel_connection *connection;
	char path[PATH_MAX + 64];

	plug_in();
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	channel_disconnect(connection);
	channel_close(channel);
	snprintf(path, sizeof path, "%s/%s/resource0", host.directory, ECHO_PCI_ADDRESS);
	assert_int_equal(unlink(path), 0);
	open_channel();
	connection = join();
	assert_true(eventually(is_doubted));
	for (unsigned i = 0; i < 20; i++) {
		usleep(2000);
		expect_echo(connection);
	}
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void connection_outlives_the_doorbell(void **state)
{
	struct channel_connection *connection;

	plug_in();
	open_channel();
	connection = join();
	expect_echo(connection);
	assert_true(eventually(is_trusted));
	pull_out();
	assert_true(eventually(is_doubted));
	for (unsigned i = 0; i < 5; i++) {
		usleep(2000);
		expect_echo(connection);
	}
	plug_in();
	for (unsigned i = 0; i < 50 && is_doubted(); i++) {
		usleep(5000);
		expect_echo(connection);
	}
	assert_true(is_trusted());
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

static void client_goes_on_when_the_memory_is_another(void **state)
{
	struct channel_connection *connection;

	open_channel();
	echo_host_stop(&host);
	memset(channel_region_header(&channel->device), 0, sizeof(struct sluice_channel_header));
	echo_host_start(&host);
	connection = join();
	expect_echo(connection);
	channel_disconnect(connection);
	channel_close(channel);
}

/* A guest that does nothing but ring; the host is busy with it, and with others. */
static void storm_of_rings_keeps_nobody_from_being_answered(void **state)
{
	struct channel_connection *connection;

	plug_in();
	open_channel();
	connection = join();
	for (unsigned i = 0; i < 200; i++) {
		for (unsigned k = 0; k < 50; k++)
			eventfd_write(machine.doorbell, 1);
		expect_echo(connection);
	}
	channel_disconnect(connection);
	channel_close(channel);
	pull_out();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(machine_is_told_as_by_an_ivshmem_server),
		TEST(second_machine_is_sent_away_and_the_first_stays),
		TEST(machine_that_says_something_is_hung_up_on),
		TEST(machines_come_and_go_and_leave_nothing),
		TEST(host_that_ends_hangs_up),
		TEST(parked_host_is_rung),
		TEST(host_with_a_doorbell_sleeps_until_it_is_rung),
		TEST(client_that_cannot_ring_is_answered_all_the_same),
		TEST(connection_outlives_the_doorbell),
		TEST(client_goes_on_when_the_memory_is_another),
		TEST(storm_of_rings_keeps_nobody_from_being_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
