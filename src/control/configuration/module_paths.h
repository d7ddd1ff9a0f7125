/* Where the parts of a module's process are: where they were installed, or beside a `sluiced` run from its build. */
#ifndef SLUICE_CONTROL_CONFIGURATION_MODULE_PATHS_H
#define SLUICE_CONTROL_CONFIGURATION_MODULE_PATHS_H

#include <limits.h>
#include <stdbool.h>

/* The program sluice-module. False if that is too long a path. */
bool module_paths_program(char path[PATH_MAX]);

/* The shared object of a module that comes with Sluice. False if that is too long a path. */
bool module_paths_library(const char *name, char path[PATH_MAX]);

#endif
