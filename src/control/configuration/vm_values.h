/* What the settings of a VM mean; see values.h. */
#ifndef SLUICE_CONTROL_CONFIGURATION_VM_VALUES_H
#define SLUICE_CONTROL_CONFIGURATION_VM_VALUES_H

#include "control/configuration/configuration.h"
#include "control/vm/vm_description.h"

/*
 * Everything but the devices' sockets: a name stands for whatever sluiced serves by it, to be found
 * with its help; a path (anything with a '/') is the socket itself.
 *
 * @description: receives it, devices with their names
 */
void values_of_vm(const struct vm_settings *settings, const char *path,
	struct vm_description *description, struct problems *problems);

#endif
