#include "backend_testing.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../cmocka_all.h"

struct sidecore *testing_sidecore_start(void)
{
	struct sidecore_config config = {.name = "testing", .cpu = SIDECORE_NOT_PINNED};
	struct sidecore *sidecore = NULL;
	struct error error;

	if (sidecore_start(&config, &sidecore, &error))
		fail_msg("%s", error.message);
	return sidecore;
}

static void completed(struct backend_request *request, int result)
{
	struct testing_request *testing = (struct testing_request *)request;

	testing->result = result;
	sem_post(&testing->done);
}

static void submit_on_sidecore(void *argument)
{
	struct testing_request *request = argument;

	request->on->ops->submit(request->on, &request->backend);
}

void testing_submit(
	struct sidecore *sidecore, struct backend *backend, struct testing_request *request)
{
	request->on = backend;
	request->backend.complete = completed;
	sem_init(&request->done, 0, 0);
	sidecore_post(sidecore, submit_on_sidecore, request);
}

int testing_wait(struct testing_request *request)
{
	while (sem_wait(&request->done))
		;
	sem_destroy(&request->done);
	return request->result;
}

int testing_do(struct sidecore *sidecore, struct backend *backend, enum backend_operation operation,
	uint64_t offset_bytes, void *memory, uint64_t length_bytes)
{
	struct iovec segment = {memory, length_bytes};
	struct testing_request request = {
		.backend =
			{
				.operation = operation,
				.offset_bytes = offset_bytes,
				.length_bytes = length_bytes,
				.segments = &segment,
				.segment_count = memory ? 1 : 0,
			},
	};

	testing_submit(sidecore, backend, &request);
	return testing_wait(&request);
}

void testing_directory_create(char path[PATH_MAX])
{
	/* Not /tmp: where that is a tmpfs, it would hide what O_DIRECT does. */
	snprintf(path, PATH_MAX, "/var/tmp/sluice-test-XXXXXX");
	assert_non_null(mkdtemp(path));
}

void testing_directory_remove(const char *path)
{
	char command[PATH_MAX + 16];

	snprintf(command, sizeof command, "rm -rf '%s'", path);
	assert_int_equal(system(command), 0);
}

int testing_loop_attach(int image_fd, unsigned sector_bytes, char device[TESTING_DEVICE_BYTES])
{
	struct loop_config config = {.fd = (unsigned)image_fd, .block_size = sector_bytes};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	int fd;

	if (control >= 0)
		close(control);
	if (number < 0)
		return -1;
	snprintf(device, TESTING_DEVICE_BYTES, "/dev/loop%d", number);
	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config) == 0)
		return fd;
	close(fd);
	return -1;
}

void testing_loop_detach(int device_fd)
{
	if (device_fd < 0)
		return;
	ioctl(device_fd, LOOP_CLR_FD, 0);
	close(device_fd);
}
