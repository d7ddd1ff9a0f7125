/* What a module's process must not be able to do, by name. */
#ifndef SLUICE_TESTS_ATTEMPTS_H
#define SLUICE_TESTS_ATTEMPTS_H

#include <stddef.h>

struct attempt {
	const char *name;
	int (*run)(void); /* returns 0 if it could be done, or an errno; or ends the process */
};

/* Ends with a NULL name. */
extern const struct attempt attempts[];

const struct attempt *attempt_find(const char *name);

#endif
