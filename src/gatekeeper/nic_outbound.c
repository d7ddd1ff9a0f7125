#include "gatekeeper/nic_outbound.h"

#include <math.h>

int nic_outbound_init(struct nic_outbound *outbound, double most, double grain)
{
	const struct inbound_promise all = {.max = INFINITY, .weight = 1};

	inbound_init(&outbound->division, most, 0, grain);
	outbound->ceil = most;
	return inbound_add_nic(&outbound->division, &outbound->nic, &all);
}

void nic_outbound_destroy(struct nic_outbound *outbound)
{
	inbound_destroy(&outbound->division);
}

void nic_outbound_set(struct nic_outbound *outbound, double most)
{
	inbound_set_link(&outbound->division, most, 0);
	outbound->ceil = most;
}

static bool has_neighbours(const struct nic_peers *destinations)
{
	const struct nic_peer *peer = NULL;

	while ((peer = nic_peers_next(destinations, peer)))
		if (nic_peers_is_near(destinations, peer))
			return true;
	return false;
}

/* What is left for those who are no neighbours. */
static double sum_of_others(const struct nic_peers *destinations)
{
	const struct nic_peer *peer = NULL;
	double sum = 0;

	while ((peer = nic_peers_next(destinations, peer)))
		if (!nic_peers_is_near(destinations, peer))
			sum += peer->pair.allowed;
	return sum;
}

void nic_outbound_divide(struct nic_outbound *outbound, const struct nic_peers *destinations)
{
	double most = outbound->division.capacity;

	outbound->ceil = most;
	if (isinf(most) || !has_neighbours(destinations))
		return;
	inbound_divide(&outbound->division);
	/* Who is not there yet must be seen when it comes. */
	if (outbound->division.is_contended)
		outbound->ceil = fmin(most, fmax(sum_of_others(destinations), most / 100));
}
