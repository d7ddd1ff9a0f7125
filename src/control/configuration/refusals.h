/* What a reload cannot change, collected to be said in one message. */
#ifndef SLUICE_CONTROL_CONFIGURATION_REFUSALS_H
#define SLUICE_CONTROL_CONFIGURATION_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct refusals {
	char text[ERROR_MESSAGE_BYTES - 64];
	size_t used; /* 0: there are none */
};

/* "disk 'gold': pool cannot change" */
void refuse(struct refusals *refusals, const char *kind, const char *name, const char *why);

/* Whether two settings are the same; NULL is "not given". */
bool is_same_text(const char *a, const char *b);

#endif
