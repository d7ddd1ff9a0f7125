/* What may stand where a disk's socket goes. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio/vhost_user_listener.h"

struct fixture {
	char directory[32];
	char path[64];
	struct error error;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);

	snprintf(fixture->directory, sizeof fixture->directory, "/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->directory));
	snprintf(fixture->path, sizeof fixture->path, "%s/socket", fixture->directory);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	assert_int_equal(rmdir(fixture->directory), 0);
	free(fixture);
	return 0;
}

static void a_socket_that_is_listened_on_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	int fd = vhost_user_listen(fixture->path, &fixture->error);

	assert_true(fd >= 0);
	assert_int_equal(vhost_user_listen(fixture->path, &fixture->error), -EADDRINUSE);
	assert_non_null(strstr(fixture->error.message, "another process listens"));
	close(fd);
}

static void a_dead_socket_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	int fd = vhost_user_listen(fixture->path, &fixture->error);

	assert_true(fd >= 0);
	close(fd);
	fd = vhost_user_listen(fixture->path, &fixture->error);
	assert_true(fd >= 0);
	close(fd);
}

static void a_mistyped_path_does_not_cost_a_file(void **state)
{
	struct fixture *fixture = *state;
	FILE *file = fopen(fixture->path, "w");
	struct stat status;

	assert_non_null(file);
	fclose(file);
	assert_int_equal(vhost_user_listen(fixture->path, &fixture->error), -EEXIST);
	assert_non_null(strstr(fixture->error.message, "not a socket"));
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct fixture *fixture = *state;
	char path[256];

	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_int_equal(vhost_user_listen(path, &fixture->error), -ENAMETOOLONG);
}

#define WITH_PATH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PATH(a_socket_that_is_listened_on_is_left_alone),
		WITH_PATH(a_dead_socket_is_replaced),
		WITH_PATH(a_mistyped_path_does_not_cost_a_file),
		WITH_PATH(a_path_that_is_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
