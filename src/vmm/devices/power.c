#include "vmm/devices/power.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/devices/power_registers.h"
#include "vmm/layout.h"

/* ACPI 6.4, table 4.29: what is written to the sleep control register. */
#define SLEEP_ENABLE (1u << 5)
#define SLEEP_TYPE(value) ((value) >> 2 & 7u)

/* The keyboard controller's command that pulls the CPU's reset line. */
#define KEYBOARD_COMMAND_RESET 0xfeu

struct power {
	struct power_config config;
	struct registers *registers;
	struct register_range ports, keyboard;
	bool is_button_pressed; /* atomic: set by any thread, cleared by the guest's look */
};

static uint8_t read_register(struct power *power, uint64_t offset)
{
	if (offset == POWER_EVENT &&
		__atomic_exchange_n(&power->is_button_pressed, false, __ATOMIC_ACQ_REL))
		return POWER_EVENT_BUTTON;
	return 0;
}

static uint64_t read_ports(void *device, uint64_t offset, unsigned size_bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < size_bytes; i++)
		value |= (uint64_t)read_register(device, offset + i) << 8 * i;
	return value;
}

static void write_register(struct power *power, uint64_t offset, uint8_t value)
{
	const struct power_config *config = &power->config;

	if (offset == POWER_SLEEP_CONTROL && value & SLEEP_ENABLE &&
		SLEEP_TYPE(value) == POWER_SLEEP_TYPE_OFF)
		config->off(config->context);
	if (offset == POWER_RESET && value == POWER_RESET_VALUE)
		config->reset(config->context);
}

static void write_ports(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	for (unsigned i = 0; i < size_bytes; i++)
		write_register(device, offset + i, (uint8_t)(value >> 8 * i));
}

/* "Ready for a command": kernels wait for that. */
static uint64_t read_keyboard(void *device, uint64_t offset, unsigned size_bytes)
{
	return 0;
}

static void write_keyboard(void *device, uint64_t offset, uint64_t value, unsigned size_bytes)
{
	struct power *power = device;

	if (value == KEYBOARD_COMMAND_RESET)
		power->config.reset(power->config.context);
}

static void init_ranges(struct power *power)
{
	power->ports = (struct register_range){
		.kind = REGISTER_POWER,
		.base = LAYOUT_PORT_POWER,
		.size_bytes = LAYOUT_PORT_POWER_COUNT,
		.read = read_ports,
		.write = write_ports,
		.device = power,
	};
	power->keyboard = (struct register_range){
		.kind = REGISTER_KEYBOARD,
		.base = LAYOUT_PORT_KEYBOARD,
		.size_bytes = 1,
		.read = read_keyboard,
		.write = write_keyboard,
		.device = power,
	};
}

int power_create(const struct power_config *config, struct registers *registers,
	struct power **power, struct error *error)
{
	struct power *created = calloc(1, sizeof *created);
	int result;

	if (!created)
		return error_set(error, -ENOMEM, "no memory for the power registers");
	created->config = *config;
	created->registers = registers;
	init_ranges(created);
	result = registers_add(registers, &created->ports);
	if (result < 0)
		goto fail;
	result = registers_add(registers, &created->keyboard);
	if (result < 0)
		goto fail_ports;
	*power = created;
	return 0;

fail_ports:
	registers_remove(registers, &created->ports);
fail:
	free(created);
	return error_set(error, result, "another device has the ports of the power registers");
}

void power_destroy(struct power *power)
{
	registers_remove(power->registers, &power->keyboard);
	registers_remove(power->registers, &power->ports);
	free(power);
}

void power_press_button(struct power *power)
{
	const uint64_t one = 1;

	__atomic_store_n(&power->is_button_pressed, true, __ATOMIC_RELEASE);
	/* Cannot block, nor fail but by a counter that is full, which says the same. */
	(void)!write(power->config.interrupt_fd, &one, sizeof one);
}
