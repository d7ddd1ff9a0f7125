/* A session told things that do not fit together, with a device that only notes what it is asked for. */
#include "../cmocka_all.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/inflight.h"
#include "virtio/vhost_user_session.h"

#define MEMORY_BYTES (1u << 20)
#define FEATURES_SPLIT 0
#define FEATURES_PACKED (1ull << 34)

/* ---- the device ---- */

static struct {
	unsigned starts;
	struct virtqueue_setup setup;
	struct virtqueue queue;
} device;

static uint64_t no_features(void *context)
{
	return 0;
}

static void accept_features(void *context, uint64_t features)
{
}

static uint32_t read_config(void *context, uint8_t *config, uint32_t capacity)
{
	return 0;
}

static int start_queue(void *context, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error)
{
	int result = virtqueue_attach(&device.queue, setup, error);

	if (result < 0)
		return result;
	device.setup = *setup;
	device.starts++;
	return 0;
}

static uint32_t stop_queue(void *context, unsigned index)
{
	return 0;
}

static const struct vhost_user_operations operations = {
	.features = no_features,
	.accept_features = accept_features,
	.read_config = read_config,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
};

static const struct vhost_user_backend_config config = {
	.name = "test", .queue_count = 2, .operations = &operations};

/* ---- the front end ---- */

static struct vhost_user_session session;
static struct log_source lines = {.name = "disk 'test'"};
static int front_end;
static int memory_fd;

static void tell_with_fd(uint32_t request, const void *payload, size_t size_bytes, int fd)
{
	struct vhost_user_message message = {
		.header = {request, VHOST_USER_VERSION, (uint32_t)size_bytes}};

	if (payload)
		memcpy(&message.payload, payload, size_bytes);
	if (fd >= 0)
		message.fds[message.fd_count++] = fd;
	assert_int_equal(vhost_user_send(front_end, &message), 0);
	session_serve_message(&session);
}

static void tell(uint32_t request, const void *payload, size_t size_bytes)
{
	tell_with_fd(request, payload, size_bytes, -1);
}

static void share_memory(void)
{
	const struct vhost_user_one_region region = {.region = {.size_bytes = MEMORY_BYTES}};

	tell_with_fd(VHOST_USER_ADD_MEM_REG, &region, sizeof region, memory_fd);
}

static void set_features(uint64_t features)
{
	tell(VHOST_USER_SET_FEATURES, &features, sizeof features);
}

/* A region in the memory's file, for one queue. */
static void set_inflight(uint16_t queue_size, uint64_t mmap_bytes, int fd)
{
	const struct vhost_user_inflight inflight = {
		.mmap_size_bytes = mmap_bytes, .queue_count = 1, .queue_size = queue_size};

	tell_with_fd(VHOST_USER_SET_INFLIGHT_FD, &inflight, sizeof inflight, fd);
}

static void start_ring(uint16_t size)
{
	const struct vhost_user_vring_state number = {0, size};
	const struct vhost_user_vring_address address = {
		.descriptor_address = 0, .available_address = 65536, .used_address = 131072};
	const uint64_t polled = VHOST_USER_VRING_NO_FD;

	tell(VHOST_USER_SET_VRING_NUM, &number, sizeof number);
	tell(VHOST_USER_SET_VRING_ADDR, &address, sizeof address);
	tell(VHOST_USER_SET_VRING_KICK, &polled, sizeof polled);
}

static int set_up(void **state)
{
	int sockets[2];

	memset(&device, 0, sizeof device);
	memory_fd = memfd_create("memory", 0);
	assert_int_equal(ftruncate(memory_fd, MEMORY_BYTES), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	front_end = sockets[0];
	session_open(&session, &config, &lines, sockets[1]);
	share_memory();
	return 0;
}

static int tear_down(void **state)
{
	session_close(&session);
	close(front_end);
	close(memory_fd);
	return 0;
}

/* ---- the tests ---- */

static void a_ring_that_fits_its_part_of_the_inflight_region_starts(void **state)
{
	set_inflight(256, MEMORY_BYTES, memory_fd);
	start_ring(256);
	assert_int_equal(device.starts, 1);
	assert_non_null(device.setup.inflight);
}

static void a_ring_larger_than_its_part_of_the_inflight_region_is_not_started(void **state)
{
	set_inflight(1, inflight_queue_bytes(false, 1), memory_fd);
	start_ring(1024);
	assert_int_equal(device.starts, 0);
}

static void an_inflight_region_for_split_rings_is_too_small_for_a_packed_one(void **state)
{
	set_features(FEATURES_SPLIT);
	set_inflight(256, inflight_queue_bytes(false, 256), memory_fd);
	set_features(FEATURES_PACKED);
	start_ring(256);
	assert_int_equal(device.starts, 0);
}

/* It cannot be mapped for writing; the old region is gone by then. */
static void an_inflight_region_that_cannot_be_mapped_leaves_none(void **state)
{
	int fd = memfd_create("sealed", MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, MEMORY_BYTES), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	set_inflight(256, MEMORY_BYTES, memory_fd);
	set_inflight(256, MEMORY_BYTES, fd);
	start_ring(256);
	assert_int_equal(device.starts, 1);
	assert_null(device.setup.inflight);
	close(fd);
}

static void fill(int socket)
{
	static const char bytes[4096];

	while (send(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
}

/* It can fill it by itself: the descriptor that it sends is its own, too. */
static void a_front_end_that_does_not_read_its_requests_holds_nobody_up(void **state)
{
	int channel[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	fill(channel[1]);
	tell_with_fd(VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, channel[1]);
	session_send_config_change(&session);
	close(channel[0]);
	close(channel[1]);
}

static void a_front_end_hears_that_the_size_has_changed(void **state)
{
	struct vhost_user_message message;
	int channel[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	tell_with_fd(VHOST_USER_SET_BACKEND_REQ_FD, NULL, 0, channel[1]);
	session_send_config_change(&session);
	assert_int_equal(vhost_user_receive(channel[0], &message), 0);
	assert_int_equal(message.header.request, VHOST_USER_BACKEND_CONFIG_CHANGE_MSG);
	close(channel[0]);
	close(channel[1]);
}

#define session_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		session_test(a_ring_that_fits_its_part_of_the_inflight_region_starts),
		session_test(a_ring_larger_than_its_part_of_the_inflight_region_is_not_started),
		session_test(an_inflight_region_for_split_rings_is_too_small_for_a_packed_one),
		session_test(an_inflight_region_that_cannot_be_mapped_leaves_none),
		session_test(a_front_end_hears_that_the_size_has_changed),
		session_test(a_front_end_that_does_not_read_its_requests_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
