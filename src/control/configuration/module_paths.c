#include "control/configuration/module_paths.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUILT_AS "/src/control/sluiced" /* below a build directory */

/* The build directory that this program is run from; false if it is not. */
static bool find_build(char path[PATH_MAX])
{
	ssize_t count = readlink("/proc/self/exe", path, PATH_MAX - 1);
	size_t length = count < 0 ? 0 : (size_t)count, tail = strlen(BUILT_AS);

	path[length] = '\0';
	if (length <= tail || strcmp(path + length - tail, BUILT_AS) != 0)
		return false;
	path[length - tail] = '\0';
	return true;
}

bool module_paths_program(char path[PATH_MAX])
{
	char build[PATH_MAX];

	if (find_build(build))
		return snprintf(path, PATH_MAX, "%s/src/offload/host/sluice-module", build) <
		       PATH_MAX;
	return snprintf(path, PATH_MAX, "%s/sluice-module", SLUICE_LIBEXEC_DIRECTORY) < PATH_MAX;
}

bool module_paths_library(const char *name, char path[PATH_MAX])
{
	char build[PATH_MAX];

	if (find_build(build))
		return snprintf(path, PATH_MAX, "%s/src/offload/modules/%s/%s.so", build, name,
			       name) < PATH_MAX;
	return snprintf(path, PATH_MAX, "%s/modules/%s.so", SLUICE_LIBEXEC_DIRECTORY, name) <
	       PATH_MAX;
}
