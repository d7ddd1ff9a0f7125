/*
 * A module's process as a sandbox leaves it (sandbox/sandbox.h): threads, memory, and files below the module's own directory.
 */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_SANDBOX_H
#define SLUICE_OFFLOAD_HOST_MODULE_SANDBOX_H

#include "offload/host/module_description.h"

/* Make the module's directory, if it is not there, for the user of the sandbox. Returns 0 or a negative errno. */
int module_sandbox_make_directory(
	const struct module_description *description, struct error *error);

/* As sandbox_enter; and look whether the user of the sandbox can use the directory. */
int module_sandbox_enter(const struct module_description *description, struct error *error);

#endif
