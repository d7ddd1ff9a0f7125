/* Options of commands that look again and again: --interval and --count. */
#ifndef SLUICE_CLI_WATCH_OPTIONS_H
#define SLUICE_CLI_WATCH_OPTIONS_H

#include <stdint.h>

struct watch_options {
	uint64_t interval_ns; /* 10 ms to 1 h */
	unsigned long count;  /* of looks, above 0; ULONG_MAX: until somebody stops it */
};

/*
 * Read them, in place of what `options` has so far; other arguments are moved to the end, and begin at optind.
 *
 * @argv: argv[0] is the command's name
 * Returns 0, or EXIT_USAGE after having complained.
 */
int watch_options_parse(int argc, char **argv, struct watch_options *options);

#endif
