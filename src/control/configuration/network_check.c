#include "control/configuration/network_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "control/configuration/claims.h"
#include "control/configuration/cluster_values.h"
#include "control/configuration/device_values.h"
#include "control/configuration/network_values.h"
#include "control/configuration/references.h"
#include "control/socket/run_directory.h"
#include "gatekeeper/allocation/link_admission.h"

static void check_etcd(const struct network_settings *settings, struct problems *problems)
{
	struct cluster_config *config = calloc(1, sizeof *config);

	if (config)
		values_of_cluster(settings, "network", config, problems);
	free(config);
}

static void check_list(const struct network_settings *settings, struct problems *problems)
{
	struct directory *directory = directory_create();
	struct sockaddr_in6 own;

	if (!directory)
		return;
	values_of_hosts(settings, "network", directory, &own, problems);
	directory_destroy(directory);
}

/* Hosts are listed or found, not both. */
static void check_hosts(const struct network_settings *settings, struct problems *problems)
{
	if (settings->etcd && settings->hosts)
		problems_add(problems, "network",
			"there are 'hosts' and 'etcd'; on a fleet, leave 'hosts' to etcd: remove "
			"them");
	else if (settings->etcd)
		check_etcd(settings, problems);
	else if (!settings->hosts)
		problems_add(problems, "network",
			"'hosts' is missing; list the cluster's hosts there, or say with 'etcd' "
			"where "
			"they are found");
	else if (settings->address)
		problems_add(problems, "network.address",
			"goes with 'etcd' only; 'hosts' has this host's address already: remove "
			"it");
	else
		check_list(settings, problems);
}

/* What only one vNIC may have. */
struct nic_claims {
	struct claims names, netdevs, addresses, sockets;
};

static int nic_claims_init(struct nic_claims *claims, unsigned nics)
{
	memset(claims, 0, sizeof *claims);
	return claims_init(&claims->names, nics) || claims_init(&claims->netdevs, nics) ||
	       claims_init(&claims->sockets, nics) ||
	       claims_init(&claims->addresses, nics * NIC_ADDRESSES_MAX);
}

static void nic_claims_add(
	struct nic_claims *claims, unsigned index, const struct nic_config *config)
{
	char text[INET6_ADDRSTRLEN];

	claims_add(&claims->names, index, "%s", config->name);
	claims_add(&claims->netdevs, index, "%s", config->netdev);
	/* Those that are nobody's are problems already. */
	for (unsigned i = 0; i < config->address_count; i++)
		if (address_is_somebodys(&config->addresses[i]))
			claims_add(&claims->addresses, index, "%s",
				address_format(&config->addresses[i], text));
}

static void nic_claims_report(struct nic_claims *claims, struct problems *problems)
{
	claims_report(&claims->names, "nics", "name", "choose another name", problems);
	claims_report(&claims->netdevs, "nics", "netdev", "a netdev is one vNIC's", problems);
	claims_report(&claims->sockets, "nics", "device.socket", "choose another path", problems);
	claims_report(
		&claims->addresses, "nics", "addresses", "an address is one vNIC's", problems);
}

static void nic_claims_free(struct nic_claims *claims)
{
	claims_free(&claims->names);
	claims_free(&claims->netdevs);
	claims_free(&claims->sockets);
	claims_free(&claims->addresses);
}

static void check_uplink(const struct configuration *configuration, struct problems *problems)
{
	char entry[PROBLEM_PATH_BYTES], path[PROBLEM_PATH_BYTES];

	for (unsigned i = 0; i < configuration->nics_count; i++) {
		if (strcmp(configuration->nics[i].netdev, configuration->network->uplink) != 0)
			continue;
		path_index(entry, "nics", i);
		path_key(path, entry, "netdev");
		problems_add(problems, path,
			"'%s' is the uplink; a vNIC's is the host's end of it: a tap, a veth",
			configuration->network->uplink);
	}
}

static void check_device(const struct configuration *configuration, unsigned index,
	const char *path, struct nic_claims *claims, struct problems *problems)
{
	const struct nic_settings *settings = &configuration->nics[index];
	struct net_device_config config;
	char below[PROBLEM_PATH_BYTES];

	if (!settings->device)
		return;
	values_of_device(settings, path, run_directory(), &config, problems);
	path_key(below, path, "device");
	reference_of_device(configuration, settings->device, below, problems);
	claims_add(&claims->sockets, index, "%s", config.socket_path);
}

static struct link_promises check_nics(
	const struct configuration *configuration, struct problems *problems)
{
	struct link_promises promised = {0};
	struct nic_claims claims;
	struct nic_config config;
	char path[PROBLEM_PATH_BYTES];

	if (nic_claims_init(&claims, configuration->nics_count) < 0)
		goto out;
	for (unsigned i = 0; i < configuration->nics_count; i++) {
		path_index(path, "nics", i);
		values_of_nic(&configuration->nics[i], path, &config, problems);
		nic_claims_add(&claims, i, &config);
		check_device(configuration, i, path, &claims, problems);
		promised.send += (double)config.send_min;
		promised.receive += config.receive.min;
	}
	nic_claims_report(&claims, problems);
out:
	nic_claims_free(&claims);
	return promised;
}

/* Without a network, a vNIC can be served, but nothing can be promised to it. */
static void check_without_network(
	const struct configuration *configuration, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	for (unsigned i = 0; i < configuration->nics_count; i++) {
		if (!configuration->nics[i].device) {
			problems_add(problems, "nics",
				"there is no 'network'; add one, with this host's 'uplink'");
			return;
		}
		path_index(path, "nics", i);
		if (nic_has_promises(&configuration->nics[i]))
			problems_add(problems, path,
				"'send', 'receive' and 'weight' need a 'network', and there is "
				"none; add one, or remove them");
	}
}

void network_check(const struct configuration *configuration, struct problems *problems)
{
	struct link_promises promised = check_nics(configuration, problems);
	struct agent_config config;
	double available;
	struct error error;

	if (!configuration->network) {
		check_without_network(configuration, problems);
		return;
	}
	values_of_network(configuration->network, "network", &config, problems);
	check_hosts(configuration->network, problems);
	check_uplink(configuration, problems);
	available = (double)config.link_bytes_per_s * (1 - config.headroom);
	if (!problems->count && link_admission_check(&promised, available, &error) < 0)
		problems_add(problems, "nics", "%s", error.message);
}
