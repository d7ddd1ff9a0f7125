/*
 * A guest that writes over its rings, its requests and the in-flight region while a disk works on them.
 * Fuzzers write in between what the device does; here it may happen between any two of its loads. What
 * must not happen is seen by the sanitizers, and by requests that stay.
 */
#include "../cmocka_all.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk/disk_private.h"
#include "virtio/inflight.h"

#define RING_SIZE 64u
#define CHAINS (RING_SIZE / 3)
#define DRIVER_AREA 4096u
#define DEVICE_AREA 8192u
#define REGION_AT 12288u
#define HEADERS_AT 16384u
#define DATA_AT 32768u
#define DATA_BYTES 8192u /* per chain */
#define MEMORY_BYTES (256u << 10)
#define DISK_BYTES 65536u
#define STARTS 1500u

static struct sidecore *sidecore;
static struct pool *pool;
static struct disk *disk;
static struct guest_memory guest;
static uint8_t *memory; /* as the front end maps it */
static uint8_t
	*scribbled; /* the same, as the guest does: for the thread sanitizer, which would object */
static int kick_fd;
static uint32_t is_over;

/* ---- the disk ---- */

static int create_disk(void **state)
{
	const struct pool_config pool_config = {.name = "pool",
		.backend = backend_find("ram"),
		.cost = slo_cost_model_default,
		.largest_request_bytes = 4096};
	const struct sidecore_config core = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct disk_config config = {.name = "hostile",
		.size_bytes = DISK_BYTES,
		.queue_count = 1,
		.socket_fd = -1,
		.slo = {.weight = 100}};
	struct error error;

	snprintf(config.socket_path, sizeof config.socket_path, "/tmp/test_disk_hostile.%d",
		getpid());
	assert_int_equal(sidecore_start(&core, &sidecore, &error), 0);
	assert_int_equal(pool_create(&pool_config, sidecore, &pool, &error), 0);
	assert_int_equal(disk_create(pool, &config, &disk, &error), 0);
	return 0;
}

static int destroy_disk(void **state)
{
	disk_destroy(disk);
	pool_destroy(pool);
	sidecore_stop(sidecore);
	return 0;
}

static uint8_t *map(int fd)
{
	uint8_t *start = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(start, MAP_FAILED);
	return start;
}

static void share_memory(void)
{
	const struct vhost_user_memory_region region = {.size_bytes = MEMORY_BYTES};
	int fd = memfd_create("guest", 0);
	struct error error;

	assert_int_equal(ftruncate(fd, MEMORY_BYTES), 0);
	memory = map(fd);
	scribbled = map(fd);
	guest_memory_init(&guest);
	assert_int_equal(guest_memory_add(&guest, &region, fd, &error), 0);
	close(fd);
}

/* ---- requests as they should be ---- */

static void write_split_chain(unsigned chain, uint32_t data_bytes, uint16_t data_flags)
{
	const uint16_t head = (uint16_t)(3 * chain);
	const struct vring_desc descriptors[] = {
		{HEADERS_AT + 64 * chain, 16, VRING_DESC_F_NEXT, head + 1},
		{DATA_AT + DATA_BYTES * chain, data_bytes, VRING_DESC_F_NEXT | data_flags,
			head + 2},
		{HEADERS_AT + 64 * chain + 63, 1, VRING_DESC_F_WRITE, 0},
	};

	memcpy(memory + head * sizeof *descriptors, descriptors, sizeof descriptors);
	memcpy(memory + DRIVER_AREA + offsetof(struct vring_avail, ring) + chain * sizeof head,
		&head, sizeof head);
}

static void write_packed_chain(unsigned chain, uint32_t data_bytes, uint16_t data_flags)
{
	const uint16_t id = (uint16_t)(3 * chain), available = 1u << VRING_PACKED_DESC_F_AVAIL;
	const struct vring_packed_desc descriptors[] = {
		{HEADERS_AT + 64 * chain, 16, id, VRING_DESC_F_NEXT | available},
		{DATA_AT + DATA_BYTES * chain, data_bytes, id,
			VRING_DESC_F_NEXT | data_flags | available},
		{HEADERS_AT + 64 * chain + 63, 1, id, VRING_DESC_F_WRITE | available},
	};

	memcpy(memory + id * sizeof *descriptors, descriptors, sizeof descriptors);
}

static void write_requests(bool is_packed)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_GET_ID, VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES};

	for (unsigned chain = 0; chain < CHAINS; chain++) {
		const struct virtio_blk_outhdr header = {.type = types[chain % 6], .sector = chain};
		const struct virtio_blk_discard_write_zeroes range = {
			.sector = chain, .num_sectors = 3};
		const bool is_in = header.type == VIRTIO_BLK_T_IN;
		const uint32_t data_bytes = chain % 6 < 4 ? (chain % 5 + 1) * 1024 : sizeof range;

		memcpy(memory + HEADERS_AT + 64 * chain, &header, sizeof header);
		memcpy(memory + DATA_AT + DATA_BYTES * chain, &range, sizeof range);
		(is_packed ? write_packed_chain : write_split_chain)(
			chain, data_bytes, is_in ? VRING_DESC_F_WRITE : 0);
	}
}

/* ---- and what becomes of them ---- */

static void write_word(unsigned at, unsigned value)
{
	const uint16_t word = (uint16_t)value;

	memcpy(scribbled + at, &word, sizeof word);
}

static void scribble_on_descriptors(unsigned place, unsigned value)
{
	write_word(place % 512 * 2, value % 4 ? value % (2 * RING_SIZE) : value);
}

static void scribble_on_headers(unsigned place, unsigned value)
{
	write_word(HEADERS_AT + place % CHAINS * 64 + value % 2 * 8, value / 2 % 140);
}

static void scribble_on_region(unsigned place, unsigned value)
{
	scribbled[REGION_AT + place % inflight_queue_bytes(true, RING_SIZE)] = (uint8_t)value;
}

static void offer_more(unsigned place, unsigned value)
{
	struct vring_avail *available = (void *)(scribbled + DRIVER_AREA);

	available->ring[place % RING_SIZE] = (uint16_t)(value % CHAINS * 3);
	__atomic_fetch_add(&available->idx, 1 + value % 3, __ATOMIC_RELEASE);
}

static void kick(unsigned place, unsigned value)
{
	const uint64_t one = 1;

	/* A full eventfd is as good as one that has been rung. */
	if (write(kick_fd, &one, sizeof one) < 0)
		return;
}

static void rest(unsigned place, unsigned value)
{
	usleep(20);
}

static void *scribble(void *argument)
{
	static void (*const ways[])(unsigned place, unsigned value) = {scribble_on_descriptors,
		scribble_on_headers, scribble_on_region, scribble_on_region, offer_more, offer_more,
		offer_more, kick, rest, rest};
	unsigned seed = 1;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		unsigned way = (unsigned)rand_r(&seed) % (sizeof ways / sizeof *ways);
		unsigned place = (unsigned)rand_r(&seed);

		ways[way](place, (unsigned)rand_r(&seed));
	}
	return NULL;
}

/* ---- the front end ---- */

/* Each bit of `variant` is another thing to choose. */
static struct virtqueue_setup choose_setup(unsigned variant)
{
	struct virtqueue_setup setup = {.size = RING_SIZE,
		.is_packed = variant & 1,
		.has_event_index = variant & 2,
		.driver_address = DRIVER_AREA,
		.device_address = DEVICE_AREA,
		.base = variant & 1 ? 0x80008000 : 0,
		.memory = &guest};

	if (variant & 4) {
		setup.inflight = guest_memory_at(&guest, REGION_AT, 4096);
		setup.inflight_bytes = 4096;
	}
	return setup;
}

/* Rings that are refused are as good as those that are served. */
static void serve_for_a_while(unsigned variant)
{
	const struct virtqueue_setup setup = choose_setup(variant);
	const struct vhost_user_bells bells = {variant & 8 ? -1 : kick_fd, -1, -1};
	struct error error;

	memset(memory, 0, variant & 16 ? HEADERS_AT : REGION_AT);
	write_requests(setup.is_packed);
	if (disk_queue_start(disk, 0, &setup, &bells, &error) < 0)
		return;
	usleep(variant * 37 % 1000);
	if (variant & 32)
		disk_abandon_requests(disk);
	disk_queue_stop(disk, 0);
	disk->is_abandoned = false;
	assert_int_equal(disk->in_flight, 0);
}

static void a_guest_that_changes_everything_at_any_time_harms_nobody(void **state)
{
	struct disk_statistics statistics;
	pthread_t thread;

	share_memory();
	kick_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(pthread_create(&thread, NULL, scribble, NULL), 0);
	for (unsigned variant = 0; variant < STARTS; variant++)
		serve_for_a_while(variant);
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	disk_statistics(disk, &statistics);
	assert_true(statistics.reads && statistics.writes && statistics.write_zeroes);
	close(kick_fd);
	guest_memory_clear(&guest);
	munmap(memory, MEMORY_BYTES);
	munmap(scribbled, MEMORY_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_guest_that_changes_everything_at_any_time_harms_nobody, create_disk,
			destroy_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
