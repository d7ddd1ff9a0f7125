/* What becomes of the socket that a back end is given, and of trouble that the device has. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "virtio/vhost_user_backend.h"
#include "virtio/vhost_user_message.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* No more descriptors than there are now. */
static struct rlimit forbid_descriptors(int highest)
{
	struct rlimit before, limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)highest + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

static void a_start_that_fails_closes_the_socket_it_was_given(void **state)
{
	static const struct vhost_user_operations operations;
	struct vhost_user_backend_config config = {
		.name = "test", .queue_count = 1, .operations = &operations};
	struct vhost_user_backend *backend;
	struct rlimit before;
	struct error error;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	config.fd = pair[0];
	before = forbid_descriptors(pair[1]);
	assert_int_equal(vhost_user_backend_start(&config, &backend, &error), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_false(is_open(pair[0]));
	assert_true(is_open(STDIN_FILENO));
	close(pair[1]);
}

/* ---- trouble ---- */

static struct {
	struct vhost_user_backend *backend;
	const char *trouble;
	bool has_more; /* which comes while the back end looks */
	uint32_t is_connected;
} device;

static void have_trouble(void)
{
	__atomic_store_n(&device.trouble, "a test", __ATOMIC_SEQ_CST);
	assert_int_equal(eventfd_write(vhost_user_trouble_fd(device.backend), 1), 0);
}

static const char *take_trouble(void *unused)
{
	const char *trouble = __atomic_exchange_n(&device.trouble, NULL, __ATOMIC_SEQ_CST);

	if (__atomic_exchange_n(&device.has_more, false, __ATOMIC_SEQ_CST))
		have_trouble();
	return trouble;
}

static void set_connected(void *unused, bool is_connected)
{
	__atomic_store_n(&device.is_connected, is_connected, __ATOMIC_SEQ_CST);
}

static void abandon(void *unused)
{
}

static void start_back_end(const char *path)
{
	static const struct vhost_user_operations operations = {
		.connection_changed = set_connected, .abandon = abandon, .trouble = take_trouble};
	const struct vhost_user_backend_config config = {.kind = "disk",
		.name = "test",
		.socket_path = path,
		.queue_count = 1,
		.operations = &operations};
	struct error error;

	assert_int_equal(vhost_user_backend_start(&config, &device.backend, &error), 0);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	return fd;
}

static void hang_up(int front_end)
{
	close(front_end);
	while (__atomic_load_n(&device.is_connected, __ATOMIC_SEQ_CST))
		usleep(1000);
}

static bool needs_reset(int front_end)
{
	struct vhost_user_message message = {
		.header = {VHOST_USER_GET_STATUS, VHOST_USER_VERSION, 0}};

	assert_int_equal(vhost_user_send(front_end, &message), 0);
	assert_int_equal(vhost_user_receive(front_end, &message), 0);
	return message.payload.u64 & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void trouble_is_told_to_the_front_end_that_has_it(void **state)
{
	char directory[] = "/tmp/sluice-test-XXXXXX", path[64];
	int front_end;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/socket", directory);
	start_back_end(path);
	front_end = connect_to(path);
	assert_false(needs_reset(front_end));
	device.has_more = true;
	assert_int_equal(eventfd_write(vhost_user_trouble_fd(device.backend), 1), 0);
	for (unsigned i = 0; i < 1000 && !needs_reset(front_end); i++)
		usleep(1000);
	assert_true(needs_reset(front_end));
	hang_up(front_end);
	have_trouble();
	front_end = connect_to(path);
	assert_false(needs_reset(front_end));
	hang_up(front_end);
	assert_int_equal(vhost_user_backend_stop(device.backend, -1), 0);
	assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_that_fails_closes_the_socket_it_was_given),
		cmocka_unit_test(trouble_is_told_to_the_front_end_that_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
