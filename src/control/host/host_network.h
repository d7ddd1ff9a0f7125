/* This host's agent, from the configuration; host.h has its vNICs. */
#ifndef SLUICE_CONTROL_HOST_HOST_NETWORK_H
#define SLUICE_CONTROL_HOST_HOST_NETWORK_H

#include "cluster/cluster.h"
#include "control/configuration/configuration.h"
#include "gatekeeper/agent.h"

/*
 * Start the agent.
 *
 * @agent: receives the agent, or NULL if the configuration has no network
 * @cluster: receives what tells it of other hosts, or NULL if the configuration does
 * Returns 0 or a negative errno with the reason in `error`; what has been started is to be stopped, still.
 */
int host_network_start(const struct configuration *configuration, struct agent **agent,
	struct cluster **cluster, struct error *error);

/*
 * Stop what is not NULL.
 *
 * @is_final: undo what is enforced, and tell others that we are gone; otherwise both stays for a successor
 */
void host_network_stop(struct agent *agent, struct cluster *cluster, bool is_final);

#endif
