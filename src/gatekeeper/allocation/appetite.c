#include "gatekeeper/allocation/appetite.h"

#include <math.h>
#include <stdbool.h>

#define HUNGRY 0.9	  /* who uses this part of a limit is held back by it */
#define MARGIN 1.02	  /* set aside, times what is used: measuring is noisy */
#define ROOM_TO_GROW 1.25 /* allowed, times what is used; must be more than 1 / HUNGRY */
#define PATIENCE (1. / 2) /* of what was set aside stays so for another period */
#define PAUSE_PERIODS 3	  /* worth of a limit may be left unused, */
#define PAUSE_GRAINS 1.5  /* and so many packets, without being full */
#define GRAIN_PERIODS \
	4 /* in so many, who is full may send a packet: who returns does not wait long */

void appetite_init(struct appetite *appetite)
{
	for (unsigned i = 0; i < APPETITE_LAG; i++)
		appetite->allowed[i] = INFINITY;
	appetite->share = 0;
	appetite->unused = INFINITY;
}

static double lowest_in_force(const struct appetite *appetite)
{
	double lowest = appetite->allowed[0];

	for (unsigned i = 1; i < APPETITE_LAG; i++)
		lowest = fmin(lowest, appetite->allowed[i]);
	return lowest;
}

static bool is_full(struct appetite *appetite, double used, double grain)
{
	double hungry = HUNGRY * lowest_in_force(appetite);

	if (used >= hungry)
		appetite->unused = 0;
	else
		appetite->unused += hungry - used;
	return appetite->unused > fmax(PAUSE_PERIODS * hungry, PAUSE_GRAINS * grain);
}

double appetite_want(struct appetite *appetite, double used, double grain)
{
	if (!isinf(lowest_in_force(appetite)) && !is_full(appetite, used, grain))
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

double appetite_serve(struct appetite *appetite, double want, double share, double used,
	double least, double grain)
{
	bool is_full = !isinf(want) && share >= used;
	double room = is_full ? fmax(used * ROOM_TO_GROW, grain / GRAIN_PERIODS) : 0;
	double allowed = fmax(share, fmax(room, least));

	note(appetite, share, allowed);
	return allowed;
}

void appetite_release(struct appetite *appetite)
{
	note(appetite, 0, INFINITY);
	appetite->unused = INFINITY;
}

void appetite_correct(struct appetite *appetite, double told)
{
	appetite->allowed[0] = told;
}
