/*
 * A PCI bus with up to 31 functions, one per device, found by way of the ports 0xcf8 and 0xcfc (PCI Local Bus
 * 3.0, 3.2.2.3.2). A function's registers are where the guest sets its base address registers to, within
 * the window of layout.h; setting them elsewhere, or onto each other, makes them unreachable and
 * harms nobody.
 */
#ifndef SLUICE_VMM_PCI_PCI_BUS_H
#define SLUICE_VMM_PCI_PCI_BUS_H

#include "base/error.h"
#include "vmm/exits/registers.h"

#define PCI_FUNCTIONS_MAX 31u

struct pci_bus;

int pci_bus_create(struct registers *registers, struct pci_bus **bus, struct error *error);
void pci_bus_destroy(struct pci_bus *bus);

#endif
