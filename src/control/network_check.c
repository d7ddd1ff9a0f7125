#include "control/network_check.h"

#include <stdlib.h>
#include <string.h>

#include "control/claims.h"
#include "control/cluster_values.h"
#include "control/network_values.h"
#include "gatekeeper/link_admission.h"

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

static void check_netdev(const struct configuration *configuration, const char *netdev,
	const char *parent, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	if (!configuration->network || strcmp(configuration->network->uplink, netdev) != 0)
		return;
	path_key(path, parent, "netdev");
	problems_add(problems, path, "'%s' is the uplink; a vNIC has a netdev of its own", netdev);
}

static struct link_promises check_nics(
	const struct configuration *configuration, struct problems *problems)
{
	struct link_promises promised = {0};
	struct claims names, netdevs;
	struct nic_config config;
	char path[PROBLEM_PATH_BYTES];

	if (claims_init(&names, configuration->nics_count) < 0)
		return promised;
	if (claims_init(&netdevs, configuration->nics_count) < 0)
		goto out;
	for (unsigned i = 0; i < configuration->nics_count; i++) {
		path_index(path, "nics", i);
		values_of_nic(&configuration->nics[i], path, &config, problems);
		check_netdev(configuration, config.netdev, path, problems);
		claims_add(&names, i, "%s", config.name);
		claims_add(&netdevs, i, "%s", config.netdev);
		promised.send += (double)config.send_min;
		promised.receive += config.receive.min;
	}
	claims_report(&names, "nics", "name", "choose another name", problems);
	claims_report(&netdevs, "nics", "netdev", "a netdev is one vNIC's", problems);
	claims_free(&netdevs);
out:
	claims_free(&names);
	return promised;
}

void network_check(const struct configuration *configuration, struct problems *problems)
{
	struct link_promises promised = check_nics(configuration, problems);
	struct agent_config config;
	double available;
	struct error error;

	if (!configuration->network) {
		if (configuration->nics_count)
			problems_add(problems, "nics",
				"there is no 'network'; add one, with this host's 'uplink'");
		return;
	}
	values_of_network(configuration->network, "network", &config, problems);
	check_hosts(configuration->network, problems);
	available = (double)config.link_bytes_per_s * (1 - config.headroom);
	if (!problems->count && link_admission_check(&promised, available, &error) < 0)
		problems_add(problems, "nics", "%s", error.message);
}
