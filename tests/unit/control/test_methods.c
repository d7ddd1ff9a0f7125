/* Methods of the control protocol, on a host with a disk on a block device. */
#include "../cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../disk/backend_testing.h"
#include "control/host/host.h"
#include "control/methods/methods.h"

#define DEVICE_BYTES (1u << 20)

struct fixture {
	char directory[PATH_MAX];
	char device[PATH_MAX + 8]; /* a node of the test's own, lest a bug costs the machine its */
	int device_fd;
	bool has_device; /* where the tests may make one */
	struct host host;
	struct error error;
};

static bool make_device(struct fixture *fixture, int image_fd)
{
	char device[TESTING_DEVICE_BYTES];
	struct stat status;

	fixture->device_fd = testing_loop_attach(image_fd, 512, device);
	snprintf(fixture->device, sizeof fixture->device, "%s/device", fixture->directory);
	return fixture->device_fd >= 0 && fstat(fixture->device_fd, &status) == 0 &&
	       mknod(fixture->device, S_IFBLK | 0600, status.st_rdev) == 0;
}

/* The pool is the device, and its disk names no image. */
static void start_host(struct fixture *fixture)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct configuration *configuration;
	char *text;
	int length;

	length = asprintf(&text,
		"pools: [{name: whole, path: %s}]\n"
		"disks: [{name: gold, socket: %s/gold.sock}]\n",
		fixture->device, fixture->directory);
	configuration_load(text, (size_t)length, &configuration, problems);
	assert_non_null(configuration);
	assert_int_equal(host_start(&fixture->host, configuration, -1, &fixture->error), 0);
	free(problems);
	free(text);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	char image[PATH_MAX + 8];
	int fd;

	testing_directory_create(fixture->directory);
	snprintf(image, sizeof image, "%s/image", fixture->directory);
	fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, DEVICE_BYTES), 0);
	fixture->has_device = make_device(fixture, fd);
	close(fd);
	if (fixture->has_device)
		start_host(fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->has_device)
		host_stop(&fixture->host, true);
	testing_loop_detach(fixture->device_fd);
	testing_directory_remove(fixture->directory);
	free(fixture);
	return 0;
}

static char *call(struct fixture *fixture, const char *request)
{
	char *answer = rpc_answer(control_methods, &fixture->host, request, strlen(request));

	assert_non_null(answer);
	return answer;
}

static void a_pool_can_be_a_block_device(void **state)
{
	struct fixture *fixture = *state;
	struct disk_statistics statistics;

	if (!fixture->has_device)
		skip();
	assert_int_equal(fixture->host.configuration->disks_count, 1);
	disk_statistics(fixture->host.disks[0].disk, &statistics);
	assert_int_equal(statistics.size_bytes, DEVICE_BYTES);
}

static void a_block_device_is_not_deleted(void **state)
{
	struct fixture *fixture = *state;
	struct stat status;
	char *answer;

	if (!fixture->has_device)
		skip();
	answer = call(fixture, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"disk.remove\","
			       "\"params\": {\"name\": \"gold\", \"delete_image\": true}}");
	assert_non_null(strstr(answer, "is not a file and cannot be deleted"));
	free(answer);
	assert_int_equal(fixture->host.configuration->disks_count, 1);
	assert_int_equal(stat(fixture->device, &status), 0);
}

#define WITH_HOST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_HOST(a_pool_can_be_a_block_device),
		WITH_HOST(a_block_device_is_not_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
