#include "cli/program_path.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUILT_AS "/src/cli/sluice" /* below a build directory, which is in the source tree */

void program_path_own(char path[PATH_MAX])
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

	path[length < 0 ? 0 : length] = '\0';
}

bool program_path_build(char path[PATH_MAX])
{
	size_t length, tail = strlen(BUILT_AS);

	program_path_own(path);
	length = strlen(path);
	if (length <= tail || strcmp(path + length - tail, BUILT_AS) != 0)
		return false;
	path[length - tail] = '\0';
	return true;
}

bool program_path_join(char path[PATH_MAX], const char *directory, const char *name)
{
	return snprintf(path, PATH_MAX, "%s%s", directory, name) < PATH_MAX;
}
