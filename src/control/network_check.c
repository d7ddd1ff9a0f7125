#include "control/network_check.h"

#include <stdlib.h>

#include "control/claims.h"
#include "control/cluster_values.h"
#include "control/network_values.h"

/* What all vNICs together are promised, in bytes per second. */
struct promised {
	double send;
	double receive;
};

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

static struct promised check_nics(
	const struct configuration *configuration, struct problems *problems)
{
	struct promised promised = {0};
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

static void check_fits(
	const char *direction, double promised, double available, struct problems *problems)
{
	if (promised > available)
		problems_add(problems, "nics",
			"the 'min' of all '%s' add up to %.0f Mbit, and the link has %.0f to give; "
			"lower them by %.0f Mbit",
			direction, promised / 125e3, available / 125e3,
			(promised - available) / 125e3);
}

void network_check(const struct configuration *configuration, struct problems *problems)
{
	struct promised promised = check_nics(configuration, problems);
	struct agent_config config;
	double available;

	if (!configuration->network) {
		if (configuration->nics_count)
			problems_add(problems, "nics",
				"there is no 'network'; add one, with this host's 'uplink'");
		return;
	}
	values_of_network(configuration->network, "network", &config, problems);
	check_hosts(configuration->network, problems);
	available = (double)config.link_bytes_per_s * (1 - config.headroom);
	if (problems->count)
		return;
	check_fits("send", promised.send, available, problems);
	check_fits("receive", promised.receive, available, problems);
}
