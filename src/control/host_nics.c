#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/host.h"
#include "control/network_values.h"

/* The numbers that the agent wants; -EINVAL if they make no sense. */
static int understand(const struct host *host, const struct nic_settings *settings,
	struct nic_config *config, struct error *error)
{
	struct problems *problems;
	int result;

	if (!host->agent)
		return error_set(error, -EINVAL,
			"vNICs need a network, and there is none; see 'network' in sluice.yaml(5)");
	problems = calloc(1, sizeof *problems);
	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_nic(settings, "", config, problems);
	result = problems_error(problems, error);
	free(problems);
	return result < 0 ? error_prefix(error, result, "vNIC '%s': ", settings->name) : 0;
}

/* Make room for one more in both lists. */
static int grow(struct host *host)
{
	struct configuration *configuration = host->configuration;
	size_t count = configuration->nics_count + 1u;
	struct nic_settings *settings =
		realloc(configuration->nics, count * sizeof *configuration->nics);
	struct host_nic *nics;

	if (!settings)
		return -ENOMEM;
	configuration->nics = settings;
	nics = realloc(host->nics, count * sizeof *host->nics);
	if (!nics)
		return -ENOMEM;
	host->nics = nics;
	return 0;
}

/* On a fleet, others are told of it. */
static void tell_others(struct host *host, const struct nic_config *config)
{
	if (host->cluster && cluster_set_nic(host->cluster, config) < 0)
		log_error("vNIC '%s': no memory to tell others of it", config->name);
}

int host_add_nic(
	struct host *host, struct nic_settings *settings, bool is_from_file, struct error *error)
{
	unsigned last = host->configuration->nics_count;
	struct nic_config config;
	int result = understand(host, settings, &config, error);

	if (result < 0)
		return result;
	if (grow(host) < 0)
		return error_set(error, -ENOMEM, "vNIC '%s': out of memory", settings->name);
	result = agent_add_nic(host->agent, &config, error);
	if (result < 0)
		return result;
	host->nics[last] = (struct host_nic){is_from_file};
	host->configuration->nics[last] = *settings;
	host->configuration->nics_count++;
	free(settings);
	tell_others(host, &config);
	return 0;
}

/* What an entry of the list owns, but for its place there. */
static void free_entry(const struct nic_settings *entry)
{
	struct nic_settings *gone = malloc(sizeof *gone);

	if (!gone)
		return;
	*gone = *entry;
	configuration_free_nic(gone);
}

int host_set_nic(
	struct host *host, unsigned index, struct nic_settings *settings, struct error *error)
{
	struct nic_config config;
	int result = understand(host, settings, &config, error);

	if (result == 0)
		result = agent_set_nic(host->agent, &config, error);
	if (result < 0)
		return result;
	free_entry(&host->configuration->nics[index]);
	host->configuration->nics[index] = *settings;
	free(settings);
	tell_others(host, &config);
	return 0;
}

int host_remove_nic(struct host *host, unsigned index, struct error *error)
{
	struct configuration *configuration = host->configuration;
	unsigned after = configuration->nics_count - index - 1;
	int result = agent_remove_nic(host->agent, configuration->nics[index].name, error);

	if (result < 0)
		return result;
	if (host->cluster)
		cluster_remove_nic(host->cluster, configuration->nics[index].name);
	free_entry(&configuration->nics[index]);
	memmove(&host->nics[index], &host->nics[index + 1], after * sizeof *host->nics);
	memmove(&configuration->nics[index], &configuration->nics[index + 1],
		after * sizeof *configuration->nics);
	configuration->nics_count--;
	return 0;
}

/* The list is emptied and filled again, each vNIC taking the way that one added later takes. */
void host_start_nics(struct host *host)
{
	struct nic_settings *nics = host->configuration->nics;
	unsigned count = host->configuration->nics_count;
	struct nic_settings *one;
	struct error error;

	host->configuration->nics = NULL;
	host->configuration->nics_count = 0;
	for (unsigned i = 0; i < count; i++) {
		one = malloc(sizeof *one);
		if (!one)
			break;
		*one = nics[i];
		if (host_add_nic(host, one, true, &error) == 0)
			continue;
		log_error("%s", error.message);
		configuration_free_nic(one);
	}
	free(nics);
}
