/* What a device believes of an ivshmem server, and what not. */
#include "../cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../open_descriptors.h"
#include "vmm/pci/ivshmem_link.h"

static int server,
	device; /* both ends of the connection; the device's is the link's from when it begins */
static int memory, doorbell, other;
static struct error error;

static int set_up(void **state)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	server = ends[0];
	device = ends[1];
	memory = memfd_create("memory", MFD_CLOEXEC);
	doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return 0;
}

static int tear_down(void **state)
{
	const int fds[] = {server, memory, doorbell, other};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return 0;
}

static void say(int64_t number, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof fd)];
		struct cmsghdr header;
	} control = {.header = {CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec part = {&number, sizeof number};
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		header.msg_control = &control;
		header.msg_controllen = sizeof control;
	}
	assert_int_equal(sendmsg(server, &header, MSG_NOSIGNAL), sizeof number);
}

static void hang_up(void)
{
	close(server);
	server = -1;
}

/* The link does not begin, and nothing is left of it. */
static void assert_refused(int result)
{
	struct ivshmem_link link;
	const unsigned before = open_descriptors();

	hang_up();
	assert_int_equal(ivshmem_link_begin(&link, device, &error), result);
	assert_int_equal(link.socket, -1);
	assert_int_equal(open_descriptors(), before - 2); /* both ends */
}

static void assert_rings(const struct ivshmem_link *link, int fd)
{
	eventfd_t value;

	assert_int_equal(eventfd_write(link->doorbell_fd, 1), 0);
	assert_int_equal(eventfd_read(fd, &value), 0);
}

static void what_a_module_says_is_understood(void **state)
{
	struct ivshmem_link link;

	say(0, -1);
	say(2, -1);
	say(-1, memory);
	say(1, doorbell);
	assert_int_equal(ivshmem_link_begin(&link, device, &error), 0);
	assert_int_equal(link.number, 2);
	assert_true(link.memory_fd >= 0);
	assert_rings(&link, doorbell);
	ivshmem_link_close(&link);
}

/* As QEMU's own says it, with interrupts for this device, and more vectors. */
static void what_other_servers_say_besides_is_let_go(void **state)
{
	const unsigned before = open_descriptors();
	struct ivshmem_link link;

	say(0, -1);
	say(0, -1);
	say(0, other);
	say(7, doorbell);
	say(7, other);
	say(-1, memory);
	say(8, -1);
	say(7, other);
	assert_int_equal(ivshmem_link_begin(&link, device, &error), 0);
	assert_int_equal(link.number, 0);
	assert_rings(&link, doorbell);
	ivshmem_link_close(&link);
	assert_int_equal(open_descriptors(), before - 1);
}

static void a_message_may_come_in_pieces(void **state)
{
	const int64_t version = 0;
	struct ivshmem_link link;

	for (unsigned i = 0; i < sizeof version; i++)
		assert_int_equal(write(server, (const char *)&version + i, 1), 1);
	say(2, -1);
	say(-1, memory);
	say(1, doorbell);
	assert_int_equal(ivshmem_link_begin(&link, device, &error), 0);
	ivshmem_link_close(&link);
}

static void memory_that_is_anothers_is_said_so(void **state)
{
	assert_refused(-EBUSY);
	assert_non_null(strstr(error.message, "another VM's"));
}

static void another_version_is_refused(void **state)
{
	say(1, -1);
	assert_refused(-EPROTO);
}

static void a_version_with_a_descriptor_is_refused(void **state)
{
	say(0, other);
	assert_refused(-EPROTO);
}

static void a_number_that_cannot_be_is_refused(void **state)
{
	say(0, -1);
	say(65536, -1);
	assert_refused(-EPROTO);
}

static void a_peer_that_cannot_be_is_refused(void **state)
{
	say(0, -1);
	say(2, -1);
	say(-2, other);
	assert_refused(-EPROTO);
}

static void memory_without_a_descriptor_is_refused(void **state)
{
	say(0, -1);
	say(2, -1);
	say(-1, -1);
	assert_refused(-EPROTO);
}

static void a_server_that_goes_in_the_middle_leaves_nothing(void **state)
{
	say(0, -1);
	say(2, -1);
	say(-1, memory);
	assert_int_equal(write(server, "abc", 3), 3);
	assert_refused(-ECONNRESET);
}

static void a_server_that_talks_without_end_is_hung_up_on(void **state)
{
	say(0, -1);
	say(2, -1);
	say(-1, memory);
	for (unsigned i = 0; i < 100; i++)
		say(1, -1);
	assert_refused(-EPROTO);
}

static void a_server_that_says_nothing_is_not_waited_for(void **state)
{
	struct ivshmem_link link;

	say(0, -1);
	assert_int_equal(ivshmem_link_begin(&link, device, &error), -ETIMEDOUT);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_module_says_is_understood),
		TEST(what_other_servers_say_besides_is_let_go),
		TEST(a_message_may_come_in_pieces),
		TEST(memory_that_is_anothers_is_said_so),
		TEST(another_version_is_refused),
		TEST(a_version_with_a_descriptor_is_refused),
		TEST(a_number_that_cannot_be_is_refused),
		TEST(a_peer_that_cannot_be_is_refused),
		TEST(memory_without_a_descriptor_is_refused),
		TEST(a_server_that_goes_in_the_middle_leaves_nothing),
		TEST(a_server_that_talks_without_end_is_hung_up_on),
		TEST(a_server_that_says_nothing_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
