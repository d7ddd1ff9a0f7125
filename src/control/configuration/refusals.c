#include "control/configuration/refusals.h"

#include <stdio.h>
#include <string.h>

void refuse(struct refusals *refusals, const char *kind, const char *name, const char *why)
{
	if (refusals->used < sizeof refusals->text)
		refusals->used += (size_t)snprintf(refusals->text + refusals->used,
			sizeof refusals->text - refusals->used, "%s%s '%s': %s",
			refusals->used ? "; " : "", kind, name, why);
}

bool is_same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}
