/* Virtio's registers over PCI, as a driver uses and misuses them. */
#include "../cmocka_all.h"

#include <linux/pci_regs.h>

#include "base/log.h"
#include "transport.h"

#define ADDRESS 0xfee00000u

/* ---- what a driver finds ---- */

static void a_modern_device_is_found(void **state)
{
	assert_int_equal(guest_config_read(&guest, 1, PCI_DEVICE_ID, 2), 0x1042);
	assert_int_equal(guest_config_read(&guest, 1, PCI_CLASS_DEVICE, 2), 0x0100);
	assert_int_equal(guest_config_read(&guest, 1, PCI_SUBSYSTEM_ID, 2), 0x1042);
	assert_int_equal(guest_config_read(&guest, 1, PCI_REVISION_ID, 1), 1);
	assert_int_equal(driver.device_bytes, CONFIG_BYTES);
	assert_int_equal(driver.doorbell_multiplier, 4);
	assert_int_equal(guest_config_read(&guest, 1, driver.msix + PCI_MSIX_FLAGS, 2), QUEUES);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	assert_int_equal(virtio_driver_offered(&driver), OFFERED);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 2, QUEUES);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
}

static void features_are_taken_if_they_were_offered_and_modern(void **state)
{
	assert_false(virtio_driver_negotiate(&driver, FEATURE(3)));
	virtio_driver_reset(&driver);
	assert_false(virtio_driver_negotiate(&driver, OFFERED | FEATURE(5)));
	virtio_driver_reset(&driver);
	assert_true(virtio_driver_negotiate(&driver, FEATURE(VIRTIO_F_VERSION_1) | FEATURE(3)));
	set_common(VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	set_common(VIRTIO_PCI_COMMON_GF, 4, 0);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_GF, 4), FEATURE(3));
	assert_int_equal(transport.driver_features, FEATURE(VIRTIO_F_VERSION_1) | FEATURE(3));
}

static void fields_of_64_bits_are_written_whole_or_by_halves(void **state)
{
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1122334455667788);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0x11223344);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x99aabbcc);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x1122334499aabbcc);
}

/* ---- beginning and ending ---- */

static void a_driver_that_is_ready_wakes_the_device(void **state)
{
	struct virtio_pci_service service;
	const struct virtio_pci_ring *rings = service.rings;

	assert_false(virtio_pci_begin_service(&transport, &service));
	transport_activate();
	assert_true(is_rung(wake_fd));
	assert_true(virtio_pci_begin_service(&transport, &service));
	assert_int_equal(service.features, OFFERED & ~FEATURE(VIRTIO_F_RING_PACKED));
	for (unsigned i = 0; i < QUEUES; i++) {
		const struct virtio_driver_queue queue = good_queue(i);

		assert_true(rings[i].is_enabled);
		assert_int_equal(rings[i].size, queue.size);
		assert_ptr_equal(rings[i].descriptors, guest.memory.host + queue.descriptors);
		assert_ptr_equal(rings[i].device, guest.memory.host + queue.device);
		assert_int_equal(rings[i].call_fd, msix_vector_fd(&transport.msix, i + 1));
	}
}

static void a_reset_takes_until_the_device_says_so(void **state)
{
	struct virtio_pci_service service, another;

	transport_activate();
	assert_true(virtio_pci_begin_service(&transport, &service));
	assert_true(is_rung(wake_fd));
	virtio_driver_set_status(&driver, 0);
	assert_true(is_rung(wake_fd));
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
	virtio_driver_set_status(&driver, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_false(virtio_pci_begin_service(&transport, &another));
	virtio_pci_end_service(&transport);
	assert_int_equal(virtio_driver_status(&driver), 0);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	transport_activate();
	assert_true(virtio_pci_begin_service(&transport, &another));
	assert_int_not_equal(another.number, service.number);
}

static void a_reset_of_a_device_that_nobody_serves_is_done_at_once(void **state)
{
	transport_activate();
	virtio_driver_set_status(&driver, 0);
	assert_int_equal(virtio_driver_status(&driver), 0);
	assert_int_equal(virtio_pci_state(&transport), VIRTIO_PCI_IDLE);
}

static void an_active_device_is_not_set_up_again(void **state)
{
	transport_activate();
	assert_true(is_rung(wake_fd));
	virtio_driver_set_status(&driver, DRIVER_OK);
	assert_false(is_rung(wake_fd));
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0xdead0000);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 2, 0);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x100000);
}

static void vectors_may_change_while_it_is_active(void **state)
{
	struct virtio_pci_ring rings[QUEUES];

	transport_activate();
	assert_true(is_rung(wake_fd));
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, 2, QUEUES + 1);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
	assert_true(is_rung(wake_fd));
	assert_true(virtio_pci_take_new_vectors(&transport));
	assert_false(virtio_pci_take_new_vectors(&transport));
	virtio_pci_rings(&transport, rings);
	assert_int_equal(rings[1].call_fd, -1);
}

/* ---- nonsense ---- */

static void is_refused(const struct virtio_driver_queue *queue, uint64_t features)
{
	assert_true(virtio_driver_negotiate(&driver, features));
	virtio_driver_set_queue(&driver, 1, queue, true);
	virtio_driver_set_status(&driver, DRIVER_OK);
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(virtio_pci_state(&transport), VIRTIO_PCI_IDLE);
	assert_false(is_rung(wake_fd));
	virtio_driver_reset(&driver);
}

static void a_queue_that_cannot_be_needs_a_reset(void **state)
{
	const struct virtio_driver_queue good = good_queue(1);
	const uint64_t features = FEATURE(VIRTIO_F_VERSION_1);
	struct virtio_driver_queue bad[10];

	for (unsigned i = 0; i < 10; i++)
		bad[i] = good;
	bad[0].size = 0;
	bad[1].size = QUEUE_SIZE + 1;
	bad[2].size = 100;
	bad[3].descriptors += 8;
	bad[4].driver += 1;
	bad[5].device += 2;
	bad[6].descriptors = GUEST_BYTES - 16 * 127;
	bad[7].driver = GUEST_BYTES;
	bad[8].device = UINT64_MAX - 3;
	bad[9].device = 0xc0000000;
	for (unsigned i = 0; i < 10; i++)
		is_refused(&bad[i], features);
	bad[2].device += 2;
	is_refused(&bad[2], features | FEATURE(VIRTIO_F_RING_PACKED));
}

static void a_packed_queue_may_have_any_size(void **state)
{
	struct virtio_driver_queue queue = good_queue(0);

	queue.size = 100;
	assert_true(virtio_driver_negotiate(
		&driver, FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED)));
	virtio_driver_set_queue(&driver, 0, &queue, true);
	virtio_driver_set_status(&driver, DRIVER_OK);
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK);
}

static void a_driver_that_skips_features_needs_a_reset(void **state)
{
	virtio_driver_set_status(&driver, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_true(virtio_driver_status(&driver) & VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(virtio_pci_state(&transport), VIRTIO_PCI_IDLE);
}

static void accesses_of_other_sizes_do_nothing(void **state)
{
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 4, UINT32_MAX);
	set_common(VIRTIO_PCI_COMMON_STATUS, 2, 0xffff);
	set_common(VIRTIO_PCI_COMMON_DF + 1, 1, 0xff);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	assert_int_equal(virtio_driver_status(&driver), 0);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_Q_SELECT, 4), 0);
}

/* ---- configuration space and interrupts ---- */

static void a_change_of_configuration_is_seen_counted_and_told(void **state)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES_MAX] = {1, 2, 3, 4};
	const uint64_t generation = get_common(VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	virtio_driver_enable_msix(&driver);
	virtio_driver_set_vector(&driver, 0, ADDRESS, 0x40);
	virtio_driver_mask_vector(&driver, 0, false);
	set_common(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	transport_activate();
	virtio_pci_set_device_config(&transport, config);
	assert_int_equal(guest_read(&guest, driver.device, 4), 0x04030201);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation + 1);
	assert_int_equal(kvm_double_raised(gsi_of(0)), 1);
	virtio_pci_set_device_config(&transport, config);
	assert_int_equal(get_common(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation + 1);
	assert_int_equal(kvm_double_raised(gsi_of(0)), 0);
	guest_write(&guest, driver.device, 4, 0);
	assert_int_equal(guest_read(&guest, driver.device, 4), 0x04030201);
}

static void isr_says_so_once(void **state)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES_MAX] = {1};

	transport_activate();
	assert_int_equal(guest_read(&guest, driver.isr, 1), 0);
	virtio_pci_set_device_config(&transport, config);
	assert_int_equal(guest_read(&guest, driver.isr, 1), 2);
	assert_int_equal(guest_read(&guest, driver.isr, 1), 0);
}

static void a_device_that_fails_says_so_by_an_interrupt(void **state)
{
	virtio_driver_enable_msix(&driver);
	virtio_driver_set_vector(&driver, 2, ADDRESS, 0x40);
	virtio_driver_mask_vector(&driver, 2, false);
	set_common(VIRTIO_PCI_COMMON_MSIX, 2, 2);
	transport_activate();
	virtio_pci_fail(&transport, "a test says so");
	virtio_pci_fail(&transport, "a test says so");
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(kvm_double_raised(gsi_of(2)), 1);
}

/* ---- doorbells ---- */

static void a_doorbell_is_no_exit_and_moves_with_the_registers(void **state)
{
	assert_int_equal(kvm_double.doorbell_count, QUEUES);
	virtio_driver_kick(&driver, 2);
	assert_true(is_rung(transport.queues[2].kick_fd));
	assert_false(is_rung(transport.queues[1].kick_fd));
	guest_config_write(&guest, 1, PCI_BASE_ADDRESS_0, 4, 0xd0000000);
	assert_int_equal(kvm_double.doorbell_count, QUEUES);
	assert_true(kvm_double_write(0xd0000000 + driver.doorbells - driver.bar));
	assert_true(is_rung(transport.queues[0].kick_fd));
	guest_config_write(&guest, 1, PCI_COMMAND, 2, 0);
	assert_int_equal(kvm_double.doorbell_count, 0);
}

static void a_doorbell_that_kvm_did_not_take_is_rung_by_its_register(void **state)
{
	kvm_double.doorbell_count = 0;
	virtio_driver_kick(&driver, 1);
	assert_true(is_rung(transport.queues[1].kick_fd));
	guest_write(&guest, driver.doorbells + 5, 1, 0);
	assert_true(is_rung(transport.queues[1].kick_fd));
	guest_write(&guest, driver.doorbells + (uint64_t)4 * QUEUES, 2, 0);
}

/* ---- access by configuration space ---- */

static void aim(uint8_t bar, uint64_t address, uint32_t length)
{
	guest_config_write(&guest, 1, driver.window + VIRTIO_PCI_CAP_BAR, 1, bar);
	guest_config_write(&guest, 1, driver.window + VIRTIO_PCI_CAP_OFFSET, 4,
		(uint32_t)(address - driver.bar));
	guest_config_write(&guest, 1, driver.window + VIRTIO_PCI_CAP_LENGTH, 4, length);
}

static void all_registers_are_reached_by_configuration_space_as_well(void **state)
{
	const unsigned data = driver.window + (unsigned)sizeof(struct virtio_pci_cap);

	guest_config_write(&guest, 1, PCI_COMMAND, 2, 0);
	aim(0, driver.common + VIRTIO_PCI_COMMON_NUMQ, 2);
	assert_int_equal(guest_config_read(&guest, 1, data, 2), QUEUES);
	aim(0, driver.common + VIRTIO_PCI_COMMON_STATUS, 1);
	guest_config_write(&guest, 1, data, 1, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(transport.status, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	aim(0, driver.doorbells + 4, 2);
	guest_config_write(&guest, 1, data, 2, 1);
	assert_true(is_rung(transport.queues[1].kick_fd));
	aim(0, driver.table + 12, 4);
	assert_int_equal(guest_config_read(&guest, 1, data, 4), 1);
}

static void a_window_to_nowhere_does_nothing(void **state)
{
	const unsigned data = driver.window + (unsigned)sizeof(struct virtio_pci_cap);
	const struct {
		uint8_t bar;
		uint64_t address;
		uint32_t length;
	} nowhere[] = {
		{1, driver.common, 4},
		{0, driver.common, 0},
		{0, driver.common, 3},
		{0, driver.common, 8},
		{0, driver.common, UINT32_MAX},
		{0, driver.common + 2, 4},
		{0, driver.common + 56, 4},
		{0, driver.device + CONFIG_BYTES, 1},
		{0, driver.bar + VIRTIO_PCI_BAR_BYTES, 4},
		{0, driver.bar + UINT32_MAX - 3, 4},
	};

	for (unsigned i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
		aim(nowhere[i].bar, nowhere[i].address, nowhere[i].length);
		guest_config_write(&guest, 1, data, 4, 0x01010101);
		assert_int_equal(guest_config_read(&guest, 1, data, 4), 0x01010101);
	}
	assert_int_equal(transport.status, 0);
}

#define TRANSPORT_TEST(name) \
	cmocka_unit_test_setup_teardown(name, transport_set_up, transport_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRANSPORT_TEST(a_modern_device_is_found),
		TRANSPORT_TEST(features_are_taken_if_they_were_offered_and_modern),
		TRANSPORT_TEST(fields_of_64_bits_are_written_whole_or_by_halves),
		TRANSPORT_TEST(a_driver_that_is_ready_wakes_the_device),
		TRANSPORT_TEST(a_reset_takes_until_the_device_says_so),
		TRANSPORT_TEST(a_reset_of_a_device_that_nobody_serves_is_done_at_once),
		TRANSPORT_TEST(an_active_device_is_not_set_up_again),
		TRANSPORT_TEST(vectors_may_change_while_it_is_active),
		TRANSPORT_TEST(a_queue_that_cannot_be_needs_a_reset),
		TRANSPORT_TEST(a_packed_queue_may_have_any_size),
		TRANSPORT_TEST(a_driver_that_skips_features_needs_a_reset),
		TRANSPORT_TEST(accesses_of_other_sizes_do_nothing),
		TRANSPORT_TEST(a_change_of_configuration_is_seen_counted_and_told),
		TRANSPORT_TEST(isr_says_so_once),
		TRANSPORT_TEST(a_device_that_fails_says_so_by_an_interrupt),
		TRANSPORT_TEST(a_doorbell_is_no_exit_and_moves_with_the_registers),
		TRANSPORT_TEST(a_doorbell_that_kvm_did_not_take_is_rung_by_its_register),
		TRANSPORT_TEST(all_registers_are_reached_by_configuration_space_as_well),
		TRANSPORT_TEST(a_window_to_nowhere_does_nothing),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
