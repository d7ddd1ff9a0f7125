/* The pairs of a vNIC, for those who show them. */
#ifndef SLUICE_CONTROL_DESCRIBE_FLOW_LIST_H
#define SLUICE_CONTROL_DESCRIBE_FLOW_LIST_H

#include "gatekeeper/agent_status.h"

/* Bring them into order, the busiest first. */
void flow_list_sort(struct nic_status *nic);

/* Who the peer is: its name, or its address, or "outside". Writes into `text`, or not; returns it. */
const char *flow_peer(const struct nic_flow *flow, char text[INET6_ADDRSTRLEN]);

/* "traffic goes out": "send" or "receive". */
const char *flow_direction(const struct nic_flow *flow);

#endif
