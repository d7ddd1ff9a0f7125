/* What the settings of a module mean; see values.h. */
#ifndef SLUICE_CONTROL_CONFIGURATION_MODULE_VALUES_H
#define SLUICE_CONTROL_CONFIGURATION_MODULE_VALUES_H

#include "control/configuration/configuration.h"
#include "offload/host/module_description.h"

/*
 * @run_directory: where the socket goes that has no path of its own
 * @description: receives it
 */
void values_of_module(const struct module_settings *settings, const char *path,
	const char *run_directory, struct module_description *description,
	struct problems *problems);

/* Whether its I/O is charged to a pool. */
bool module_has_gate(const struct module_settings *settings);

#endif
