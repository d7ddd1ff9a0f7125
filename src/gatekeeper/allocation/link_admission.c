#include "gatekeeper/allocation/link_admission.h"

#include <errno.h>

#define MBIT 125e3 /* bytes per second */

static int check_direction(
	const char *direction, double promised, double available, struct error *error)
{
	if (promised <= available)
		return 0;
	return error_set(error, -ENOSPC,
		"the 'min' of all '%s' add up to %.0f Mbit, and the link has %.0f to give; lower "
		"them by %.0f Mbit",
		direction, promised / MBIT, available / MBIT, (promised - available) / MBIT);
}

int link_admission_check(
	const struct link_promises *promised, double available, struct error *error)
{
	int result = check_direction("send", promised->send, available, error);

	return result ? result : check_direction("receive", promised->receive, available, error);
}
