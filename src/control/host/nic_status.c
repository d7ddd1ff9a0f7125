#include "control/host/nic_status.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "control/configuration/network_values.h"

/* The configuration has been checked, so there are no problems to be seen. */
static int describe_unpromised(const struct nic_settings *settings, struct nic_status *nic)
{
	struct problems *unused = calloc(1, sizeof *unused);

	if (!unused)
		return -ENOMEM;
	values_of_nic(settings, "", &nic->config, unused);
	nic->is_present = if_nametoindex(nic->config.netdev) != 0;
	nic->sends.limit = nic->receives.limit = INFINITY;
	free(unused);
	return 0;
}

static int status_without_network(
	const struct host *host, struct agent_status **status, struct error *error)
{
	const struct configuration *configuration = host->configuration;
	struct agent_status *created = calloc(1, sizeof *created);
	int result = 0;

	if (!created)
		goto fail;
	created->nics = calloc(configuration->nics_count + 1u, sizeof *created->nics);
	if (!created->nics)
		goto fail;
	for (unsigned i = 0; i < configuration->nics_count && result == 0; i++) {
		result = describe_unpromised(&configuration->nics[i], &created->nics[i]);
		created->nic_count = i + 1;
	}
	if (result < 0)
		goto fail;
	*status = created;
	return 0;

fail:
	if (created)
		agent_status_free(created);
	return error_set(error, -ENOMEM, "no memory to describe the vNICs");
}

int nic_status(const struct host *host, struct agent_status **status, struct error *error)
{
	return host->agent ? agent_status(host->agent, status, error)
			   : status_without_network(host, status, error);
}
