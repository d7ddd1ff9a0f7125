#include "gatekeeper/allocation/announcement.h"

#include <math.h>

#include "base/clock.h"
#include "gatekeeper/allocation/rate_limit.h"

/* Parts of a limit. Were all limits off by the small one, the link's headroom would still do. */
#define LARGE_CHANGE 0.1
#define SMALL_CHANGE 0.02
#define GATHER_NS (50 * NS_PER_MS) /* what nobody waits for, for so long */

#define REPEAT_FIRST_NS (20 * NS_PER_MS)
#define REPEAT_LAST_NS (RATE_LIMIT_HOLDS_NS / 5) /* four in a row may be lost */

double announcement_told(const struct announcement *announcement)
{
	return announcement->told > 0 ? announcement->told : INFINITY;
}

static bool has_changed(const struct announcement *announcement, double allowed, double part)
{
	double told = announcement_told(announcement);

	if (isinf(allowed) || isinf(told))
		return isinf(allowed) != isinf(told);
	return fabs(allowed - told) > part * told;
}

static void tell(
	struct announcement *announcement, double allowed, uint64_t now_ns, uint64_t repeat_ns)
{
	if (repeat_ns < REPEAT_FIRST_NS)
		repeat_ns = REPEAT_FIRST_NS;
	*announcement = (struct announcement){
		.told = allowed,
		.told_ns = now_ns,
		.repeat_ns = repeat_ns < REPEAT_LAST_NS ? repeat_ns : REPEAT_LAST_NS,
	};
}

static bool is_over(const struct announcement *announcement)
{
	return isinf(announcement_told(announcement)) &&
	       (!announcement->repeat_ns || announcement->repeat_ns == REPEAT_LAST_NS);
}

static bool is_urgent(const struct announcement *announcement, double allowed, double used)
{
	return has_changed(announcement, allowed, LARGE_CHANGE) &&
	       (allowed > announcement_told(announcement) || allowed < used);
}

bool announcement_is_due(
	struct announcement *announcement, double allowed, double used, uint64_t now_ns)
{
	uint64_t age_ns = now_ns - announcement->told_ns;

	if (is_urgent(announcement, allowed, used))
		tell(announcement, allowed, now_ns, REPEAT_FIRST_NS);
	else if (has_changed(announcement, allowed, SMALL_CHANGE) && age_ns >= GATHER_NS)
		tell(announcement, allowed, now_ns, 2 * announcement->repeat_ns);
	else if (!is_over(announcement) && age_ns >= announcement->repeat_ns)
		tell(announcement, allowed, now_ns, 2 * announcement->repeat_ns);
	else
		return false;
	return true;
}
