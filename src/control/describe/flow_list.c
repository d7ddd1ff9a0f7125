#include "control/describe/flow_list.h"

#include <stdlib.h>

#include "base/address.h"

static int compare_rates(const void *a, const void *b)
{
	const struct nic_traffic *one = &((const struct nic_flow *)a)->traffic;
	const struct nic_traffic *other = &((const struct nic_flow *)b)->traffic;

	if (one->used == other->used)
		return (one->bytes < other->bytes) - (one->bytes > other->bytes);
	return one->used < other->used ? 1 : -1;
}

void flow_list_sort(struct nic_status *nic)
{
	if (nic->flow_count)
		qsort(nic->flows, nic->flow_count, sizeof *nic->flows, compare_rates);
}

const char *flow_peer(const struct nic_flow *flow, char text[INET6_ADDRSTRLEN])
{
	if (*flow->peer)
		return flow->peer;
	if (IN6_IS_ADDR_UNSPECIFIED(&flow->address))
		return "outside";
	return address_format(&flow->address, text);
}

const char *flow_direction(const struct nic_flow *flow)
{
	return flow->direction == VNIC_SENDS ? "send" : "receive";
}
