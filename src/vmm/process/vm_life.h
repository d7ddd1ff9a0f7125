/*
 * A VM from its first boot to its end: one machine after the other, for as long as the guest reboots, on a
 * thread of its own. All functions are for one other thread.
 */
#ifndef SLUICE_VMM_PROCESS_VM_LIFE_H
#define SLUICE_VMM_PROCESS_VM_LIFE_H

#include "vmm/machine.h"

struct vm_life;

/*
 * Begin it. `machine` and `kvm` outlive it.
 * Returns 0 or a negative errno with `error` set.
 */
int vm_life_begin(const struct machine_config *machine, const struct kvm *kvm,
	struct vm_life **life, struct error *error);

/* A descriptor that becomes readable when it is over. */
int vm_life_over_fd(const struct vm_life *life);

/*
 * Wait until it is over, and free it. Returns why: not MACHINE_IS_RUNNING and not MACHINE_RESET; or a negative
 * errno with `error` set if a machine could not be made.
 */
int vm_life_end(struct vm_life *life, struct error *error);

/* Ask the guest to turn itself off; end it at once. */
void vm_life_press_power_button(struct vm_life *life);
void vm_life_stop(struct vm_life *life);

/* How often it has booted again. */
unsigned vm_life_reboots(struct vm_life *life);

/* Have `look` called with the machine, which stays meanwhile; false if there is none just now. */
bool vm_life_look(struct vm_life *life, void (*look)(const struct machine *machine, void *context),
	void *context);

#endif
