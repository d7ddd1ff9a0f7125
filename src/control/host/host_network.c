#include "control/host/host_network.h"

#include <errno.h>
#include <stdlib.h>

#include "control/configuration/cluster_values.h"
#include "control/configuration/network_values.h"
#include "control/socket/run_directory.h"

/* The configuration has been checked, so there are no problems to be seen. */
static int start_agent(const struct network_settings *settings,
	const struct cluster_config *cluster, struct agent **agent, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct directory *directory = directory_create();
	struct agent_config config;
	int result = -ENOMEM;

	if (!problems || !directory) {
		error_set(error, result, "no memory for the network");
		goto fail;
	}
	values_of_network(settings, "", &config, problems);
	config.state_directory = run_directory();
	if (cluster)
		config.listen = cluster->host.host.endpoint;
	else
		values_of_hosts(settings, "", directory, &config.listen, problems);
	result = network_read_key(settings->key, config.key, error);
	if (result < 0)
		goto fail;
	free(problems);
	return agent_start(&config, directory, agent, error);

fail:
	if (directory)
		directory_destroy(directory);
	free(problems);
	return result;
}

/* On a fleet: the agent of this host, and what tells it of others. */
static int start_in_cluster(const struct network_settings *settings, struct agent **agent,
	struct cluster **cluster, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct cluster_config *config = calloc(1, sizeof *config);
	struct agent_config link;
	int result = -ENOMEM;

	if (!problems || !config) {
		error_set(error, result, "no memory for the network");
		goto out;
	}
	values_of_cluster(settings, "", config, problems);
	values_of_network(settings, "", &link, problems);
	config->host.link_bytes_per_s = link.link_bytes_per_s;
	result = start_agent(settings, config, agent, error);
	if (result == 0)
		result = cluster_start(config, *agent, cluster, error);
out:
	free(config);
	free(problems);
	return result;
}

int host_network_start(const struct configuration *configuration, struct agent **agent,
	struct cluster **cluster, struct error *error)
{
	const struct network_settings *settings = configuration->network;

	*agent = NULL;
	*cluster = NULL;
	if (!settings)
		return 0;
	return settings->etcd ? start_in_cluster(settings, agent, cluster, error)
			      : start_agent(settings, NULL, agent, error);
}

void host_network_stop(struct agent *agent, struct cluster *cluster, bool is_final)
{
	if (cluster)
		cluster_stop(cluster, is_final);
	if (agent)
		agent_stop(agent, is_final);
}
