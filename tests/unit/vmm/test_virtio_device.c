/*
 * A disk as a guest meets it on its bus: found, set up and used by a driver, served by a back end of ours
 * through vhost-user, which comes and goes.
 */
#include "../cmocka_all.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "gold_disk.h"

static struct error error;

/* ---- a disk in a machine ---- */

static void the_driver_is_offered_what_the_disk_has(void **state)
{
	struct virtio_blk_config config = {0};
	uint64_t offered = virtio_driver_offered(&gold.driver);

	for (unsigned i = 0; i < gold.driver.device_bytes; i++)
		((uint8_t *)&config)[i] =
			(uint8_t)guest_read(&gold.guest, gold.driver.device + i, 1);
	assert_int_equal(config.capacity, DISK_BYTES / 512);
	assert_int_equal(config.num_queues, QUEUES);
	assert_true(offered & FEATURE(VIRTIO_BLK_F_MQ));
	assert_true(offered & FEATURE(VIRTIO_F_RING_PACKED));
	assert_false(offered & FEATURE(30));
	assert_false(offered & FEATURE(26));
}

static void requests_are_served_with_every_kind_of_ring(void **state)
{
	static const uint64_t kinds[] = {0, FEATURE(VIRTIO_RING_F_EVENT_IDX),
		FEATURE(VIRTIO_RING_F_INDIRECT_DESC), FEATURE(VIRTIO_F_RING_PACKED),
		FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
			FEATURE(VIRTIO_RING_F_INDIRECT_DESC)};

	for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		gold_activate(kinds[kind] | FEATURE(VIRTIO_BLK_F_FLUSH));
		for (unsigned i = 0; i < 200; i++) {
			unsigned queue = i % QUEUES;

			memset(gold_memory(queue) + 4096, (int)(i + kind), 4096);
			assert_int_equal(gold_request(queue, VIRTIO_BLK_T_OUT, 8), VIRTIO_BLK_S_OK);
			memset(gold_memory(queue) + 4096, 0xff, 4096);
			assert_int_equal(gold_request(queue, VIRTIO_BLK_T_IN, 8), VIRTIO_BLK_S_OK);
			assert_int_equal(gold_memory(queue)[8191], (uint8_t)(i + kind));
		}
		gold_wait_for_interrupt(1);
		gold_wait_for_interrupt(2);
		virtio_driver_reset(&gold.driver);
		gold_free_rings();
	}
}

static void a_queue_that_is_not_enabled_is_left_alone(void **state)
{
	assert_true(virtio_driver_negotiate(&gold.driver, FEATURE(VIRTIO_F_VERSION_1)));
	gold_set_up_ring(1, 0);
	virtio_driver_set_status(&gold.driver, DRIVER_OK);
	assert_int_equal(gold_request(1, VIRTIO_BLK_T_IN, 0), VIRTIO_BLK_S_OK);
	virtio_driver_kick(&gold.driver, 0);
	virtio_driver_reset(&gold.driver);
}

static void a_vector_that_is_set_later_is_used(void **state)
{
	gold_activate(0);
	guest_write(&gold.guest, gold.driver.common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	guest_write(&gold.guest, gold.driver.common + VIRTIO_PCI_COMMON_Q_MSIX, 2, NO_VECTOR);
	assert_int_equal(gold_request(0, VIRTIO_BLK_T_IN, 0), VIRTIO_BLK_S_OK);
	guest_write(&gold.guest, gold.driver.common + VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	guest_write(&gold.guest, gold.driver.common + VIRTIO_PCI_COMMON_Q_MSIX, 2, 2);
	for (unsigned i = 0; i < 1000 && !gold_interrupts(2); i++) {
		assert_int_equal(gold_request(0, VIRTIO_BLK_T_IN, 0), VIRTIO_BLK_S_OK);
		usleep(1000);
	}
	assert_int_equal(gold_request(0, VIRTIO_BLK_T_IN, 0), VIRTIO_BLK_S_OK);
	gold_wait_for_interrupt(2);
}

static void the_driver_hears_of_another_size(void **state)
{
	gold_activate(0);
	assert_int_equal(gold_request(0, VIRTIO_BLK_T_IN, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(disk_resize(gold.disk, 2 * DISK_BYTES, &error), 0);
	gold_wait_for_interrupt(0);
	assert_int_equal(guest_read(&gold.guest, gold.driver.device, 8), 2 * DISK_BYTES / 512);
	assert_int_equal(guest_read(&gold.guest, gold.driver.isr, 1), 2);
}

static void a_ring_that_is_broken_needs_a_reset_after_which_all_is_well(void **state)
{
	struct driver_segment header = {DATA_AT, 16};

	gold_activate(0);
	driver_ring_add(&gold.rings[0], &header, 1, 0, gold_memory(0));
	driver_ring_publish(&gold.rings[0]);
	virtio_driver_kick(&gold.driver, 0);
	gold_wait_for_interrupt(0);
	assert_int_equal(
		virtio_driver_status(&gold.driver), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	virtio_driver_reset(&gold.driver);
	gold_free_rings();
	gold_activate(0);
	assert_int_equal(gold_request(0, VIRTIO_BLK_T_IN, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(virtio_driver_status(&gold.driver), DRIVER_OK);
}

static void a_driver_that_comes_and_goes_at_once_harms_nobody(void **state)
{
	for (unsigned i = 0; i < 50; i++) {
		gold_activate(i % 2 ? FEATURE(VIRTIO_F_RING_PACKED) : 0);
		if (i % 3)
			gold_send(0, VIRTIO_BLK_T_IN, 0);
		virtio_driver_reset(&gold.driver);
		gold_free_rings();
	}
	gold_activate(0);
	assert_int_equal(gold_request(1, VIRTIO_BLK_T_IN, 0), VIRTIO_BLK_S_OK);
}

/* ---- back ends that come and go ---- */

static void carries_on(uint64_t features)
{
	struct virtio_device_statistics statistics;

	gold_activate(features);
	for (unsigned i = 0; i < 5; i++) {
		memset(gold_memory(0) + 4096, (int)i + 1, 4096);
		assert_int_equal(gold_request(0, VIRTIO_BLK_T_OUT, 8), VIRTIO_BLK_S_OK);
		memset(gold_memory(0) + 4096, 0xff, 4096);
		gold_lose_disk();
		gold_send(0, VIRTIO_BLK_T_IN, 8);
		gold_send(1, VIRTIO_BLK_T_OUT, i);
		gold_interrupts(1);
		gold_create_disk();
		assert_int_equal(gold_wait_for_status(0), VIRTIO_BLK_S_OK);
		assert_int_equal(gold_memory(0)[8191], i + 1);
		assert_int_equal(gold_wait_for_status(1), VIRTIO_BLK_S_OK);
		gold_wait_for_interrupt(1);
		gold_wait_for_connection(true);
	}
	virtio_device_statistics(gold.device, &statistics);
	assert_int_equal(statistics.reconnects, 5);
	assert_true(statistics.is_active);
	assert_int_equal(virtio_driver_status(&gold.driver), DRIVER_OK);
}

static void a_guest_carries_on_when_its_back_end_is_replaced(void **state)
{
	carries_on(0);
}

static void so_it_does_with_packed_rings(void **state)
{
	carries_on(FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

static void a_driver_can_begin_and_reset_while_there_is_no_back_end(void **state)
{
	gold_lose_disk();
	gold_activate(0);
	virtio_driver_reset(&gold.driver);
	gold_free_rings();
	gold_activate(0);
	gold_send(0, VIRTIO_BLK_T_IN, 0);
	gold_create_disk();
	assert_int_equal(gold_wait_for_status(0), VIRTIO_BLK_S_OK);
	gold_lose_disk();
	virtio_driver_reset(&gold.driver);
}

static void a_back_end_that_has_become_another_is_not_taken(void **state)
{
	struct virtio_device_statistics statistics;

	gold_activate(FEATURE(VIRTIO_BLK_F_FLUSH));
	gold_lose_disk();
	gold.disk_config.queue_count = 1;
	gold_create_disk();
	gold_send(0, VIRTIO_BLK_T_IN, 0);
	usleep(100000);
	virtio_device_statistics(gold.device, &statistics);
	assert_false(statistics.is_connected);
	disk_destroy(gold.disk);
	gold.disk_config.queue_count = 4;
	gold_create_disk();
	assert_int_equal(gold_wait_for_status(0), VIRTIO_BLK_S_OK);
}

static void a_disk_that_nobody_serves_is_named(void **state)
{
	gold_create_pool();
	guest_create(&gold.guest);
	assert_int_equal(gold_create_device(&error), -ENOENT);
	assert_non_null(strstr(error.message, "disk 'gold': nobody listens on /tmp/"));
	assert_non_null(strstr(error.message, "sluice disk add"));
	guest_destroy(&gold.guest);
	gold_destroy_pool();
}

#define DEVICE_TEST(name) cmocka_unit_test_setup_teardown(name, gold_set_up, gold_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEVICE_TEST(the_driver_is_offered_what_the_disk_has),
		DEVICE_TEST(requests_are_served_with_every_kind_of_ring),
		DEVICE_TEST(a_queue_that_is_not_enabled_is_left_alone),
		DEVICE_TEST(a_vector_that_is_set_later_is_used),
		DEVICE_TEST(the_driver_hears_of_another_size),
		DEVICE_TEST(a_ring_that_is_broken_needs_a_reset_after_which_all_is_well),
		DEVICE_TEST(a_driver_that_comes_and_goes_at_once_harms_nobody),
		DEVICE_TEST(a_guest_carries_on_when_its_back_end_is_replaced),
		DEVICE_TEST(so_it_does_with_packed_rings),
		DEVICE_TEST(a_driver_can_begin_and_reset_while_there_is_no_back_end),
		DEVICE_TEST(a_back_end_that_has_become_another_is_not_taken),
		cmocka_unit_test(a_disk_that_nobody_serves_is_named),
	};

	log_set_level(LOG_LEVEL_WARNING);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
