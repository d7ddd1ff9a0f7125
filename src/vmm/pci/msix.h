/*
 * MSI-X of a function (PCI Local Bus 3.0, 6.8.2): the capability, the table of vectors, and the pending bits.
 *
 * Each vector is one of the VM's messages (interrupts.h) for ever, so whoever writes to its eventfd need not
 * know whether it is masked. A vector is unmasked while MSI-X is enabled and neither the function nor the
 * vector is masked; only then does KVM know of it.
 *
 * All is called where exits are handled, or while no vCPU runs; `waited` may be read by any thread.
 */
#ifndef SLUICE_VMM_PCI_MSIX_H
#define SLUICE_VMM_PCI_MSIX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "vmm/interrupts.h"
#include "vmm/pci/pci_function.h"

#define MSIX_VECTORS_MAX 65u /* one per queue, and one for changes of configuration */

/* A row of the table, as words: message address, its upper half, message data, control. */
struct msix_vector {
	uint32_t words[4];
	unsigned message; /* of interrupts.h */
	bool is_unmasked; /* as KVM knows it */
};

struct msix {
	struct interrupts *interrupts;
	unsigned vector_count;
	struct msix_vector vectors[MSIX_VECTORS_MAX];
	struct pci_function *function;
	uint8_t capability; /* its offset in configuration space */
	uint64_t waited;    /* interrupts that were asked for while masked: base/counter.h */
};

/*
 * Add the capability, and registers for the table and the pending bits at these offsets behind the base
 * address register.
 *
 * Returns 0, or -ENOSPC if the VM has too many messages, with `error` set.
 */
int msix_init(struct msix *msix, struct interrupts *interrupts, struct pci_function *function,
	unsigned vector_count, const uint32_t offsets[2], struct error *error);

/* Mask everything. The messages stay the VM's, and are not used again. */
void msix_release(struct msix *msix);

/* To be called after configuration space was written. */
void msix_config_written(struct msix *msix, unsigned offset, unsigned size_bytes);

/* The eventfd that raises a vector. */
int msix_vector_fd(const struct msix *msix, unsigned vector);

#endif
