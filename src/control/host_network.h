/* This host's agent and its vNICs, from the configuration. */
#ifndef SLUICE_CONTROL_HOST_NETWORK_H
#define SLUICE_CONTROL_HOST_NETWORK_H

#include "control/configuration.h"
#include "gatekeeper/agent.h"

/*
 * Start the agent, and add every vNIC; one that cannot be added is logged and left out.
 *
 * @agent: receives the agent, or NULL if the configuration has no network
 * Returns 0 or a negative errno with the reason in `error`.
 */
int host_network_start(
	const struct configuration *configuration, struct agent **agent, struct error *error);

#endif
