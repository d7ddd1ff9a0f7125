#include "control/configuration/device_values.h"

#include <limits.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <string.h>

#include "control/configuration/refusals.h"
#include "control/configuration/values.h"
#include "gatekeeper/directory.h"

#define MAC_IS_MULTICAST 1u
#define MAC_IS_LOCAL 2u

/* Of everybody's: from the name, so that a guest finds the card that it had. */
static void default_mac(const char *name, uint8_t mac[NET_MAC_BYTES])
{
	uint64_t id = directory_id(name);

	memcpy(mac, &id, NET_MAC_BYTES);
	mac[0] = (uint8_t)((mac[0] & ~MAC_IS_MULTICAST) | MAC_IS_LOCAL);
}

static void value_of_mac(
	const char *text, const char *parent, uint8_t mac[NET_MAC_BYTES], struct problems *problems)
{
	static const uint8_t nobody[NET_MAC_BYTES];
	char path[PROBLEM_PATH_BYTES];
	struct ether_addr address;

	path_key(path, parent, "mac");
	if (!ether_aton_r(text, &address)) {
		problems_add(problems, path,
			"'%s' is not a hardware address; write it like 52:54:00:12:34:56", text);
		return;
	}
	memcpy(mac, address.ether_addr_octet, NET_MAC_BYTES);
	if (mac[0] & MAC_IS_MULTICAST || memcmp(mac, nobody, NET_MAC_BYTES) == 0)
		problems_add(problems, path, "'%s' is no single card's address", text);
}

static void value_of_socket(const struct nic_settings *nic, const char *parent,
	const char *run_directory, struct net_device_config *config, struct problems *problems)
{
	const char *given = nic->device->socket;
	char usual[PATH_MAX], path[PROBLEM_PATH_BYTES];

	path_key(path, parent, "socket");
	if (given && *given != '/') {
		problems_add(
			problems, path, "'%s' is relative; write the whole path, from /", given);
		return;
	}
	/* Not NAME.sock, which is a disk's of that name. */
	snprintf(usual, sizeof usual, "%s/%s.nic.sock", run_directory, nic->name);
	value_text(config->socket_path, sizeof config->socket_path, given ? given : usual, parent,
		"socket", problems);
}

/* What a number may be; it stays as it is if it is not given. */
struct range {
	const char *key;
	unsigned least, most;
};

static void value_within(const struct range *range, const uint32_t *given, const char *parent,
	unsigned *value, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	if (!given)
		return;
	*value = *given;
	path_key(path, parent, range->key);
	if (*given < range->least || *given > range->most)
		problems_add(problems, path, "%u is out of range; it must be from %u to %u", *given,
			range->least, range->most);
}

void values_of_device(const struct nic_settings *nic, const char *path, const char *run_directory,
	struct net_device_config *config, struct problems *problems)
{
	static const struct range queues = {"queues", 1, NET_PAIRS_MAX};
	static const struct range mtu = {"mtu", NET_MTU_MIN, NET_MTU_MAX};
	const struct device_settings *device = nic->device;
	char below[PROBLEM_PATH_BYTES];

	*config = (struct net_device_config){.state_directory = run_directory, .pair_count = 1};
	value_name(config->name, sizeof config->name, nic->name, path, problems);
	value_text(config->netdev, sizeof config->netdev, nic->netdev, path, "netdev", problems);
	path_key(below, path, "device");
	value_of_socket(nic, below, run_directory, config, problems);
	value_within(&queues, device->queues, below, &config->pair_count, problems);
	value_within(&mtu, device->mtu, below, &config->mtu, problems);
	default_mac(nic->name, config->mac);
	if (device->mac)
		value_of_mac(device->mac, below, config->mac, problems);
}

static bool is_same_number(const uint32_t *a, const uint32_t *b)
{
	return a && b ? *a == *b : a == b;
}

bool device_is_same(const struct device_settings *a, const struct device_settings *b)
{
	if (!a || !b)
		return a == b;
	return is_same_text(a->sidecore, b->sidecore) && is_same_text(a->socket, b->socket) &&
	       is_same_text(a->mac, b->mac) && is_same_number(a->queues, b->queues) &&
	       is_same_number(a->mtu, b->mtu);
}

bool nic_has_promises(const struct nic_settings *nic)
{
	return nic->send || nic->receive || nic->weight;
}
