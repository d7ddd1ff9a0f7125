/* How many descriptors this process has open: the same before and after, or something leaks. */
#ifndef SLUICE_TESTS_UNIT_OPEN_DESCRIPTORS_H
#define SLUICE_TESTS_UNIT_OPEN_DESCRIPTORS_H

#include <dirent.h>
#include <unistd.h>

static inline unsigned open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* As many as before; others' threads may take a moment to close theirs. */
#define ASSERT_OPEN_DESCRIPTORS(before)                                               \
	do {                                                                          \
		for (unsigned i = 0; i < 2000 && open_descriptors() != (before); i++) \
			usleep(1000);                                                 \
		assert_int_equal(open_descriptors(), before);                         \
	} while (0)

#endif
