/* Where the other parts of Sluice are: where they were installed, or beside a `sluice` run from its build. */
#ifndef SLUICE_CLI_PROGRAM_PATH_H
#define SLUICE_CLI_PROGRAM_PATH_H

#include <limits.h>
#include <stdbool.h>

/* This program; an empty text if that cannot be told. */
void program_path_own(char path[PATH_MAX]);

/* The build directory that this program is run from; false if it is not. */
bool program_path_build(char path[PATH_MAX]);

/* A path made of two; false if it is too long. */
bool program_path_join(char path[PATH_MAX], const char *directory, const char *name);

#endif
