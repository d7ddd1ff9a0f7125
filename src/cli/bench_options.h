/* The command line of `sluice bench disk`. */
#ifndef SLUICE_CLI_BENCH_OPTIONS_H
#define SLUICE_CLI_BENCH_OPTIONS_H

#include <stdbool.h>

#include "cli/workload.h"

struct bench_options {
	struct workload_config workload;
	bool may_write; /* what is on the disk is lost */
	bool is_json;
	bool wants_histogram;
};

/* Defaults, and over them the arguments. A mistake in them, and --help, end the program. */
void bench_options_parse(int argc, char **argv, struct bench_options *options);

#endif
