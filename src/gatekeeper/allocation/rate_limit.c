#include "gatekeeper/allocation/rate_limit.h"

#include <math.h>

void rate_limit_tell(struct rate_limit *limit, double bytes_per_s, uint64_t now_ns)
{
	limit->bytes_per_s = bytes_per_s;
	limit->told_ns = now_ns;
}

double rate_limit_at(const struct rate_limit *limit, double most_bytes_per_s, uint64_t now_ns)
{
	uint64_t age_ns = now_ns > limit->told_ns ? now_ns - limit->told_ns : 0;
	double grown = limit->bytes_per_s;

	if (age_ns > RATE_LIMIT_HOLDS_NS)
		grown *= exp2((double)(age_ns - RATE_LIMIT_HOLDS_NS) / RATE_LIMIT_DOUBLES_NS);
	return grown < most_bytes_per_s ? grown : INFINITY;
}
