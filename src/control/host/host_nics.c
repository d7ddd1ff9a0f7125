#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/configuration/device_values.h"
#include "control/configuration/network_values.h"
#include "control/configuration/references.h"
#include "control/host/host.h"
#include "control/socket/run_directory.h"

/* What a vNIC is made with. */
struct understood {
	struct nic_config nic;
	struct net_device_config device;
	int sidecore; /* of the device */
};

static int check_network(
	const struct host *host, const struct nic_settings *settings, struct error *error)
{
	if (host->agent || (settings->device && !nic_has_promises(settings)))
		return 0;
	if (settings->device)
		return error_set(error, -EINVAL,
			"vNIC '%s': 'send', 'receive' and 'weight' need a network, and there is "
			"none; see 'network' in sluice.yaml(5)",
			settings->name);
	return error_set(error, -EINVAL,
		"vNICs need a network, and there is none; see 'network' in sluice.yaml(5), or "
		"'device' for one that needs no promises");
}

/* The numbers that the agent and the device want; -EINVAL if they make no sense. */
static int understand(const struct host *host, const struct nic_settings *settings,
	struct understood *understood, struct error *error)
{
	struct problems *problems;
	int result = check_network(host, settings, error);

	if (result < 0)
		return result;
	problems = calloc(1, sizeof *problems);
	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_nic(settings, "", &understood->nic, problems);
	if (settings->device) {
		values_of_device(settings, "", run_directory(), &understood->device, problems);
		understood->sidecore = reference_of_device(
			host->configuration, settings->device, "device", problems);
	}
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

/* Where there is an agent, it sees to this. */
static int check_is_new(
	const struct host *host, const struct nic_settings *settings, struct error *error)
{
	for (unsigned i = 0; i < host->configuration->nics_count; i++) {
		const struct nic_settings *other = &host->configuration->nics[i];

		if (strcmp(other->name, settings->name) == 0)
			return error_set(error, -EEXIST, "vNIC '%s' exists; choose another name",
				settings->name);
		if (strcmp(other->netdev, settings->netdev) == 0)
			return error_set(error, -EEXIST,
				"vNIC '%s': netdev %s is that of vNIC '%s'; give it its own",
				settings->name, settings->netdev, other->name);
	}
	return 0;
}

/* The promises first: they wait for a netdev that is not there yet. */
static int start_nic(struct host *host, const struct nic_settings *settings,
	const struct understood *understood, struct net_device **device, struct error *error)
{
	int result = host->agent ? agent_add_nic(host->agent, &understood->nic, error)
				 : check_is_new(host, settings, error);

	*device = NULL;
	if (result < 0 || !settings->device)
		return result;
	result = net_device_create(
		host->sidecores[understood->sidecore], &understood->device, device, error);
	if (result < 0 && host->agent)
		agent_remove_nic(host->agent, settings->name, NULL);
	return result;
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
	struct understood understood;
	struct net_device *device;
	int result = understand(host, settings, &understood, error);

	if (result < 0)
		return result;
	if (grow(host) < 0)
		return error_set(error, -ENOMEM, "vNIC '%s': out of memory", settings->name);
	result = start_nic(host, settings, &understood, &device, error);
	if (result < 0)
		return result;
	host->nics[last] = (struct host_nic){.device = device, .is_from_file = is_from_file};
	host->configuration->nics[last] = *settings;
	host->configuration->nics_count++;
	free(settings);
	tell_others(host, &understood.nic);
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
	struct understood understood;
	int result = understand(host, settings, &understood, error);

	if (result == 0 &&
		!device_is_same(settings->device, host->configuration->nics[index].device))
		result = error_set(error, -EINVAL,
			"vNIC '%s': its device cannot change while it runs; remove it, and add it "
			"again",
			settings->name);
	if (result == 0 && host->agent)
		result = agent_set_nic(host->agent, &understood.nic, error);
	if (result < 0)
		return result;
	free_entry(&host->configuration->nics[index]);
	host->configuration->nics[index] = *settings;
	free(settings);
	tell_others(host, &understood.nic);
	return 0;
}

int host_remove_nic(struct host *host, unsigned index, struct error *error)
{
	struct configuration *configuration = host->configuration;
	unsigned after = configuration->nics_count - index - 1;
	int result = 0;

	if (host->agent)
		result = agent_remove_nic(host->agent, configuration->nics[index].name, error);
	if (result < 0)
		return result;
	if (host->nics[index].device)
		net_device_destroy(host->nics[index].device, true);
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
