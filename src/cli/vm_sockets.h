/* From the names of disks, vNICs and modules to the sockets that serve VMs with them. */
#ifndef SLUICE_CLI_VM_SOCKETS_H
#define SLUICE_CLI_VM_SOCKETS_H

#include "base/error.h"
#include "control/vm/vm_description.h"

/*
 * Fill in the sockets of all devices that are known by name: sluiced is asked; when there is none, it is
 * the socket that the device has by default, if that is there.
 *
 * @control: sluiced's control socket
 * Returns 0, or a negative errno with the device, and the mend, in `error`.
 */
int vm_sockets_find(struct vm_description *description, const char *control, struct error *error);

#endif
