#include "control/socket/run_directory.h"

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
	const char *chosen = getenv("SLUICE_RUN_DIRECTORY");
	const char *user = getenv("XDG_RUNTIME_DIR");

	if (chosen && *chosen == '/')
		return chosen;
	if (geteuid() == 0)
		return "/run/sluice";
	if (user && *user == '/')
		snprintf(path, sizeof path, "%s/sluice", user);
	else
		snprintf(path, sizeof path, "/run/user/%u/sluice", (unsigned)geteuid());
	return path;
}

static int make(const char *path, struct error *error)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return 0;
	return error_set(error, -errno,
		"cannot make the directory %s for sockets: %s; make it, or set XDG_RUNTIME_DIR",
		path, strerror(errno));
}

int run_directory_make(struct error *error)
{
	return make(run_directory(), error);
}

void run_directory_vms(char *path, size_t size)
{
	snprintf(path, size, "%s/vms", run_directory());
}

int run_directory_make_for_vms(struct error *error)
{
	char path[PATH_MAX];
	int result = run_directory_make(error);

	run_directory_vms(path, sizeof path);
	return result < 0 ? result : make(path, error);
}

void run_directory_vm_socket(const char *name, char *path, size_t size)
{
	snprintf(path, size, "%s/vms/%s.sock", run_directory(), name);
}

const char *run_directory_control_socket(void)
{
	static char path[PATH_MAX + sizeof "/control.sock"];

	snprintf(path, sizeof path, "%s/control.sock", run_directory());
	return path;
}
