/* An empty directory for notes about netdevs, of the test's own. */
#ifndef SLUICE_TESTS_STATE_DIRECTORY_H
#define SLUICE_TESTS_STATE_DIRECTORY_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char state_directory[] = "/tmp/sluice-notes-XXXXXX";

static inline int make_state_directory(void **state)
{
	return mkdtemp(state_directory) ? 0 : -1;
}

/* It must be empty by now. */
static inline int remove_state_directory(void **state)
{
	return rmdir(state_directory);
}

#endif
