#include "control/run_directory.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *run_directory(void)
{
	static char path[PATH_MAX];
	const char *user = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return "/run/sluice";
	if (user && *user == '/')
		snprintf(path, sizeof path, "%s/sluice", user);
	else
		snprintf(path, sizeof path, "/run/user/%u/sluice", (unsigned)geteuid());
	return path;
}

int run_directory_make(struct error *error)
{
	const char *path = run_directory();

	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	return error_set(error, -errno,
		"cannot make the directory %s for sockets: %s; make it, or set XDG_RUNTIME_DIR",
		path, strerror(errno));
}

const char *run_directory_control_socket(void)
{
	static char path[PATH_MAX + sizeof "/control.sock"];

	snprintf(path, sizeof path, "%s/control.sock", run_directory());
	return path;
}
