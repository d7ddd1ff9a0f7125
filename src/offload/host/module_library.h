/* A module's shared object. */
#ifndef SLUICE_OFFLOAD_HOST_MODULE_LIBRARY_H
#define SLUICE_OFFLOAD_HOST_MODULE_LIBRARY_H

#include "base/error.h"
#include "offload/module.h"

/*
 * Load it, for the life of the process: with all it refers to, since nothing can be loaded in the sandbox. Returns 0 with `*module`, or a
 * negative errno with the reason in `error`: no such file, no module, one for another version, or one that has started threads, which
 * would not be in the sandbox.
 */
int module_library_load(const char *path, const struct sluice_module **module, struct error *error);

#endif
