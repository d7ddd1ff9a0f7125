#include "gatekeeper/appetite.h"

#include <math.h>
#include <stdbool.h>

#define HUNGRY 0.9	  /* who uses this part of a limit is held back by it */
#define MARGIN 1.02	  /* set aside, times what is used: measuring is noisy */
#define ROOM_TO_GROW 1.25 /* allowed, times what is used; must be more than 1 / HUNGRY */
#define PATIENCE (3. / 4) /* of what was set aside stays so for another period */

void appetite_init(struct appetite *appetite)
{
	for (unsigned i = 0; i < APPETITE_LAG; i++)
		appetite->allowed[i] = INFINITY;
	appetite->share = 0;
}

static double lowest_in_force(const struct appetite *appetite)
{
	double lowest = appetite->allowed[0];

	for (unsigned i = 1; i < APPETITE_LAG; i++)
		lowest = fmin(lowest, appetite->allowed[i]);
	return lowest;
}

double appetite_want(const struct appetite *appetite, double used)
{
	if (used >= HUNGRY * lowest_in_force(appetite))
		return INFINITY;
	return fmax(used * MARGIN, appetite->share * PATIENCE);
}

static void note(struct appetite *appetite, double share, double allowed)
{
	for (unsigned i = APPETITE_LAG - 1; i > 0; i--)
		appetite->allowed[i] = appetite->allowed[i - 1];
	appetite->allowed[0] = allowed;
	appetite->share = share;
}

double appetite_serve(
	struct appetite *appetite, double want, double share, double used, double least)
{
	bool is_full = !isinf(want) && share >= used;
	double allowed = fmax(share, fmax(is_full ? used * ROOM_TO_GROW : 0, least));

	note(appetite, share, allowed);
	return allowed;
}

void appetite_release(struct appetite *appetite)
{
	note(appetite, 0, INFINITY);
}

void appetite_correct(struct appetite *appetite, double told)
{
	appetite->allowed[0] = told;
}
