/*
 * The checks of a loaded configuration that libcyaml's schema cannot express: what values mean, things
 * claimed twice, references to nothing, and promises that a pool cannot keep.
 */
#ifndef SLUICE_CONTROL_CONFIGURATION_CONFIGURATION_CHECK_H
#define SLUICE_CONTROL_CONFIGURATION_CONFIGURATION_CHECK_H

#include "control/configuration/configuration.h"

void configuration_check(const struct configuration *configuration, struct problems *problems);

#endif
