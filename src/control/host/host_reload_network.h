/* The network's part of a reload; see host_reload.c. */
#ifndef SLUICE_CONTROL_HOST_HOST_RELOAD_NETWORK_H
#define SLUICE_CONTROL_HOST_HOST_RELOAD_NETWORK_H

#include "control/configuration/refusals.h"
#include "control/host/host.h"

/* Refuse what only a restart can change. */
void compare_network(
	const struct host *host, const struct configuration *next, struct refusals *refusals);

/*
 * Apply the rest: who is where, then vNICs go, change and come. What is taken over leaves `next`.
 * Returns 0 or a negative errno with `error` set.
 */
int apply_network(struct host *host, struct configuration *next, struct error *error);

#endif
