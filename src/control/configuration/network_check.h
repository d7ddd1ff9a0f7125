/* Whether the network's settings make sense together: names, hosts, and promises that fit the link. */
#ifndef SLUICE_CONTROL_CONFIGURATION_NETWORK_CHECK_H
#define SLUICE_CONTROL_CONFIGURATION_NETWORK_CHECK_H

#include "control/configuration/configuration.h"

void network_check(const struct configuration *configuration, struct problems *problems);

#endif
