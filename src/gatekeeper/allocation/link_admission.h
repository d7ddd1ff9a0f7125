/*
 * Whether a host's link can keep all minimums at once: in each direction their sum must fit. Pure logic;
 * all in bytes per second.
 */
#ifndef SLUICE_GATEKEEPER_ALLOCATION_LINK_ADMISSION_H
#define SLUICE_GATEKEEPER_ALLOCATION_LINK_ADMISSION_H

#include "base/error.h"

/* What vNICs are promised together; starts as zeroes. */
struct link_promises {
	double send;
	double receive;
};

/*
 * @available: what the link gives away, each way
 * Returns 0, or -ENOSPC with the direction and what is missing in `error`.
 */
int link_admission_check(
	const struct link_promises *promised, double available, struct error *error);

#endif
