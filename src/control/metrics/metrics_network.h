/* What this host tells Prometheus about its network. */
#ifndef SLUICE_CONTROL_METRICS_METRICS_NETWORK_H
#define SLUICE_CONTROL_METRICS_METRICS_NETWORK_H

#include <stdio.h>

#include "cluster/cluster.h"
#include "gatekeeper/agent_status.h"

/* @status: the pairs of its vNICs are brought into another order */
void metrics_write_network(FILE *to, struct agent_status *status);

/* Of a host that finds others in etcd. */
void metrics_write_cluster(FILE *to, const struct cluster_status *status);

#endif
