/* A step of configuration_check: the modules. */
#ifndef SLUICE_CONTROL_CONFIGURATION_MODULE_CHECK_H
#define SLUICE_CONTROL_CONFIGURATION_MODULE_CHECK_H

#include "control/configuration/configuration.h"

void module_check(const struct configuration *configuration, struct problems *problems);

#endif
