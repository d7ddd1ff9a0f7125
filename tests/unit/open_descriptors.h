/* How many descriptors this process has open: the same before and after, or something leaks. */
#ifndef SLUICE_TESTS_UNIT_OPEN_DESCRIPTORS_H
#define SLUICE_TESTS_UNIT_OPEN_DESCRIPTORS_H

#include <dirent.h>

static inline unsigned open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

#endif
