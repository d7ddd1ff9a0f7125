#include "cluster/outage.h"

#include <sodium.h>

#define DOUBLINGS_MAX 5u

/* Some after one, others after two: a fleet that is cut off together does not come back together. */
static uint64_t pause_ns(const struct outage *outage)
{
	unsigned rounds = (outage->failures - 1) / outage->members;
	uint64_t pause_ns_max = OUTAGE_PAUSE_NS_MIN
				<< (rounds < DOUBLINGS_MAX ? rounds : DOUBLINGS_MAX);

	if (pause_ns_max > OUTAGE_PAUSE_NS_MAX)
		pause_ns_max = OUTAGE_PAUSE_NS_MAX;
	return pause_ns_max / 2 + randombytes_uniform((uint32_t)(pause_ns_max / 2));
}

static bool may_be_election(const struct outage *outage, uint64_t now_ns)
{
	return outage->has_been_served && now_ns - outage->began_ns < OUTAGE_ELECTION_NS_MAX;
}

bool outage_note_failure(struct outage *outage, uint64_t now_ns)
{
	bool was_away = outage->is_away;

	if (!outage->failures++)
		outage->began_ns = now_ns;
	if (outage->failures >= outage->members && !may_be_election(outage, now_ns))
		outage->is_away = true;
	outage->retry_ns = now_ns + pause_ns(outage);
	return outage->is_away && !was_away;
}

void outage_note_success(struct outage *outage)
{
	outage->has_been_served = true;
	outage->is_away = false;
	outage->failures = 0;
}
