/*
 * A module's memory as a device on the PCI bus: ivshmem with a doorbell (QEMU's docs/specs/ivshmem-spec, revision 1), without interrupts.
 * Behind BAR 0 are its registers, behind BAR 2 the memory, which the guest maps; docs/module-channel.md says what is in it.
 *
 * Theory of operation. Memory and doorbell come from the module's ivshmem server (ivshmem_link.h). Neither is touched here: the memory is
 * given to KVM, at the address that the guest has set BAR 2 to, and the doorbell is an ioeventfd, so that ringing
 * it costs the guest an exit to the kernel and nobody else anything. Of the registers only the device's number can be read.
 *
 * A thread of the device's holds on to the module. When the module has gone, its memory stays where it is, with what it has said last, and
 * the doorbell rings nobody; the thread connects again, for ever, and puts the new doorbell in the place of the old one, and
 * the new memory, too, if it is another.
 */
#ifndef SLUICE_VMM_PCI_IVSHMEM_DEVICE_H
#define SLUICE_VMM_PCI_IVSHMEM_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/pci/pci_bus.h"

#define IVSHMEM_DEVICE_NAME_BYTES 64u
#define IVSHMEM_DEVICE_REGISTER_BYTES 256u
#define IVSHMEM_DEVICE_BAR_0_BYTES 4096u /* a page, which nobody else's registers are in */
#define IVSHMEM_DEVICE_NUMBER_AT 8u
#define IVSHMEM_DEVICE_DOORBELL_AT 12u /* SLUICE_CHANNEL_PCI_DOORBELL_OFFSET */

struct ivshmem_device_config {
	char name[IVSHMEM_DEVICE_NAME_BYTES]; /* of the module, as in log lines */
	char socket_path[108];		      /* of its ivshmem server */
};

/* What a device works with; all outlive it. */
struct ivshmem_device_place {
	int vm_fd;
	uint32_t memory_slot; /* of KVM's, for this device alone */
	struct pci_bus *bus;
};

struct ivshmem_device_statistics {
	bool is_connected; /* to its module */
	bool is_mapped;	   /* the guest can reach the memory */
	uint64_t reconnects;
};

struct ivshmem_device;

/*
 * Connect to the module, and put the function on the bus. Before vCPUs run.
 *
 * Returns 0, -ENOENT or -ECONNREFUSED if nobody listens (`error` names the module and the mend), other negative errnos.
 */
int ivshmem_device_create(const struct ivshmem_device_config *config,
	const struct ivshmem_device_place *place, struct ivshmem_device **device,
	struct error *error);

/* Disconnect, leave the bus. While no vCPU runs. */
void ivshmem_device_destroy(struct ivshmem_device *device);

/* Any thread. */
void ivshmem_device_statistics(
	struct ivshmem_device *device, struct ivshmem_device_statistics *statistics);
const struct ivshmem_device_config *ivshmem_device_config(const struct ivshmem_device *device);

#endif
