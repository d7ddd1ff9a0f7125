/* MSI-X: what masks a vector, and what becomes of an interrupt meanwhile. */
#include "../cmocka_all.h"

#include <linux/pci_regs.h>

#include "base/log.h"
#include "transport.h"

#define ADDRESS 0xfee00000u

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

#define TRANSPORT_TEST(name) \
	cmocka_unit_test_setup_teardown(name, transport_set_up, transport_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRANSPORT_TEST(a_vector_is_raised_while_nothing_masks_it),
		TRANSPORT_TEST(the_function_s_mask_masks_all),
		TRANSPORT_TEST(the_table_is_what_was_written),
		TRANSPORT_TEST(a_vector_that_points_nowhere_is_pending_and_the_others_work),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
