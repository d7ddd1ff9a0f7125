#include "../cmocka_all.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/devices/power.h"
#include "vmm/layout.h"

static struct registers *registers;
static struct power *power;
static int interrupt_fd;
static unsigned offs, resets;

static void off(void *context)
{
	offs++;
}

static void reset(void *context)
{
	resets++;
}

static int set_up(void **state)
{
	struct power_config config = {.off = off, .reset = reset};

	offs = resets = 0;
	interrupt_fd = config.interrupt_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	registers = registers_create();
	return power_create(&config, registers, &power, NULL);
}

static int tear_down(void **state)
{
	power_destroy(power);
	registers_destroy(registers);
	close(interrupt_fd);
	return 0;
}

static void out_port(uint64_t port, uint8_t value)
{
	registers_write(registers, REGISTER_PORT, port, &value, sizeof value);
}

static uint8_t in_port(uint64_t port)
{
	uint8_t value;

	registers_read(registers, REGISTER_PORT, port, &value, sizeof value);
	return value;
}

static void out(unsigned offset, uint8_t value)
{
	out_port(LAYOUT_PORT_POWER + offset, value);
}

static uint8_t in(unsigned offset)
{
	return in_port(LAYOUT_PORT_POWER + offset);
}

static void sleep_state_five_turns_the_machine_off(void **state)
{
	out(0, 5 << 2); /* not enabled */
	out(0, 1 << 5 | 1 << 2);
	assert_int_equal(offs, 0);
	out(0, 1 << 5 | 5 << 2);
	assert_int_equal(offs, 1);
}

static void the_reset_register_resets(void **state)
{
	out(2, 0);
	assert_int_equal(resets, 0);
	out(2, 1);
	assert_int_equal(resets, 1);
}

static void the_keyboard_controller_resets(void **state)
{
	assert_int_equal(in_port(LAYOUT_PORT_KEYBOARD), 0);
	out_port(LAYOUT_PORT_KEYBOARD, 0xd1);
	assert_int_equal(resets, 0);
	out_port(LAYOUT_PORT_KEYBOARD, 0xfe);
	assert_int_equal(resets, 1);
}

static void the_button_is_told_once(void **state)
{
	uint64_t interrupts;

	assert_int_equal(in(3), 0);
	power_press_button(power);
	power_press_button(power);
	assert_int_equal(read(interrupt_fd, &interrupts, sizeof interrupts), sizeof interrupts);
	assert_int_equal(in(3), 1);
	assert_int_equal(in(3), 0);
}

static void wide_accesses_are_many_narrow_ones(void **state)
{
	const uint32_t off_and_reset = (1u << 5 | 5u << 2) | 1u << 16;
	uint32_t value;

	registers_write(registers, REGISTER_PORT, LAYOUT_PORT_POWER, &off_and_reset, 4);
	assert_int_equal(offs, 1);
	assert_int_equal(resets, 1);
	power_press_button(power);
	registers_read(registers, REGISTER_PORT, LAYOUT_PORT_POWER, &value, 4);
	assert_int_equal(value, 1u << 24);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sleep_state_five_turns_the_machine_off),
		CASE(the_reset_register_resets),
		CASE(the_keyboard_controller_resets),
		CASE(the_button_is_told_once),
		CASE(wide_accesses_are_many_narrow_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
