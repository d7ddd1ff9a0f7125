/*
 * What a running VM's control socket answers: vm.show, vm.stat and vm.stop ({"now": true}: at once rather
 * than by the power button).
 */
#ifndef SLUICE_VMM_PROCESS_VM_CONTROL_H
#define SLUICE_VMM_PROCESS_VM_CONTROL_H

#include "control/socket/control_server.h"
#include "control/vm/vm_description.h"
#include "vmm/process/vm_life.h"
#include "vmm/process/vm_power.h"

/* The context of the methods. */
struct vm_control {
	const struct vm_description *description;
	struct vm_life *life;
	struct vm_power *power;
	uint64_t started_at_ns; /* clock_now_ns */
};

extern const struct rpc_method vm_control_methods[];

#endif
