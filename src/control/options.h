/* The command line of sluiced. */
#ifndef SLUICE_CONTROL_OPTIONS_H
#define SLUICE_CONTROL_OPTIONS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/log.h"

struct options {
	const char *config;  /* file; NULL with --blk-file */
	const char *control; /* socket; NULL: from the configuration, or the default */
	bool is_check, is_capabilities, is_version, is_help;
	/* One disk without a configuration file, as QEMU's vhost-user conventions have it. */
	const char *blk_file;
	const char *socket_path;
	int fd; /* -1: none */
	bool is_read_only;
	enum log_level log_level;
};

/* Returns 0, or -EINVAL with the reason in `error`. */
int options_parse(int argc, char **argv, struct options *options, struct error *error);

extern const char options_help[];

#endif
