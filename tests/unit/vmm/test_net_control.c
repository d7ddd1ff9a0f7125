/* A NIC's control queue: what a driver may command, and what it may not. */
#include "../cmocka_all.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "control_ring.h"
#include "vmm/pci/net_control.h"

#define FEATURE(bit) (1ull << (bit))
#define PAIRS 3u
#define RING_AT 0x10000u
#define MULTIQUEUE (FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_MQ))

static const uint64_t kinds[] = {0, FEATURE(VIRTIO_RING_F_EVENT_IDX),
	FEATURE(VIRTIO_RING_F_INDIRECT_DESC), FEATURE(VIRTIO_F_RING_PACKED),
	FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
		FEATURE(VIRTIO_RING_F_INDIRECT_DESC)};

static struct vm_memory memory;
static struct control_ring driver;
static struct net_control control;
static struct error error;

static void begin(uint64_t features)
{
	struct virtio_pci_ring rings[2 * PAIRS + 1] = {0};
	struct net_control_setup setup = {
		.features = features, .pair_count_max = PAIRS, .rings = rings, .memory = &memory};

	control_ring_init(&driver, &memory, RING_AT, features);
	rings[net_control_index(features, PAIRS)] = (struct virtio_pci_ring){.is_enabled = true,
		.size = CONTROL_RING_SIZE,
		.descriptors = driver.ring.descriptor_area,
		.driver = driver.ring.driver_area,
		.device = driver.ring.device_area,
		.kick_fd = 7};
	assert_int_equal(net_control_begin(&control, &setup, &error), 0);
	assert_true(control.is_attached);
	assert_int_equal(control.kick_fd, 7);
}

static uint8_t serve(void)
{
	assert_int_equal(net_control_take(&control), 1);
	net_control_answer(&control);
	assert_int_equal(net_control_take(&control), 0);
	return control_ring_answer(&driver);
}

static uint8_t set_pairs(uint16_t count)
{
	control_ring_send_pairs(&driver, count);
	return serve();
}

static int set_up(void **state)
{
	const struct vm_memory_config config = {
		.size_bytes = 2u << 20, .huge_pages = HUGE_PAGES_NEVER};

	return vm_memory_create(&memory, &config, &error);
}

static int tear_down(void **state)
{
	control_ring_free(&driver);
	vm_memory_destroy(&memory);
	return 0;
}

static void the_number_of_pairs_is_taken_with_every_kind_of_ring(void **state)
{
	for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		begin(MULTIQUEUE | kinds[kind]);
		assert_int_equal(control.pair_count, 1);
		for (unsigned i = 0; i < 100; i++) {
			assert_int_equal(set_pairs((uint16_t)(1 + i % PAIRS)), VIRTIO_NET_OK);
			assert_int_equal(control.pair_count, 1 + i % PAIRS);
			assert_true(net_control_needs_call(&control));
			assert_false(net_control_wait(&control));
			driver_ring_enable_calls(&driver.ring);
		}
		control_ring_free(&driver);
	}
}

static void a_number_of_pairs_that_cannot_be_is_refused(void **state)
{
	static const uint16_t counts[] = {0, PAIRS + 1, 0x8000, UINT16_MAX};

	begin(MULTIQUEUE);
	assert_int_equal(set_pairs(2), VIRTIO_NET_OK);
	for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
		assert_int_equal(set_pairs(counts[i]), VIRTIO_NET_ERR);
		assert_int_equal(control.pair_count, 2);
	}
}

static void other_commands_are_answered_with_an_error(void **state)
{
	begin(MULTIQUEUE);
	for (unsigned class = 0; class < 256; class ++) {
		const uint8_t command[] = {(uint8_t) class, class == VIRTIO_NET_CTRL_MQ, 2, 0};

		control_ring_send(&driver, command, sizeof command, sizeof command);
		assert_int_equal(serve(), VIRTIO_NET_ERR);
	}
	assert_int_equal(control.pair_count, 1);
}

static void a_command_of_another_length_is_refused(void **state)
{
	static const uint8_t command[4096] = {
		VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2};

	begin(MULTIQUEUE);
	for (size_t bytes = 0; bytes < 8; bytes++) {
		control_ring_send(&driver, command, bytes, 8);
		assert_int_equal(serve(), bytes == 4 ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
	}
	control_ring_send(&driver, command, sizeof command, sizeof command);
	assert_int_equal(serve(), VIRTIO_NET_ERR);
}

static void a_command_may_be_cut_anywhere(void **state)
{
	static const uint8_t command[] = {
		VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, 0};

	begin(MULTIQUEUE);
	for (size_t part = 1; part <= sizeof command; part++) {
		control.pair_count = 1;
		control_ring_send(&driver, command, sizeof command, part);
		assert_int_equal(serve(), VIRTIO_NET_OK);
		assert_int_equal(control.pair_count, 2);
	}
}

static void a_command_that_cannot_be_answered_breaks_the_queue(void **state)
{
	for (unsigned kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		const struct driver_segment segment = {RING_AT + 0x6000, 4};

		begin(MULTIQUEUE | kinds[kind]);
		driver_ring_add(&driver.ring, &segment, 1, 0, &driver);
		driver_ring_publish(&driver.ring);
		assert_int_equal(net_control_take(&control), -EPROTO);
		assert_non_null(control.queue.broken);
		assert_false(net_control_wait(&control));
		control_ring_free(&driver);
	}
}

static void an_answer_outside_of_memory_breaks_the_queue(void **state)
{
	const struct driver_segment segments[] = {{RING_AT + 0x6000, 4}, {8u << 20, 1}};

	begin(MULTIQUEUE);
	driver_ring_add(&driver.ring, segments, 1, 1, &driver);
	driver_ring_publish(&driver.ring);
	assert_int_equal(net_control_take(&control), -EPROTO);
}

static void without_multiqueue_the_queue_is_the_third(void **state)
{
	assert_int_equal(net_control_index(MULTIQUEUE, PAIRS), 2 * PAIRS);
	assert_int_equal(net_control_index(FEATURE(VIRTIO_NET_F_CTRL_VQ), PAIRS), 2);
	begin(FEATURE(VIRTIO_NET_F_CTRL_VQ));
	assert_int_equal(set_pairs(1), VIRTIO_NET_ERR);
}

static void a_driver_that_begins_anew_has_one_pair(void **state)
{
	begin(MULTIQUEUE);
	assert_int_equal(set_pairs(3), VIRTIO_NET_OK);
	control_ring_free(&driver);
	begin(MULTIQUEUE | FEATURE(VIRTIO_F_RING_PACKED));
	assert_int_equal(control.pair_count, 1);
}

#define CONTROL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTROL_TEST(the_number_of_pairs_is_taken_with_every_kind_of_ring),
		CONTROL_TEST(a_number_of_pairs_that_cannot_be_is_refused),
		CONTROL_TEST(other_commands_are_answered_with_an_error),
		CONTROL_TEST(a_command_of_another_length_is_refused),
		CONTROL_TEST(a_command_may_be_cut_anywhere),
		CONTROL_TEST(a_command_that_cannot_be_answered_breaks_the_queue),
		CONTROL_TEST(an_answer_outside_of_memory_breaks_the_queue),
		CONTROL_TEST(without_multiqueue_the_queue_is_the_third),
		CONTROL_TEST(a_driver_that_begins_anew_has_one_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
