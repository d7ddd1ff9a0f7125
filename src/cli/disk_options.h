/* The options of `disk add` and `disk set`, as parameters of the control protocol. */
#ifndef SLUICE_CLI_DISK_OPTIONS_H
#define SLUICE_CLI_DISK_OPTIONS_H

#include <jansson.h>

/*
 * Read NAME and options; argv[0] is the command's name.
 * Returns the parameters, a new reference; NULL if the command line made no sense (and was
 * complained about).
 */
json_t *disk_options_parse(int argc, char **argv);

#endif
