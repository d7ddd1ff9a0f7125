/* Virtio's registers over PCI, with a test in the place of the device's thread. */
#include "../cmocka_all.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "virtio_driver.h"
#include "vmm/pci/virtio_pci.h"

#define QUEUES 3u
#define QUEUE_SIZE 256u
#define CONFIG_BYTES 60u
#define FEATURE(bit) (1ull << (bit))
#define OFFERED                                                        \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_F_RING_PACKED) | \
		FEATURE(VIRTIO_RING_F_EVENT_IDX) | FEATURE(3))
#define ADDRESS 0xfee00000u
#define DRIVER_OK                                                                             \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK)

static struct guest guest;
static struct virtio_pci transport;
static struct virtio_driver driver;
static struct error error;
static int wake_fd;

static int set_up(void **state)
{
	struct virtio_pci_config config = {
		.name = "disk 'test'",
		.type = VIRTIO_ID_BLOCK,
		.class_code = 0x010000,
		.features = OFFERED,
		.queue_count = QUEUES,
		.queue_size_max = QUEUE_SIZE,
		.config_bytes = CONFIG_BYTES,
		.vm_fd = -1,
	};

	guest_create(&guest);
	wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	config.wake_fd = wake_fd;
	config.memory = &guest.memory;
	config.interrupts = guest.interrupts;
	assert_int_equal(virtio_pci_init(&transport, &config, &error), 0);
	assert_int_equal(pci_bus_add(guest.bus, &transport.function, &error), 0);
	virtio_driver_find(&driver, &guest, 1);
	return 0;
}

static int tear_down(void **state)
{
	pci_bus_remove(guest.bus, &transport.function);
	assert_int_equal(kvm_double.doorbell_count, 0);
	virtio_pci_release(&transport);
	for (unsigned i = 0; i < KVM_DOUBLE_GSI_COUNT; i++)
		assert_int_equal(kvm_double.event_fds[i], -1);
	close(wake_fd);
	guest_destroy(&guest);
	return 0;
}

static bool is_rung(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof count) == sizeof count;
}

static struct virtio_driver_queue good_queue(unsigned index)
{
	const uint64_t base = 0x100000 + index * 0x10000;

	return (struct virtio_driver_queue){.size = 128,
		.vector = (uint16_t)(index + 1),
		.descriptors = base,
		.driver = base + 0x2000,
		.device = base + 0x4000};
}

static void activate(void)
{
	assert_true(virtio_driver_negotiate(&driver, OFFERED & ~FEATURE(VIRTIO_F_RING_PACKED)));
	for (unsigned i = 0; i < QUEUES; i++) {
		const struct virtio_driver_queue queue = good_queue(i);

		virtio_driver_set_queue(&driver, (uint16_t)i, &queue, true);
	}
	virtio_driver_set_status(&driver, DRIVER_OK);
}

static uint64_t common(unsigned offset, unsigned size_bytes)
{
	return guest_read(&guest, driver.common + offset, size_bytes);
}

static void set_common(unsigned offset, unsigned size_bytes, uint64_t value)
{
	guest_write(&guest, driver.common + offset, size_bytes, value);
}

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
	assert_int_equal(common(VIRTIO_PCI_COMMON_NUMQ, 2), QUEUES);
	assert_int_equal(virtio_driver_offered(&driver), OFFERED);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 2, QUEUES);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 0);
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
	assert_int_equal(common(VIRTIO_PCI_COMMON_GF, 4), FEATURE(3));
	assert_int_equal(
		virtio_pci_driver_features(&transport), FEATURE(VIRTIO_F_VERSION_1) | FEATURE(3));
}

static void fields_of_64_bits_are_written_whole_or_by_halves(void **state)
{
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0x1122334455667788);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCHI, 4), 0x11223344);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 4, 0x99aabbcc);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x1122334499aabbcc);
}

/* ---- beginning and ending ---- */

static void a_driver_that_is_ready_wakes_the_device(void **state)
{
	struct virtio_pci_ring rings[QUEUES];

	activate();
	assert_true(is_rung(wake_fd));
	assert_int_equal(virtio_pci_state(&transport), VIRTIO_PCI_ACTIVE);
	virtio_pci_rings(&transport, rings);
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
	activate();
	assert_true(is_rung(wake_fd));
	virtio_driver_set_status(&driver, 0);
	assert_true(is_rung(wake_fd));
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
	virtio_driver_set_status(&driver, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_pci_end_reset(&transport);
	assert_int_equal(virtio_driver_status(&driver), 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), QUEUE_SIZE);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_ENABLE, 2), 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_MSIX, 2), NO_VECTOR);
	activate();
	assert_int_equal(virtio_pci_state(&transport), VIRTIO_PCI_ACTIVE);
}

static void an_active_device_is_not_set_up_again(void **state)
{
	activate();
	assert_true(is_rung(wake_fd));
	virtio_driver_set_status(&driver, DRIVER_OK);
	assert_false(is_rung(wake_fd));
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 2, 0);
	set_common(VIRTIO_PCI_COMMON_Q_DESCLO, 8, 0xdead0000);
	set_common(VIRTIO_PCI_COMMON_Q_SIZE, 2, 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SIZE, 2), 128);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_DESCLO, 8), 0x100000);
}

static void vectors_may_change_while_it_is_active(void **state)
{
	struct virtio_pci_ring rings[QUEUES];

	activate();
	assert_true(is_rung(wake_fd));
	set_common(VIRTIO_PCI_COMMON_Q_SELECT, 2, 1);
	set_common(VIRTIO_PCI_COMMON_Q_MSIX, 2, QUEUES + 1);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_MSIX, 2), NO_VECTOR);
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
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SELECT, 2), 0);
	assert_int_equal(virtio_driver_status(&driver), 0);
	assert_int_equal(common(VIRTIO_PCI_COMMON_Q_SELECT, 4), 0);
}

/* ---- configuration space and interrupts ---- */

static uint32_t gsi_of(unsigned vector)
{
	return LAYOUT_GSI_COUNT + transport.msix.vectors[vector].message;
}

static void a_change_of_configuration_is_seen_counted_and_told(void **state)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES_MAX] = {1, 2, 3, 4};
	const uint64_t generation = common(VIRTIO_PCI_COMMON_CFGGENERATION, 1);

	virtio_driver_enable_msix(&driver);
	virtio_driver_set_vector(&driver, 0, ADDRESS, 0x40);
	virtio_driver_mask_vector(&driver, 0, false);
	set_common(VIRTIO_PCI_COMMON_MSIX, 2, 0);
	activate();
	virtio_pci_set_device_config(&transport, config);
	assert_int_equal(guest_read(&guest, driver.device, 4), 0x04030201);
	assert_int_equal(common(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation + 1);
	assert_int_equal(kvm_double_raised(gsi_of(0)), 1);
	virtio_pci_set_device_config(&transport, config);
	assert_int_equal(common(VIRTIO_PCI_COMMON_CFGGENERATION, 1), generation + 1);
	assert_int_equal(kvm_double_raised(gsi_of(0)), 0);
	guest_write(&guest, driver.device, 4, 0);
	assert_int_equal(guest_read(&guest, driver.device, 4), 0x04030201);
}

static void isr_says_so_once(void **state)
{
	uint8_t config[VIRTIO_PCI_CONFIG_BYTES_MAX] = {1};

	activate();
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
	activate();
	virtio_pci_fail(&transport, "a test says so");
	virtio_pci_fail(&transport, "a test says so");
	assert_int_equal(virtio_driver_status(&driver), DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET);
	assert_int_equal(kvm_double_raised(gsi_of(2)), 1);
}

/* ---- MSI-X ---- */

static void ask_for(unsigned vector)
{
	virtio_pci_ring(msix_vector_fd(&transport.msix, vector));
}

static bool is_pending(unsigned vector)
{
	return guest_read(&guest, driver.pending, 8) >> vector & 1;
}

static void a_vector_is_raised_while_nothing_masks_it(void **state)
{
	virtio_driver_set_vector(&driver, 1, ADDRESS | 0x5000, 0x41);
	virtio_driver_mask_vector(&driver, 1, false);
	ask_for(1);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 0);
	assert_true(is_pending(1));
	virtio_driver_enable_msix(&driver);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 1);
	assert_false(is_pending(1));
	assert_int_equal(kvm_double_message(gsi_of(1))->address_lo, ADDRESS | 0x5000);
	assert_int_equal(kvm_double_message(gsi_of(1))->data, 0x41);
	virtio_driver_mask_vector(&driver, 1, true);
	ask_for(1);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 0);
	assert_true(is_pending(1));
	assert_false(is_pending(0));
	virtio_driver_mask_vector(&driver, 1, false);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 1);
	assert_int_equal(transport.msix.waited, 2);
}

static void the_function_s_mask_masks_all(void **state)
{
	virtio_driver_set_vector(&driver, 1, ADDRESS, 0x41);
	virtio_driver_mask_vector(&driver, 1, false);
	guest_config_write(&guest, 1, driver.msix + PCI_MSIX_FLAGS, 2,
		PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	ask_for(1);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 0);
	assert_true(is_pending(1));
	virtio_driver_enable_msix(&driver);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 1);
	guest_config_write(&guest, 1, driver.msix + PCI_MSIX_FLAGS + 1, 1, 0);
	ask_for(1);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 0);
}

static void the_table_is_what_was_written(void **state)
{
	assert_int_equal(guest_read(&guest, driver.table + 12, 4), 1);
	guest_write(&guest, driver.table + 16, 8, 0x1122334455667788);
	guest_write(&guest, driver.table + 24, 8, 0xffffffff99aabbcc);
	assert_int_equal(guest_read(&guest, driver.table + 20, 4), 0x11223344);
	assert_int_equal(guest_read(&guest, driver.table + 24, 8), 0x199aabbcc);
	guest_write(&guest, driver.pending, 8, UINT64_MAX);
	assert_int_equal(guest_read(&guest, driver.pending, 8), 0);
}

static void a_vector_that_points_nowhere_is_pending_and_the_others_work(void **state)
{
	virtio_driver_enable_msix(&driver);
	virtio_driver_set_vector(&driver, 1, 0x100000, 0x41);
	virtio_driver_mask_vector(&driver, 1, false);
	virtio_driver_set_vector(&driver, 2, ADDRESS, 0x42);
	virtio_driver_mask_vector(&driver, 2, false);
	ask_for(1);
	ask_for(2);
	assert_true(is_pending(1));
	assert_int_equal(kvm_double_raised(gsi_of(1)), 0);
	assert_int_equal(kvm_double_raised(gsi_of(2)), 1);
	virtio_driver_set_vector(&driver, 1, ADDRESS, 0x41);
	assert_int_equal(kvm_double_raised(gsi_of(1)), 1);
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

#define TRANSPORT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRANSPORT_TEST(a_modern_device_is_found),
		TRANSPORT_TEST(features_are_taken_if_they_were_offered_and_modern),
		TRANSPORT_TEST(fields_of_64_bits_are_written_whole_or_by_halves),
		TRANSPORT_TEST(a_driver_that_is_ready_wakes_the_device),
		TRANSPORT_TEST(a_reset_takes_until_the_device_says_so),
		TRANSPORT_TEST(an_active_device_is_not_set_up_again),
		TRANSPORT_TEST(vectors_may_change_while_it_is_active),
		TRANSPORT_TEST(a_queue_that_cannot_be_needs_a_reset),
		TRANSPORT_TEST(a_packed_queue_may_have_any_size),
		TRANSPORT_TEST(a_driver_that_skips_features_needs_a_reset),
		TRANSPORT_TEST(accesses_of_other_sizes_do_nothing),
		TRANSPORT_TEST(a_change_of_configuration_is_seen_counted_and_told),
		TRANSPORT_TEST(isr_says_so_once),
		TRANSPORT_TEST(a_device_that_fails_says_so_by_an_interrupt),
		TRANSPORT_TEST(a_vector_is_raised_while_nothing_masks_it),
		TRANSPORT_TEST(the_function_s_mask_masks_all),
		TRANSPORT_TEST(the_table_is_what_was_written),
		TRANSPORT_TEST(a_vector_that_points_nowhere_is_pending_and_the_others_work),
		TRANSPORT_TEST(a_doorbell_is_no_exit_and_moves_with_the_registers),
		TRANSPORT_TEST(a_doorbell_that_kvm_did_not_take_is_rung_by_its_register),
		TRANSPORT_TEST(all_registers_are_reached_by_configuration_space_as_well),
		TRANSPORT_TEST(a_window_to_nowhere_does_nothing),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
