/*
 * A PCI bus with up to 31 functions, one per device, found by way of the ports 0xcf8 and 0xcfc (PCI Local Bus
 * 3.0, 3.2.2.3.2); device 0 is the host bridge. A function's registers are where the guest sets its base
 * address register to, within the window of layout.h, while it has memory decoding on; setting it elsewhere,
 * or onto another's, makes them unreachable and harms nobody. At first each has a place of its own.
 */
#ifndef SLUICE_VMM_PCI_PCI_BUS_H
#define SLUICE_VMM_PCI_PCI_BUS_H

#include "base/error.h"
#include "vmm/exits/registers.h"
#include "vmm/pci/pci_function.h"

#define PCI_FUNCTIONS_MAX 31u

struct pci_bus;

int pci_bus_create(struct registers *registers, struct pci_bus **bus, struct error *error);
void pci_bus_destroy(struct pci_bus *bus); /* after all functions have been removed */

/*
 * Put a function into the next free slot; it stays the caller's. While no vCPU runs.
 *
 * Returns 0, or -ENOSPC with `error` set.
 */
int pci_bus_add(struct pci_bus *bus, struct pci_function *function, struct error *error);
void pci_bus_remove(struct pci_bus *bus, struct pci_function *function);

#endif
