/* What the settings of a vNIC's device mean; see values.h. */
#ifndef SLUICE_CONTROL_CONFIGURATION_DEVICE_VALUES_H
#define SLUICE_CONTROL_CONFIGURATION_DEVICE_VALUES_H

#include "control/configuration/configuration.h"
#include "net/net_device.h"

/*
 * @nic: has a device
 * @path: of the vNIC
 * @run_directory: where the socket goes that has no path of its own, and what is noted about taps;
 *                 outlives what is made with `config`
 */
void values_of_device(const struct nic_settings *nic, const char *path, const char *run_directory,
	struct net_device_config *config, struct problems *problems);

/* Would a vNIC be served in the same way? Either may be NULL. */
bool device_is_same(const struct device_settings *a, const struct device_settings *b);

/* Does it ask for what only a network can keep? */
bool nic_has_promises(const struct nic_settings *nic);

#endif
