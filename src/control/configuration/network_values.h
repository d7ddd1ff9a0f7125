/* What the settings of the network mean; see values.h. */
#ifndef SLUICE_CONTROL_CONFIGURATION_NETWORK_VALUES_H
#define SLUICE_CONTROL_CONFIGURATION_NETWORK_VALUES_H

#include "control/configuration/configuration.h"
#include "gatekeeper/agent.h"

/* The agent, but for its key, which is read when it starts. */
void values_of_network(const struct network_settings *settings, const char *path,
	struct agent_config *config, struct problems *problems);

void values_of_nic(const struct nic_settings *settings, const char *path, struct nic_config *config,
	struct problems *problems);

/*
 * Enter all hosts, and what they serve, into a directory.
 *
 * @own: endpoint of the host that this is, if it is among them
 */
void values_of_hosts(const struct network_settings *settings, const char *path,
	struct directory *directory, struct sockaddr_in6 *own, struct problems *problems);

/* An address, or a problem; for an agent's endpoint, one of IP. */
bool value_address(
	const char *text, const char *path, struct in6_addr *address, struct problems *problems);
bool value_agent_address(
	const char *text, const char *path, struct in6_addr *address, struct problems *problems);

/*
 * Read a cluster's key: 64 hexadecimal digits, in a file that others cannot read. Returns 0 or a
 * negative errno with the reason, and how to make one, in `error`.
 */
int network_read_key(const char *file, uint8_t key[ENVELOPE_KEY_BYTES], struct error *error);

#endif
