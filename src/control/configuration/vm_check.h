/* The part of configuration_check.h that is about `vms`. */
#ifndef SLUICE_CONTROL_CONFIGURATION_VM_CHECK_H
#define SLUICE_CONTROL_CONFIGURATION_VM_CHECK_H

#include "control/configuration/configuration.h"

void vm_check(const struct configuration *configuration, struct problems *problems);

#endif
