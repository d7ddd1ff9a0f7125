#include "played_machine.h"

#include "../cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/counter.h"
#include "offload/channel/channel_private.h"

#define MACHINE 2
#define REGISTERS_AT 0x700u /* of BAR 0, in its page */
#define NO_FD (-1)

struct said {
	int64_t number;
	int fd;
};

struct echo_host host;
struct channel *channel;

/* The machine: what it was told, and a thread that does as KVM does. */
struct played_machine machine;

/* ---- the machine ---- */

int connect_machine(void)
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

void expect_welcome(int socket, int *memory, int *doorbell)
{
	expect(socket, 0, NULL);
	expect(socket, MACHINE, NULL);
	expect(socket, -1, memory);
	expect(socket, HOST, doorbell);
}

/* That a peer has gone which comes again makes QEMU use memory that it has freed. */
void expect_silence(int socket)
{
	char byte;

	usleep(20000);
	assert_int_equal(recv(socket, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

bool is_hung_up(int socket)
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

void plug_in(void)
{
	int memory;

	machine.socket = connect_machine();
	expect_welcome(machine.socket, &memory, &machine.doorbell);
	close(memory);
	machine.is_ending = 0;
	assert_int_equal(pthread_create(&machine.thread, NULL, be_kvm, NULL), 0);
	machine.is_plugged_in = true;
}

void pull_out(void)
{
	machine.is_plugged_in = false;
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

int set_up(void **state)
{
	echo_host_init(&host, true);
	make_registers();
	echo_host_start(&host);
	return 0;
}

int tear_down(void **state)
{
	if (machine.is_plugged_in)
		pull_out(); /* the test has failed, and the thread looks at what goes now */
	munmap((uint8_t *)machine.doorbell_register - REGISTERS_AT -
			SLUICE_CHANNEL_PCI_DOORBELL_OFFSET,
		4096);
	echo_host_end(&host);
	return 0;
}

void open_channel(void)
{
	char message[256] = "";
	const struct channel_message where = {message, sizeof message};

	if (channel_pci_open(&channel, host.directory, NULL, &where) < 0)
		fail_msg("%s", message);
}

struct channel_connection *join(void)
{
	struct channel_connection *connection;

	assert_int_equal(channel_connect(channel, &connection), 0);
	return connection;
}

void expect_echo(struct channel_connection *connection)
{
	const struct iovec part = {"echo", 4};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	assert_int_equal(bytes, 4);
}

uint64_t rung(void)
{
	struct channel_server_counters counters;

	channel_server_counters(host.server, &counters);
	return counters.doorbells;
}

uint64_t sleeps(void)
{
	return counter_get(&sidecore_counters(host.sidecore)->sleeps);
}

bool eventually(bool (*is_true)(void))
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

bool is_trusted(void)
{
	bool is_trusted;

	sidecore_call(host.sidecore, look_at_trust, &is_trusted);
	return is_trusted;
}

bool is_doubted(void)
{
	return !is_trusted();
}
