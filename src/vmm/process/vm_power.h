/*
 * How a VM is asked to end: by its power button, and if the guest has not turned itself off by the end of
 * a grace period, or when it is asked again, at once.
 */
#ifndef SLUICE_VMM_PROCESS_VM_POWER_H
#define SLUICE_VMM_PROCESS_VM_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/process/vm_life.h"

struct vm_power {
	struct vm_life *life;
	uint64_t grace_ns;
	int timer_fd; /* readable when the grace period is over */
	bool is_pressed;
	unsigned direct_signals, forwarded_signals;
};

/* Returns 0 or a negative errno with `error` set. */
int vm_power_init(
	struct vm_power *power, struct vm_life *life, uint64_t grace_ns, struct error *error);
void vm_power_free(struct vm_power *power);

/* Somebody wants it to end. */
void vm_power_request(struct vm_power *power, bool is_at_once);

/*
 * As vm_power_request, by a signal. `is_forwarded`: `sluice vm run` got it and passed it on. One to all processes of a
 * group or of a unit, as systemd sends it, comes both ways, and is one request.
 */
void vm_power_signal(struct vm_power *power, bool is_at_once, bool is_forwarded);

/* The timer is readable. */
void vm_power_expire(struct vm_power *power);

#endif
