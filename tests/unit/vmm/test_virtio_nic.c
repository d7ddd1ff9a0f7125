/*
 * A NIC with several pairs of queues as a guest meets it on its bus: the back end is vhost-user's, with queues
 * that only note whether they run.
 */
#include "../cmocka_all.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <linux/virtio_pci.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "control_ring.h"
#include "nic_back_end.h"
#include "virtio_driver.h"
#include "vmm/pci/virtio_device.h"

#define FEATURE(bit) (1ull << (bit))
#define PAIRS 2u
#define PAIRS_MAX 4u /* of the back end */
#define QUEUE_SIZE 64u
#define RING_AT 0x100000u
#define RING_BYTES 0x8000u
#define MESSAGE_ADDRESS 0xfee00000u
#define DRIVER_OK                                                                             \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)
#define CONTROL FEATURE(VIRTIO_NET_F_CTRL_VQ)
#define MULTIQUEUE (CONTROL | FEATURE(VIRTIO_NET_F_MQ))
#define PACKED (FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_RING_F_EVENT_IDX))

static struct guest guest;
static struct virtio_device *device;
static struct virtio_driver driver;
static struct control_ring control;
static struct error error;

/* ---- the back end ---- */

static void wait_for_connection(bool is_connected)
{
	struct virtio_device_statistics statistics = {.is_connected = !is_connected};

	for (unsigned i = 0; i < 20000 && statistics.is_connected != is_connected; i++) {
		virtio_device_statistics(device, &statistics);
		usleep(1000);
	}
	assert_int_equal(statistics.is_connected, is_connected);
}

static void lose_back_end(void)
{
	nic_back_end_stop();
	wait_for_connection(false);
}

static void find_back_end(void)
{
	nic_back_end_start();
	wait_for_connection(true);
}

static void wait_for_running(uint64_t queues)
{
	for (unsigned i = 0; i < 20000 && nic_back_end_running() != queues; i++)
		usleep(1000);
	assert_int_equal(nic_back_end_running(), queues);
}

/* ---- the machine ---- */

static void create_device(unsigned pairs, unsigned vcpus)
{
	struct virtio_device_config config = {.name = "nic",
		.type = VIRTIO_ID_NET,
		.queue_count = pairs,
		.queue_size = QUEUE_SIZE,
		.vcpu_count = vcpus};
	const struct virtio_device_place place = {.vm_fd = -1,
		.memory = &guest.memory,
		.interrupts = guest.interrupts,
		.bus = guest.bus};

	snprintf(config.socket_path, sizeof config.socket_path, "%s", nic_back_end.socket_path);
	if (virtio_device_create(&config, &place, &device, &error) < 0)
		fail_msg("%s", error.message);
	virtio_driver_find(&driver, &guest, 1);
}

static void open_machine(unsigned pairs_of_back_end, uint64_t offered)
{
	nic_back_end.pair_count = pairs_of_back_end;
	nic_back_end.features = offered | FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS) |
				FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE) |
				FEATURE(VIRTIO_NET_F_CTRL_RX);
	snprintf(nic_back_end.socket_path, sizeof nic_back_end.socket_path,
		"/tmp/test_virtio_nic.%d", getpid());
	nic_back_end_start();
	guest_create(&guest);
}

static int set_up(void **state)
{
	open_machine(PAIRS_MAX, FEATURE(VIRTIO_NET_F_MQ));
	create_device(PAIRS, 1);
	return 0;
}

static int tear_down(void **state)
{
	control_ring_free(&control);
	virtio_device_destroy(device);
	guest_destroy(&guest);
	nic_back_end_stop();
	return 0;
}

/* ---- the driver ---- */

static unsigned queue_count(void)
{
	return (unsigned)guest_read(&guest, driver.common + VIRTIO_PCI_COMMON_NUMQ, 2);
}

static unsigned pairs_offered(void)
{
	return (unsigned)guest_read(
		&guest, driver.device + offsetof(struct virtio_net_config, max_virtqueue_pairs), 2);
}

static void set_up_queue(unsigned index)
{
	const uint64_t at = RING_AT + (uint64_t)index * RING_BYTES;
	const struct virtio_driver_queue queue = {.size = QUEUE_SIZE,
		.vector = (uint16_t)(index + 1),
		.descriptors = at,
		.driver = at + 0x2000,
		.device = at + 0x4000};

	memset(guest.memory.host + at, 0, RING_BYTES);
	virtio_driver_set_queue(&driver, (uint16_t)index, &queue, true);
}

static void set_up_control(unsigned index, uint64_t accepted)
{
	struct virtio_driver_queue queue = {
		.size = CONTROL_RING_SIZE, .vector = (uint16_t)(index + 1)};

	control_ring_init(
		&control, &guest.memory, RING_AT + (uint64_t)index * RING_BYTES, accepted);
	queue.descriptors = control_ring_address(&control, control.ring.descriptor_area);
	queue.driver = control_ring_address(&control, control.ring.driver_area);
	queue.device = control_ring_address(&control, control.ring.device_area);
	virtio_driver_set_queue(&driver, (uint16_t)index, &queue, true);
}

/* With `queues` that are not the control queue, which comes after them. */
static void activate(uint64_t accepted, unsigned queues)
{
	assert_true(virtio_driver_negotiate(&driver, accepted | FEATURE(VIRTIO_F_VERSION_1)));
	virtio_driver_enable_msix(&driver);
	guest_write(&guest, driver.common + VIRTIO_PCI_COMMON_MSIX, 2, 0);
	for (unsigned i = 0; i <= queues + 1; i++) {
		virtio_driver_set_vector(&driver, i, MESSAGE_ADDRESS, 0x40 + i);
		virtio_driver_mask_vector(&driver, i, false);
	}
	for (unsigned i = 0; i < queues; i++)
		set_up_queue(i);
	if (accepted & CONTROL)
		set_up_control(queues, accepted);
	virtio_driver_set_status(&driver, DRIVER_OK);
}

static void reset(void)
{
	virtio_driver_reset(&driver);
	control_ring_free(&control);
}

static uint8_t wait_for_answer(void)
{
	uint8_t answer = NO_ANSWER;

	for (unsigned i = 0; i < 20000 && answer == NO_ANSWER; i++) {
		answer = control_ring_answer(&control);
		usleep(1000);
	}
	return answer;
}

static uint8_t set_pairs(uint16_t count, unsigned control_index)
{
	control_ring_send_pairs(&control, count);
	virtio_driver_kick(&driver, (uint16_t)control_index);
	return wait_for_answer();
}

static void wait_for_interrupt(unsigned vector)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (kvm_double_raised(LAYOUT_GSI_COUNT + vector))
			return;
		usleep(1000);
	}
	fail_msg("no interrupt by vector %u", vector);
}

/* ---- what is offered ---- */

static void pairs_and_a_control_queue_are_offered(void **state)
{
	const uint64_t offered = virtio_driver_offered(&driver);

	assert_int_equal(offered & MULTIQUEUE, MULTIQUEUE);
	assert_int_equal(queue_count(), 2 * PAIRS + 1);
	assert_int_equal(pairs_offered(), PAIRS);
	assert_false(offered & FEATURE(VIRTIO_NET_F_GUEST_ANNOUNCE));
	assert_false(offered & FEATURE(VIRTIO_NET_F_CTRL_RX));
}

static void offers(unsigned vcpus, unsigned pairs, bool has_control)
{
	create_device(0, vcpus);
	assert_int_equal(queue_count(), 2 * pairs + has_control);
	assert_int_equal(pairs_offered(), pairs);
	assert_int_equal(virtio_driver_offered(&driver) & MULTIQUEUE, has_control ? MULTIQUEUE : 0);
	virtio_device_destroy(device);
}

static void by_default_there_are_as_many_pairs_as_vcpus_if_the_back_end_has_them(void **state)
{
	open_machine(PAIRS_MAX, FEATURE(VIRTIO_NET_F_MQ));
	offers(1, 1, false);
	offers(3, 3, true);
	offers(64, PAIRS_MAX, true);
	nic_back_end_stop();
	guest_destroy(&guest);
}

static void a_back_end_without_multiqueue_is_used_for_one_pair(void **state)
{
	open_machine(PAIRS_MAX, 0);
	offers(2, 1, false);
	nic_back_end_stop();
	guest_destroy(&guest);
}

/* ---- what is served ---- */

static void the_first_pair_is_served_until_the_driver_wants_more(void **state)
{
	static const uint64_t kinds[] = {0, PACKED};

	for (unsigned i = 0; i < 2; i++) {
		activate(MULTIQUEUE | kinds[i], 2 * PAIRS);
		wait_for_running(0x3);
		assert_false(nic_back_end.accepted & CONTROL);
		assert_int_equal(set_pairs(2, 2 * PAIRS), VIRTIO_NET_OK);
		assert_int_equal(nic_back_end_running(), 0xf);
		wait_for_interrupt(2 * PAIRS + 1);
		assert_int_equal(set_pairs(1, 2 * PAIRS), VIRTIO_NET_OK);
		assert_int_equal(nic_back_end_running(), 0x3);
		assert_int_equal(set_pairs(3, 2 * PAIRS), VIRTIO_NET_ERR);
		assert_int_equal(nic_back_end_running(), 0x3);
		reset();
		assert_int_equal(nic_back_end_running(), 0);
	}
}

static void a_driver_without_multiqueue_has_its_control_queue_third(void **state)
{
	activate(CONTROL, 2);
	wait_for_running(0x3);
	assert_int_equal(set_pairs(1, 2), VIRTIO_NET_ERR);
	wait_for_interrupt(3);
}

static void a_driver_without_a_control_queue_has_one_pair(void **state)
{
	activate(0, 2 * PAIRS);
	wait_for_running(0x3);
}

static void a_reset_forgets_what_the_driver_has_said(void **state)
{
	activate(MULTIQUEUE, 2 * PAIRS);
	assert_int_equal(set_pairs(2, 2 * PAIRS), VIRTIO_NET_OK);
	reset();
	activate(MULTIQUEUE, 2 * PAIRS);
	wait_for_running(0x3);
}

static void a_queue_that_is_not_enabled_is_left_alone(void **state)
{
	assert_true(virtio_driver_negotiate(&driver, MULTIQUEUE | FEATURE(VIRTIO_F_VERSION_1)));
	set_up_queue(1);
	set_up_queue(2);
	set_up_control(2 * PAIRS, 0);
	virtio_driver_set_status(&driver, DRIVER_OK);
	assert_int_equal(set_pairs(2, 2 * PAIRS), VIRTIO_NET_OK);
	assert_int_equal(nic_back_end_running(), 0x6);
}

static void many_commands_at_once_are_all_answered(void **state)
{
	activate(MULTIQUEUE, 2 * PAIRS);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < CONTROL_RING_SIZE / 4; i++)
			control_ring_send_pairs(&control, (uint16_t)(1 + (i + round) % 2));
		virtio_driver_kick(&driver, 2 * PAIRS);
		for (unsigned i = 0; i < CONTROL_RING_SIZE / 4; i++)
			assert_int_equal(wait_for_answer(), VIRTIO_NET_OK);
	}
}

/* ---- drivers that do not keep to the protocol ---- */

static void a_control_queue_that_is_broken_needs_a_reset_after_which_all_is_well(void **state)
{
	const struct driver_segment header = {RING_AT, 2};

	activate(MULTIQUEUE, 2 * PAIRS);
	driver_ring_add(&control.ring, &header, 1, 0, &control);
	driver_ring_publish(&control.ring);
	virtio_driver_kick(&driver, 2 * PAIRS);
	wait_for_interrupt(0);
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	virtio_driver_kick(&driver, 2 * PAIRS);
	reset();
	activate(MULTIQUEUE, 2 * PAIRS);
	assert_int_equal(set_pairs(2, 2 * PAIRS), VIRTIO_NET_OK);
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK);
}

static void kicks_without_a_control_queue_harm_nobody(void **state)
{
	for (unsigned i = 0; i < 20; i++) {
		activate(i % 2 ? MULTIQUEUE : 0, 2 * PAIRS);
		virtio_driver_kick(&driver, 2 * PAIRS);
		virtio_driver_set_status(&driver, 0);
		virtio_driver_kick(&driver, 2 * PAIRS);
		reset();
		virtio_driver_kick(&driver, 2 * PAIRS);
	}
	activate(MULTIQUEUE, 2 * PAIRS);
	assert_int_equal(set_pairs(2, 2 * PAIRS), VIRTIO_NET_OK);
}

/* ---- back ends that come and go ---- */

static void carries_on(uint64_t kind)
{
	activate(MULTIQUEUE | kind, 2 * PAIRS);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(set_pairs((uint16_t)(1 + i % 2), 2 * PAIRS), VIRTIO_NET_OK);
		lose_back_end();
		find_back_end();
		wait_for_running(i % 2 ? 0xf : 0x3);
	}
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK);
}

static void what_the_driver_has_said_holds_for_the_next_back_end(void **state)
{
	carries_on(0);
}

static void so_it_does_with_packed_rings(void **state)
{
	carries_on(PACKED);
}

static void commands_are_answered_without_a_back_end_and_hold_for_the_next(void **state)
{
	activate(MULTIQUEUE, 2 * PAIRS);
	wait_for_running(0x3);
	lose_back_end();
	assert_int_equal(set_pairs(2, 2 * PAIRS), VIRTIO_NET_OK);
	wait_for_interrupt(2 * PAIRS + 1);
	find_back_end();
	wait_for_running(0xf);
}

static void a_driver_can_begin_command_and_reset_without_a_back_end(void **state)
{
	lose_back_end();
	for (unsigned i = 0; i < 5; i++) {
		activate(MULTIQUEUE | (i % 2 ? PACKED : 0), 2 * PAIRS);
		assert_int_equal(set_pairs(2, 2 * PAIRS), VIRTIO_NET_OK);
		reset();
	}
	activate(CONTROL, 2);
	assert_int_equal(set_pairs(2, 2), VIRTIO_NET_ERR);
	reset();
	activate(MULTIQUEUE, 2 * PAIRS);
	find_back_end();
	wait_for_running(0x3);
}

static void a_back_end_with_fewer_pairs_is_not_taken(void **state)
{
	struct virtio_device_statistics statistics;

	activate(MULTIQUEUE, 2 * PAIRS);
	lose_back_end();
	nic_back_end.pair_count = 1;
	nic_back_end_start();
	usleep(100000);
	virtio_device_statistics(device, &statistics);
	assert_false(statistics.is_connected);
}

#define NIC_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NIC_TEST(pairs_and_a_control_queue_are_offered),
		cmocka_unit_test(
			by_default_there_are_as_many_pairs_as_vcpus_if_the_back_end_has_them),
		cmocka_unit_test(a_back_end_without_multiqueue_is_used_for_one_pair),
		NIC_TEST(the_first_pair_is_served_until_the_driver_wants_more),
		NIC_TEST(a_driver_without_multiqueue_has_its_control_queue_third),
		NIC_TEST(a_driver_without_a_control_queue_has_one_pair),
		NIC_TEST(a_reset_forgets_what_the_driver_has_said),
		NIC_TEST(a_queue_that_is_not_enabled_is_left_alone),
		NIC_TEST(many_commands_at_once_are_all_answered),
		NIC_TEST(a_control_queue_that_is_broken_needs_a_reset_after_which_all_is_well),
		NIC_TEST(kicks_without_a_control_queue_harm_nobody),
		NIC_TEST(what_the_driver_has_said_holds_for_the_next_back_end),
		NIC_TEST(so_it_does_with_packed_rings),
		NIC_TEST(commands_are_answered_without_a_back_end_and_hold_for_the_next),
		NIC_TEST(a_driver_can_begin_command_and_reset_without_a_back_end),
		NIC_TEST(a_back_end_with_fewer_pairs_is_not_taken),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
