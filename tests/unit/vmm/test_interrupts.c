/* A VM's interrupts, with KVM's part played by the test. */
#include "../cmocka_all.h"

#include <errno.h>
#include <unistd.h>

#include "kvm_double.h"

#define ADDRESS 0xfee01000u

static struct interrupts *interrupts;
static struct error error;

static int set_up(void **state)
{
	kvm_double_reset();
	return interrupts_create(-1, &interrupts, &error);
}

static int tear_down(void **state)
{
	interrupts_destroy(interrupts);
	return 0;
}

static void ask_for(unsigned message)
{
	const uint64_t one = 1;

	assert_int_equal(
		write(interrupts_message_fd(interrupts, message), &one, sizeof one), sizeof one);
}

static unsigned routes_to(uint32_t chip, uint32_t gsi, uint32_t pin)
{
	unsigned count = 0;

	for (unsigned i = 0; i < kvm_double.route_count; i++) {
		const struct kvm_irq_routing_entry *route = &kvm_double.routes[i];

		if (route->type == KVM_IRQ_ROUTING_IRQCHIP && route->gsi == gsi &&
			route->u.irqchip.irqchip == chip && route->u.irqchip.pin == pin)
			count++;
	}
	return count;
}

static void pins_are_routed_from_the_beginning_and_remain(void **state)
{
	int message = interrupts_add_message(interrupts, &error);

	assert_int_equal(
		interrupts_set_message(interrupts, (unsigned)message, ADDRESS, 1, false), 0);
	assert_int_equal(kvm_double.route_count, 24 + 16 + 1);
	for (uint32_t pin = 0; pin < 24; pin++)
		assert_int_equal(routes_to(KVM_IRQCHIP_IOAPIC, pin, pin), 1);
	for (uint32_t pin = 0; pin < 8; pin++) {
		assert_int_equal(routes_to(KVM_IRQCHIP_PIC_MASTER, pin, pin), 1);
		assert_int_equal(routes_to(KVM_IRQCHIP_PIC_SLAVE, 8 + pin, pin), 1);
	}
}

static void a_line_has_one_eventfd_that_raises_it(void **state)
{
	const uint64_t one = 1;
	int fd = interrupts_line(interrupts, 4, &error);

	assert_true(fd >= 0);
	assert_int_equal(interrupts_line(interrupts, 4, &error), fd);
	assert_int_equal(write(fd, &one, sizeof one), sizeof one);
	assert_int_equal(kvm_double_raised(4), 1);
	assert_int_equal(interrupts_line(interrupts, 24, &error), -EINVAL);
}

static void a_masked_message_waits_and_is_raised_when_it_is_unmasked(void **state)
{
	unsigned message = (unsigned)interrupts_add_message(interrupts, &error);
	uint32_t gsi = LAYOUT_GSI_COUNT + message;

	ask_for(message);
	assert_int_equal(kvm_double_raised(gsi), 0);
	assert_true(interrupts_is_pending(interrupts, message));
	assert_int_equal(interrupts_set_message(interrupts, message, ADDRESS, 0x31, false), 0);
	assert_int_equal(kvm_double_raised(gsi), 1);
	assert_false(interrupts_is_pending(interrupts, message));
	ask_for(message);
	assert_int_equal(kvm_double_raised(gsi), 1);
	assert_int_equal(interrupts_set_message(interrupts, message, ADDRESS, 0x31, true), 0);
	ask_for(message);
	ask_for(message);
	assert_int_equal(kvm_double_raised(gsi), 0);
	assert_int_equal(interrupts_set_message(interrupts, message, ADDRESS, 0x31, false), 0);
	assert_int_equal(kvm_double_raised(gsi), 1);
}

static void a_message_goes_where_it_was_last_set_to(void **state)
{
	unsigned message = (unsigned)interrupts_add_message(interrupts, &error);
	uint32_t gsi = LAYOUT_GSI_COUNT + message;

	assert_int_equal(interrupts_set_message(interrupts, message, ADDRESS, 0x31, false), 0);
	assert_int_equal(
		interrupts_set_message(interrupts, message, ADDRESS + 0x1000, 0x32, false), 0);
	assert_int_equal(kvm_double_message(gsi)->address_lo, ADDRESS + 0x1000);
	assert_int_equal(kvm_double_message(gsi)->data, 0x32);
	ask_for(message);
	assert_int_equal(kvm_double_raised(gsi), 1);
}

static void a_message_to_somewhere_else_reaches_nobody_and_keeps_no_other_from_it(void **state)
{
	unsigned odd = (unsigned)interrupts_add_message(interrupts, &error);
	unsigned good = (unsigned)interrupts_add_message(interrupts, &error);

	assert_int_equal(
		interrupts_set_message(interrupts, odd, ADDRESS | 1ull << 32, 1, false), -EINVAL);
	assert_int_equal(interrupts_set_message(interrupts, odd, 0x1000, 1, false), -EINVAL);
	assert_int_equal(interrupts_set_message(interrupts, good, ADDRESS, 1, false), 0);
	ask_for(odd);
	ask_for(good);
	assert_int_equal(kvm_double_raised(LAYOUT_GSI_COUNT + odd), 0);
	assert_int_equal(kvm_double_raised(LAYOUT_GSI_COUNT + good), 1);
	assert_true(interrupts_is_pending(interrupts, odd));
}

static void what_kvm_refuses_is_masked(void **state)
{
	unsigned message = (unsigned)interrupts_add_message(interrupts, &error);

	kvm_double.failure = -ENOMEM;
	assert_int_equal(interrupts_set_message(interrupts, message, ADDRESS, 1, false), -ENOMEM);
	kvm_double.failure = 0;
	assert_int_equal(interrupts_set_message(interrupts, message, ADDRESS, 1, true), 0);
	assert_int_equal(interrupts_set_message(interrupts, message, ADDRESS, 1, false), 0);
}

static void there_are_so_many_messages_and_no_more(void **state)
{
	for (unsigned i = 0; i < INTERRUPT_MESSAGES_MAX; i++)
		assert_int_equal(interrupts_add_message(interrupts, &error), i);
	assert_int_equal(interrupts_add_message(interrupts, &error), -ENOSPC);
	assert_int_equal(
		interrupts_set_message(interrupts, INTERRUPT_MESSAGES_MAX - 1, ADDRESS, 1, false),
		0);
}

#define INTERRUPTS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		INTERRUPTS_TEST(pins_are_routed_from_the_beginning_and_remain),
		INTERRUPTS_TEST(a_line_has_one_eventfd_that_raises_it),
		INTERRUPTS_TEST(a_masked_message_waits_and_is_raised_when_it_is_unmasked),
		INTERRUPTS_TEST(a_message_goes_where_it_was_last_set_to),
		INTERRUPTS_TEST(
			a_message_to_somewhere_else_reaches_nobody_and_keeps_no_other_from_it),
		INTERRUPTS_TEST(what_kvm_refuses_is_masked),
		INTERRUPTS_TEST(there_are_so_many_messages_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
