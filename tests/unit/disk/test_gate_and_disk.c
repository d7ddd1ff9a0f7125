/* A disk and a module on one pool. */
#include "../virtio/ring_pair.h"
#include "gate_fixture.h"

#include <linux/virtio_blk.h>
#include <sys/eventfd.h>

#include "base/counter.h"
#include "disk/disk_private.h"

#define READS 8u
#define DATA (PAIR_BUFFERS + 4096)

static struct ring_pair pair;
static struct disk *disk;

static void add_disk(const struct slo *slo)
{
	const struct vhost_user_bells no_bells = {-1, -1, -1};
	struct disk_config config = {.name = "disk",
		.size_bytes = 1 << 20,
		.queue_count = 1,
		.socket_fd = -1,
		.slo = *slo};

	snprintf(config.socket_path, sizeof config.socket_path, "/tmp/test_gate_and_disk.%d",
		getpid());
	assert_int_equal(disk_create(pool, &config, &disk, &error), 0);
	pair_open(&pair, 64, false, false, false);
	assert_int_equal(disk_queue_start(disk, 0, &pair.setup, &no_bells, &error), 0);
}

static int stop_disk(void **state)
{
	disk_queue_stop(disk, 0);
	disk_destroy(disk);
	pair_close(&pair);
	return stop_pool(state);
}

static void read_disk(void)
{
	const struct virtio_blk_outhdr header = {.type = VIRTIO_BLK_T_IN};
	const struct driver_segment segments[] = {
		{PAIR_BUFFERS, sizeof header}, {DATA, 4096}, {PAIR_BUFFERS + 64, 1}};

	memcpy(pair.memory + PAIR_BUFFERS, &header, sizeof header);
	for (unsigned i = 0; i < READS; i++)
		assert_int_equal(driver_ring_add(&pair.driver, segments, 1, 2, &pair), 0);
	driver_ring_publish(&pair.driver);
}

static uint64_t reads_in_flight(void)
{
	struct disk_statistics statistics;

	disk_statistics(disk, &statistics);
	return statistics.in_flight;
}

/* The window is one request, and the module has filled it, with 63 more behind. */
static void a_disks_promise_comes_before_what_a_module_was_not_promised(void **state)
{
	struct driver_completion done[READS];
	struct gate_end *end;
	unsigned count = 0;

	start_pool("null");
	add_disk(&tier_of_a_minute);
	end = add_gate(0, &best_effort);
	for (unsigned slot = 0; slot < GATE_SLOTS; slot++)
		end->region->slots[slot] = (struct gate_slot){.state = GATE_ASKED, .bytes = 4096};
	__atomic_store_n(&end->region->posted, UINT64_MAX, __ATOMIC_SEQ_CST);
	eventfd_write(end->descriptors.doorbell, 1);
	while (__atomic_load_n(&end->region->slots[0].state, __ATOMIC_SEQ_CST) != GATE_GRANTED)
		usleep(100);
	read_disk();
	while (reads_in_flight() < READS)
		usleep(100);
	assert_int_equal(counter_get(&disk_audit(disk, 0)->requests), 0);

	__atomic_store_n(&end->region->slots[0].state, GATE_ENDED, __ATOMIC_SEQ_CST);
	__atomic_store_n(&end->region->posted, 1, __ATOMIC_SEQ_CST);
	eventfd_write(end->descriptors.doorbell, 1);
	while (count < READS)
		count += (unsigned)driver_ring_poll(&pair.driver, done, READS);
	/* One of the module's is at the device by now, and none but the first is done. */
	assert_int_equal(statistics_of(end).reads, 1);
	assert_int_equal(counter_get(&disk_audit(disk, 0)->requests), READS);
	assert_int_equal(counter_get(&disk_audit(disk, 0)->missed), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			a_disks_promise_comes_before_what_a_module_was_not_promised, stop_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
