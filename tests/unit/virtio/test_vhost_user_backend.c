/* What becomes of the socket that a back end is given. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/vhost_user_backend.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_start_that_fails_closes_the_socket_it_was_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
