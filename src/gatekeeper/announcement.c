#include "gatekeeper/announcement.h"

#include <math.h>

#include "gatekeeper/rate_limit.h"

#define CHANGE 0.02 /* of a limit: well within the link's headroom, were all off by as much */

/* Two may be lost in a row. */
#define REPEAT_NS (RATE_LIMIT_HOLDS_NS / 3)

static bool is_news(const struct announcement *announcement, double allowed, uint64_t now_ns)
{
	bool is_limited = announcement->told > 0 && !isinf(announcement->told);

	if (isinf(allowed) || !is_limited)
		return is_limited || !isinf(allowed);
	return fabs(allowed - announcement->told) > CHANGE * announcement->told ||
	       now_ns - announcement->told_ns >= REPEAT_NS;
}

bool announcement_is_due(struct announcement *announcement, double allowed, uint64_t now_ns)
{
	if (!is_news(announcement, allowed, now_ns))
		return false;
	*announcement = (struct announcement){.told = allowed, .told_ns = now_ns};
	return true;
}
