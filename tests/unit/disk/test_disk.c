/* Disks as a driver meets them: through a vhost-user socket, on a real sidecore. */
#include "../cmocka_all.h"
#include "../open_descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend_fault.h"
#include "base/log.h"
#include "disk/disk.h"
#include "virtio/vhost_user_frontend.h"
#include "virtio/vhost_user_message.h"

#define DISK_BYTES (8u << 20)
#define DATA_BYTES (4u << 20)
#define FEATURE(bit) (1ull << (bit))

static struct sidecore *sidecore;
static struct pool *pool;
static struct disk *disk;
static struct vhost_user_frontend frontend;
static struct error error;

/* ---- a disk, and a driver for it ---- */

static struct disk_config described(const char *name)
{
	struct disk_config config = {.size_bytes = DISK_BYTES,
		.queue_count = 2,
		.socket_fd = -1,
		.slo = {.weight = 100}};

	snprintf(config.name, sizeof config.name, "%s", name);
	snprintf(config.socket_path, sizeof config.socket_path, "/tmp/test_disk.%d.%s", getpid(),
		name);
	return config;
}

static void create(const char *backend, const struct disk_config *config)
{
	const struct pool_config pool_config = {
		.name = "pool",
		.backend = backend ? backend_find(backend) : &backend_fault_ops,
		.capacity_units_per_s = 10000,
		.cost = slo_cost_model_default,
		.largest_request_bytes = 256 << 10,
		.is_enforcing = true,
	};
	const struct sidecore_config core = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};

	assert_int_equal(sidecore_start(&core, &sidecore, &error), 0);
	assert_int_equal(pool_create(&pool_config, sidecore, &pool, &error), 0);
	if (disk_create(pool, config, &disk, &error) < 0)
		fail_msg("%s", error.message);
}

static void attach(const struct disk_config *config, uint64_t features)
{
	const struct vhost_user_frontend_config front = {
		.socket_path = config->socket_path,
		.features = features,
		.queue_count = 1,
		.queue_size = 256,
		.segments_max = 130,
		.indirect_above = DRIVER_RING_NEVER_INDIRECT,
		.data_bytes = DATA_BYTES,
	};

	if (vhost_user_frontend_open(&frontend, &front, &error) < 0)
		fail_msg("%s", error.message);
}

static void destroy(void)
{
	disk_destroy(disk);
	pool_destroy(pool);
	sidecore_stop(sidecore);
}

/* Data starts at the second page; header and status are in the first. */
static uint8_t *data(void)
{
	return frontend.data + 4096;
}

static void kick(void)
{
	const uint64_t one = 1;

	driver_ring_publish(&frontend.queues[0].ring);
	assert_int_equal(write(frontend.queues[0].kick_fd, &one, sizeof one), sizeof one);
}

static uint8_t wait_for_status(void)
{
	struct driver_completion done;

	for (unsigned i = 0; i < 10000; i++) {
		if (driver_ring_poll(&frontend.queues[0].ring, &done, 1) == 1)
			return frontend.data[2048];
		usleep(1000);
	}
	return 0xee;
}

static uint64_t address(const void *pointer)
{
	return vhost_user_frontend_address(&frontend, pointer);
}

/* One request with its data in `parts` segments. */
static void send_request(uint32_t type, uint64_t sector, uint32_t bytes, unsigned parts)
{
	const struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	bool reads = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct driver_segment segments[130];

	memcpy(frontend.data, &header, sizeof header);
	frontend.data[2048] = 0xff;
	segments[0] = (struct driver_segment){address(frontend.data), sizeof header};
	for (unsigned i = 0; i < parts; i++)
		segments[1 + i] = (struct driver_segment){address(data()) + i * (bytes / parts),
			i + 1 < parts ? bytes / parts : bytes - i * (bytes / parts)};
	segments[1 + parts] = (struct driver_segment){address(frontend.data + 2048), 1};
	assert_int_equal(driver_ring_add(&frontend.queues[0].ring, segments, reads ? 1 : 1 + parts,
				 reads ? 1 + parts : 1, frontend.data),
		0);
	kick();
}

static uint8_t request(uint32_t type, uint64_t sector, uint32_t bytes, unsigned parts)
{
	send_request(type, sector, bytes, parts);
	return wait_for_status();
}

static void open_ram(uint64_t features)
{
	struct disk_config config = described("ram");

	create("ram", &config);
	attach(&config, features);
}

static void close_all(void)
{
	vhost_user_frontend_close(&frontend);
	destroy();
}

/* ---- what a good driver gets ---- */

static void what_is_written_is_read_however_it_is_cut(void **state)
{
	static const uint32_t sizes[] = {512, 4096, 65536, 1 << 20, 3 << 20};

	open_ram(FEATURE(VIRTIO_BLK_F_FLUSH));
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (unsigned parts = 1; parts <= 126; parts += 25) {
			uint32_t bytes = sizes[i];

			for (uint32_t at = 0; at < bytes; at++)
				data()[at] = (uint8_t)(at * 7 + i + parts);
			assert_int_equal(request(VIRTIO_BLK_T_OUT, 8, bytes, parts), 0);
			memset(data(), 0, bytes);
			assert_int_equal(request(VIRTIO_BLK_T_IN, 8, bytes, 127 - parts), 0);
			for (uint32_t at = 0; at < bytes; at++)
				assert_int_equal(data()[at], (uint8_t)(at * 7 + i + parts));
		}
	close_all();
}

static void id_flush_and_ranges_are_answered(void **state)
{
	const struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8};

	open_ram(FEATURE(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 20, 1), 0);
	assert_string_equal((char *)data(), "ram");
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	memset(data(), 0x55, 8192);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 8192, 2), 0);
	memcpy(data(), &range, sizeof range);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, sizeof range, 3), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 8192, 1), 0);
	assert_int_equal(data()[4095], 0x55);
	assert_int_equal(data()[4096], 0);
	memcpy(data(), &range, sizeof range);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof range, 1), 0);
	close_all();
}

/* ---- what a bad one gets ---- */

static void impossible_requests_get_an_error_and_nothing_else(void **state)
{
	struct virtio_blk_discard_write_zeroes range = {.sector = 8, .num_sectors = 8, .flags = 2};
	struct disk_statistics statistics;

	open_ram(FEATURE(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(request(VIRTIO_BLK_T_IN, DISK_BYTES / 512, 512, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		request(VIRTIO_BLK_T_OUT, DISK_BYTES / 512 - 1, 1024, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, UINT64_MAX / 256, 512, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, UINT64_MAX, 512, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 513, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(2, 0, 512, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(UINT32_MAX, 0, 512, 1), VIRTIO_BLK_S_UNSUPP);
	memcpy(data(), &range, sizeof range);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof range, 1), VIRTIO_BLK_S_UNSUPP);
	range = (struct virtio_blk_discard_write_zeroes){
		.sector = DISK_BYTES / 512, .num_sectors = 1};
	memcpy(data(), &range, sizeof range);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, sizeof range, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 15, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	disk_statistics(disk, &statistics);
	assert_int_equal(statistics.errors, 10);
	assert_int_equal(statistics.in_flight, 0);
	assert_false(statistics.is_broken);
	close_all();
}

static void a_request_without_room_for_a_status_stops_the_ring_alone(void **state)
{
	struct driver_segment header;
	struct disk_statistics statistics;

	open_ram(0);
	header = (struct driver_segment){address(frontend.data), 16};
	driver_ring_add(&frontend.queues[0].ring, &header, 1, 0, frontend.data);
	kick();
	for (unsigned i = 0; i < 5000; i++) {
		disk_statistics(disk, &statistics);
		if (statistics.is_broken)
			break;
		usleep(1000);
	}
	assert_true(statistics.is_broken);
	assert_int_equal(statistics.in_flight, 0);
	vhost_user_frontend_close(&frontend);
	attach(&(struct disk_config[]){described("ram")}[0], 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	close_all();
}

static void tell(uint32_t request, const union vhost_user_payload *payload, uint32_t bytes)
{
	const struct vhost_user_message message = {
		.header = {request, VHOST_USER_VERSION, bytes}, .payload = *payload};

	assert_int_equal(vhost_user_send(frontend.connection.socket, &message), 0);
}

/* QEMU before 8.0 sets the status to 0 whenever it stops a device, and then asks where its rings were. */
static void after_a_status_of_zero_a_ring_still_says_where_it_stood(void **state)
{
	struct vhost_user_message reply;

	open_ram(0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	tell(VHOST_USER_SET_STATUS, &(union vhost_user_payload){.u64 = 0}, sizeof(uint64_t));
	tell(VHOST_USER_GET_VRING_BASE, &(union vhost_user_payload){.vring_state = {0, 0}},
		sizeof(struct vhost_user_vring_state));
	assert_int_equal(vhost_user_receive(frontend.connection.socket, &reply), 0);
	assert_int_equal(reply.payload.vring_state.number, 3);
	close_all();
}

/* ---- devices and promises ---- */

static void a_failing_device_is_an_error_to_the_guest_and_a_counter_to_the_operator(void **state)
{
	struct disk_config config = described("fault");
	struct pool_statistics statistics;

	backend_fault_plan = (struct backend_fault_plan){.inner = backend_find("ram"),
		.operations = 1u << BACKEND_READ,
		.fail_every = 2,
		.failure = -EIO};
	create(NULL, &config);
	attach(&config, FEATURE(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	pool_statistics(pool, &statistics);
	assert_int_equal(statistics.errors, 1);
	close_all();
}

static void a_device_that_hangs_does_not_hold_up_who_removes_the_disk(void **state)
{
	struct disk_config config = described("hangs");
	struct disk_statistics statistics = {0};

	backend_fault_plan =
		(struct backend_fault_plan){.inner = backend_find("ram"), .is_hanging = true};
	create(NULL, &config);
	attach(&config, FEATURE(VIRTIO_BLK_F_FLUSH));
	send_request(VIRTIO_BLK_T_IN, 0, 512, 1);
	while (!statistics.in_flight)
		disk_statistics(disk, &statistics);
	assert_int_equal(disk_try_destroy(disk, 10, &error), -EBUSY);
	assert_non_null(strstr(error.message, "disk 'hangs': 1 request(s) still on the device"));
	disk_statistics(disk, &statistics);
	assert_true(statistics.is_leaving);
	sidecore_call(sidecore, backend_fault_go_on, NULL);
	assert_int_equal(disk_try_destroy(disk, 10000, &error), 0);
	vhost_user_frontend_close(&frontend);
	pool_destroy(pool);
	sidecore_stop(sidecore);
}

/* A driver without FLUSH takes a completed write for a durable one, so the flush's failure is its. */
static void writes_are_flushed_for_a_driver_that_does_not_flush(void **state)
{
	struct disk_config config = described("through");

	backend_fault_plan = (struct backend_fault_plan){.inner = backend_find("ram"),
		.operations = 1u << BACKEND_FLUSH,
		.fail_every = 1,
		.failure = -EIO};
	create(NULL, &config);
	attach(&config, 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_IOERR);
	vhost_user_frontend_close(&frontend);
	attach(&config, FEATURE(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_OK);
	close_all();
}

static void a_promise_that_cannot_be_kept_is_refused_with_the_shortfall(void **state)
{
	struct disk_config config = described("first"), second = described("second");
	struct disk *refused;

	config.slo.tier_count = 1;
	config.slo.tiers[0] = (struct slo_tier){50, 8000, 50000000};
	create("ram", &config);
	second.slo = config.slo;
	assert_int_equal(disk_create(pool, &second, &refused, &error), -ENOSPC);
	assert_non_null(strstr(error.message, "disk 'second': pool 'pool': "));
	second.slo.tiers[0].rate_units_per_s = 1000;
	assert_int_equal(disk_create(pool, &second, &refused, &error), 0);
	assert_int_equal(disk_set_slo(refused, &config.slo, &error), -ENOSPC);
	disk_destroy(refused);
	destroy();
}

static void a_read_only_disk_refuses_writes(void **state)
{
	struct disk_config config = described("fixed");

	config.is_read_only = true;
	create("ram", &config);
	attach(&config, 0);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, 1), VIRTIO_BLK_S_OK);
	close_all();
}

/* ---- front ends that come, go, and lie ---- */

static void two_hundred_front_ends_leave_no_descriptor_behind(void **state)
{
	struct disk_config config = described("often");
	unsigned before;

	create("ram", &config);
	attach(&config, 0);
	vhost_user_frontend_close(&frontend);
	usleep(100000); /* the disk's thread closes its side a moment later */
	before = open_descriptors();
	for (unsigned i = 0; i < 200; i++) {
		attach(&config, i % 2 ? FEATURE(VIRTIO_F_RING_PACKED) : 0);
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 4096, 1), 0);
		vhost_user_frontend_close(&frontend);
	}
	attach(&config, 0);
	vhost_user_frontend_close(&frontend);
	usleep(100000);
	assert_int_equal(open_descriptors(), before);
	destroy();
}

static int connect_raw(const struct disk_config *config)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	const struct timeval limit = {.tv_usec = 20000};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.sun_path, config->socket_path, sizeof name.sun_path);
	assert_int_equal(connect(fd, (void *)&name, sizeof name), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	return fd;
}

/* A message of some kind with some payload and some descriptors, none of them what it should be. */
static int send_nonsense(int fd, unsigned number, const int *fds)
{
	static const uint8_t sizes[] = {0, 8, 8, 20, 24, 40, 16, 255};
	struct vhost_user_message message = {
		.header = {number % 44,
			VHOST_USER_VERSION | (number % 3 ? 0 : VHOST_USER_NEED_REPLY),
			sizes[(unsigned)rand() % 8]},
		.fd_count = (unsigned)rand() % 4};
	uint8_t *payload = (uint8_t *)&message.payload;

	for (unsigned i = 0; i < sizeof message.payload; i++)
		payload[i] = rand() % 4 ? 0 : (uint8_t)rand();
	for (unsigned i = 0; i < message.fd_count; i++)
		message.fds[i] = fds[rand() % 4];
	return vhost_user_send(fd, &message);
}

static void nonsense_from_a_front_end_harms_nobody(void **state)
{
	struct disk_config config = described("nonsense");
	int pipes[2], fds[4];
	char byte[512];
	unsigned before;

	create("ram", &config);
	attach(&config, 0);
	vhost_user_frontend_close(&frontend);
	assert_int_equal(pipe(pipes), 0);
	fds[0] = pipes[0];
	fds[1] = pipes[1];
	fds[2] = eventfd(0, 0);
	fds[3] = open("/dev/null", O_RDWR);
	usleep(100000); /* the disk's thread closes its side a moment later */
	before = open_descriptors();
	log_set_level(LOG_LEVEL_ERROR);
	srand(1);
	for (unsigned round = 0; round < 1000; round++) {
		int fd = connect_raw(&config);

		for (unsigned i = 0; i < 30 && send_nonsense(fd, (unsigned)rand(), fds) == 0; i++)
			(void)!recv(fd, byte, sizeof byte, MSG_DONTWAIT);
		close(fd);
	}
	log_set_level(LOG_LEVEL_INFO);
	attach(&config, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	vhost_user_frontend_close(&frontend);
	usleep(100000);
	assert_int_equal(open_descriptors(), before);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
	destroy();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_however_it_is_cut),
		cmocka_unit_test(id_flush_and_ranges_are_answered),
		cmocka_unit_test(impossible_requests_get_an_error_and_nothing_else),
		cmocka_unit_test(a_request_without_room_for_a_status_stops_the_ring_alone),
		cmocka_unit_test(after_a_status_of_zero_a_ring_still_says_where_it_stood),
		cmocka_unit_test(
			a_failing_device_is_an_error_to_the_guest_and_a_counter_to_the_operator),
		cmocka_unit_test(a_device_that_hangs_does_not_hold_up_who_removes_the_disk),
		cmocka_unit_test(writes_are_flushed_for_a_driver_that_does_not_flush),
		cmocka_unit_test(a_promise_that_cannot_be_kept_is_refused_with_the_shortfall),
		cmocka_unit_test(a_read_only_disk_refuses_writes),
		cmocka_unit_test(two_hundred_front_ends_leave_no_descriptor_behind),
		cmocka_unit_test(nonsense_from_a_front_end_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
