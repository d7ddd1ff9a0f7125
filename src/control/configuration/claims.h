/* Things that only one entry of a list may have: a name, a socket, an image. */
#ifndef SLUICE_CONTROL_CONFIGURATION_CLAIMS_H
#define SLUICE_CONTROL_CONFIGURATION_CLAIMS_H

#include "control/configuration/problems.h"

struct claim {
	char *text;
	unsigned index;
};

struct claims {
	struct claim *claims;
	unsigned count;
};

/* Returns 0 or -ENOMEM. */
int claims_init(struct claims *claims, unsigned capacity);
void claims_free(struct claims *claims);

/* Entry `index` claims a thing (formatted); never more than `capacity` times. */
void claims_add(struct claims *claims, unsigned index, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Report each claim made before by another entry, at LIST[index].KEY:
 * "'gold.img' is taken by disks[0]; MEND".
 */
void claims_report(struct claims *claims, const char *list, const char *key, const char *mend,
	struct problems *problems);

#endif
