/* This host's agent and its vNICs, from the configuration. */
#ifndef SLUICE_CONTROL_HOST_NETWORK_H
#define SLUICE_CONTROL_HOST_NETWORK_H

#include "cluster/cluster.h"
#include "control/configuration.h"
#include "gatekeeper/agent.h"

/*
 * Start the agent, and add every vNIC; one that cannot be added is logged and left out.
 *
 * @agent: receives the agent, or NULL if the configuration has no network
 * @cluster: receives what tells it of other hosts, or NULL if the configuration does
 * Returns 0 or a negative errno with the reason in `error`; what has been started is to be stopped, still.
 */
int host_network_start(const struct configuration *configuration, struct agent **agent,
	struct cluster **cluster, struct error *error);

/* Stop what is not NULL. What is enforced, and what others know of us, stays so for a successor. */
void host_network_stop(struct agent *agent, struct cluster *cluster);

#endif
