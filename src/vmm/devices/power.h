/*
 * Power: the registers by which ACPI (hardware-reduced: 6.4, 4.8.3.7) turns the machine off and resets it,
 * the event device whose interrupt says that the power button was pressed, and the keyboard controller's
 * reset line for kernels that use that.
 *
 *   LAYOUT_PORT_POWER + 0   sleep control (written: SLP_EN | SLP_TYP 5 turns the machine off)
 *                     + 1   sleep status
 *                     + 2   reset (written: 1)
 *                     + 3   event (read: 1 if the power button was pressed since it was last read)
 */
#ifndef SLUICE_VMM_DEVICES_POWER_H
#define SLUICE_VMM_DEVICES_POWER_H

#include "base/error.h"
#include "vmm/exits/registers.h"

struct power_config {
	int interrupt_fd; /* interrupts_line(LAYOUT_GSI_POWER) */
	/* The guest has turned itself off, or wants to be reset. Called where exits are handled. */
	void (*off)(void *context);
	void (*reset)(void *context);
	void *context;
};

struct power;

int power_create(const struct power_config *config, struct registers *registers,
	struct power **power, struct error *error);
void power_destroy(struct power *power);

/* Any thread. */
void power_press_button(struct power *power);

#endif
