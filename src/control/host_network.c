#include "control/host_network.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "control/network_values.h"
#include "control/run_directory.h"

/* The configuration has been checked, so there are no problems to be seen. */
static int start_agent(
	const struct network_settings *settings, struct agent **agent, struct error *error)
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

static void add_nic(
	struct agent *agent, const struct nic_settings *settings, struct problems *problems)
{
	struct nic_config config;
	struct error error;

	values_of_nic(settings, "", &config, problems);
	if (agent_add_nic(agent, &config, &error) < 0)
		log_error("%s", error.message);
}

int host_network_start(
	const struct configuration *configuration, struct agent **agent, struct error *error)
{
	struct problems *problems;
	int result;

	*agent = NULL;
	if (!configuration->network)
		return 0;
	result = start_agent(configuration->network, agent, error);
	if (result < 0)
		return result;
	problems = calloc(1, sizeof *problems);
	for (unsigned i = 0; problems && i < configuration->nics_count; i++)
		add_nic(*agent, &configuration->nics[i], problems);
	free(problems);
	return 0;
}
