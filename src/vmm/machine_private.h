/* What machine.c and machine_statistics.c share: the machine itself. */
#ifndef SLUICE_VMM_MACHINE_PRIVATE_H
#define SLUICE_VMM_MACHINE_PRIVATE_H

#include "vmm/boot/boot.h"
#include "vmm/devices/power.h"
#include "vmm/devices/serial.h"
#include "vmm/exits/exit_rings.h"
#include "vmm/exits/exit_service.h"
#include "vmm/exits/registers.h"
#include "vmm/interrupts.h"
#include "vmm/kvm_statistics.h"
#include "vmm/machine.h"
#include "vmm/vcpu.h"

struct machine {
	const struct machine_config *config;
	const struct kvm *kvm;
	struct vm_memory memory;
	struct boot_entry entry;
	int vm_fd;
	struct kvm_statistics *statistics; /* NULL: KVM has none */
	struct interrupts *interrupts;
	struct registers *registers;
	struct sidecore *sidecore;
	struct exit_service *service;
	struct power *power;
	struct serial *serial;
	struct pci_bus *bus;
	unsigned device_count; /* made so far; so with those below */
	struct virtio_device *devices[PCI_FUNCTIONS_MAX];
	unsigned module_count;
	struct ivshmem_device *modules[PCI_FUNCTIONS_MAX];
	struct exit_rings *rings; /* NULL: it has none */
	unsigned vcpu_count;
	struct vcpu *vcpus[VCPUS_MAX];
	struct exit_slot *slots[VCPUS_MAX];
	uint32_t end; /* of machine_end; set once, by any thread */
};

#endif
