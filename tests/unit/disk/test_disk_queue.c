/* A disk's queue as its disk starts and stops it, on rings in memory. */
#include "../virtio/ring_pair.h"

#include <stdio.h>

#include "disk/disk.h"
#include "disk/disk_private.h"
#include "sidecore/sidecore.h"

#define RING_SIZE 1024u
#define CHAINS (RING_SIZE / 2)

static struct sidecore *sidecore;
static struct pool *pool;
static struct disk *disk;
static struct ring_pair pair;
static struct error error;

static void create_disk(void)
{
	const struct pool_config pool_config = {.name = "pool",
		.backend = backend_find("ram"),
		.capacity_units_per_s = 10000,
		.cost = slo_cost_model_default,
		.largest_request_bytes = 256 << 10};
	const struct sidecore_config core = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct disk_config config = {.name = "queue",
		.size_bytes = 1 << 20,
		.queue_count = 1,
		.socket_fd = -1,
		.slo = {.weight = 100}};

	snprintf(
		config.socket_path, sizeof config.socket_path, "/tmp/test_disk_queue.%d", getpid());
	assert_int_equal(sidecore_start(&core, &sidecore, &error), 0);
	assert_int_equal(pool_create(&pool_config, sidecore, &pool, &error), 0);
	assert_int_equal(disk_create(pool, &config, &disk, &error), 0);
}

static void destroy_disk(void)
{
	disk_destroy(disk);
	pool_destroy(pool);
	sidecore_stop(sidecore);
}

/* A device pops all that there is, and dies. */
static void leave_chains_in_flight(bool is_packed)
{
	static struct descriptor_chain chain;

	pair_open(&pair, RING_SIZE, is_packed, false, false);
	pair_track(&pair);
	pair_attach(&pair);
	for (unsigned i = 0; i < CHAINS; i++)
		assert_int_equal(pair_add(&pair, i), 0);
	driver_ring_publish(&pair.driver);
	for (unsigned i = 0; i < CHAINS; i++)
		assert_int_equal(virtqueue_pop(&pair.device, &chain), 1);
}

static unsigned count_completions(void)
{
	struct driver_completion done[64];
	unsigned sum = 0;
	int count;

	while ((count = driver_ring_poll(&pair.driver, done, 64)) > 0)
		sum += (unsigned)count;
	assert_int_equal(count, 0);
	return sum;
}

/* The base of a stopped ring has no room for them, and its next device may know nothing else. */
static void a_ring_is_not_stopped_before_what_its_predecessor_left_is_done(void **state)
{
	const struct vhost_user_bells no_bells = {-1, -1, -1};

	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		create_disk();
		leave_chains_in_flight(is_packed);
		assert_int_equal(disk_queue_start(disk, 0, &pair.setup, &no_bells, &error), 0);
		disk_queue_stop(disk, 0);
		assert_int_equal(count_completions(), CHAINS);
		destroy_disk();
		pair_close(&pair);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_is_not_stopped_before_what_its_predecessor_left_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
