/*
 * A virtual machine: memory, devices, vCPUs, and the service that handles their exits, from the first
 * instruction to power-off. A reboot is a new machine with the same configuration.
 */
#ifndef SLUICE_VMM_MACHINE_H
#define SLUICE_VMM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/histogram.h"
#include "sidecore/sidecore.h"
#include "vmm/kvm.h"
#include "vmm/layout.h"
#include "vmm/pci/ivshmem_device.h"
#include "vmm/pci/pci_bus.h"
#include "vmm/pci/virtio_device.h"
#include "vmm/vm_memory.h"

#define MACHINE_NAME_BYTES 64u

struct machine_config {
	char name[MACHINE_NAME_BYTES];
	struct vm_memory_config memory;
	unsigned vcpu_count;	  /* 1 to VCPUS_MAX */
	int vcpu_cpus[VCPUS_MAX]; /* the guest core of each, or SIDECORE_NOT_PINNED */
	bool are_cores_dedicated; /* halting, pausing and waiting do not exit */
	bool is_split; /* exits are handled on the hypervisor core, not on the vCPU's own */
	struct sidecore_config hypervisor_core;
	struct sidecore *sidecore; /* that core, running; NULL: it is started for the machine */
	int kernel_fd, initrd_fd;  /* -1: none; kept open by the caller */
	const char *command_line;
	int console_input_fd, console_output_fd;
	bool has_exit_rings;
	unsigned device_count;
	struct virtio_device_config devices[PCI_FUNCTIONS_MAX];
	unsigned module_count;
	struct ivshmem_device_config modules[PCI_FUNCTIONS_MAX];
};

enum machine_end {
	MACHINE_IS_RUNNING,
	MACHINE_OFF,	 /* the guest has turned itself off */
	MACHINE_RESET,	 /* it wants to boot again */
	MACHINE_CRASHED, /* a vCPU cannot go on; the reason is in the log */
	MACHINE_STOPPED, /* by machine_stop */
};

struct machine;

/* The hypervisor core as it has to be beside these vCPUs. */
struct sidecore_config machine_hypervisor_core(const struct machine_config *config);

/* The configuration and `kvm` outlive the machine. Returns 0 or a negative errno with `error` set. */
int machine_create(const struct machine_config *config, const struct kvm *kvm,
	struct machine **machine, struct error *error);

/* Let the vCPUs run; returns when all have stopped, with the reason. */
enum machine_end machine_run(struct machine *machine);

void machine_destroy(struct machine *machine);

/* Any thread: ask the guest to turn itself off; or end it at once, whatever it does. */
void machine_press_power_button(struct machine *machine);
void machine_stop(struct machine *machine);

#endif
