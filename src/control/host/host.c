#include "control/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/configuration/references.h"
#include "control/configuration/values.h"
#include "control/host/host_modules.h"
#include "control/host/host_network.h"

#define SIDECORE_NAME_DEFAULT "io0"

static int start_sidecore(
	struct host *host, const struct sidecore_settings *settings, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct sidecore_config config;
	int result;

	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_sidecore(settings, "", &config, problems);
	free(problems);
	result = sidecore_start(&config, &host->sidecores[host->sidecore_count], error);
	if (result == 0)
		host->sidecore_count++;
	return result;
}

static int start_sidecores(struct host *host, struct error *error)
{
	static char name[] = SIDECORE_NAME_DEFAULT;
	const struct sidecore_settings only = {.name = name};
	const struct configuration *configuration = host->configuration;
	int result = 0;

	if (!configuration->sidecores_count)
		return start_sidecore(host, &only, error);
	for (unsigned i = 0; i < configuration->sidecores_count && result == 0; i++)
		result = start_sidecore(host, &configuration->sidecores[i], error);
	return result;
}

static int start_pool(struct host *host, unsigned index, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	const struct pool_settings *settings = &host->configuration->pools[index];
	struct pool_config config;
	int sidecore;

	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_pool(settings, "", &config, problems);
	sidecore = reference_to_sidecore(host->configuration, settings, "", problems);
	free(problems);
	return pool_create(
		&config, host->sidecores[sidecore < 0 ? 0 : sidecore], &host->pools[index], error);
}

/* The list is emptied and filled again, each disk taking the way that one added later takes. */
static void start_disks(struct host *host)
{
	struct disk_settings *disks = host->configuration->disks;
	unsigned count = host->configuration->disks_count;
	struct disk_settings *one;
	struct error error;

	host->configuration->disks = NULL;
	host->configuration->disks_count = 0;
	for (unsigned i = 0; i < count; i++) {
		one = malloc(sizeof *one);
		if (!one)
			break;
		*one = disks[i];
		if (host_add_disk(host, one, true, &error) == 0)
			continue;
		log_error("%s", error.message);
		configuration_free_disk(one);
	}
	free(disks);
}

static int start_single(struct host *host, int fd, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct disk_config config;
	int result;

	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_disk(&host->configuration->disks[0], "", "", &config, problems);
	free(problems);
	config.socket_fd = fd;
	config.ended = host->ended;
	*config.socket_path = '\0';
	host->disks = calloc(1, sizeof *host->disks);
	if (!host->disks)
		return error_set(error, -ENOMEM, "out of memory");
	result = disk_create(host->pools[0], &config, &host->disks[0].disk, error);
	if (result < 0)
		host->configuration->disks_count = 0;
	return result;
}

int host_start(
	struct host *host, struct configuration *configuration, int single_fd, struct error *error)
{
	int result;

	host->configuration = configuration;
	host->sidecores = calloc(configuration->sidecores_count + 1, sizeof *host->sidecores);
	host->pools = calloc(configuration->pools_count + 1, sizeof *host->pools);
	if (!host->sidecores || !host->pools)
		return error_set(error, -ENOMEM, "out of memory");
	result = start_sidecores(host, error);
	for (unsigned i = 0; i < configuration->pools_count && result == 0; i++)
		result = start_pool(host, i, error);
	if (result < 0)
		return result;
	if (single_fd >= 0)
		return start_single(host, single_fd, error);
	start_disks(host);
	result = host_network_start(configuration, &host->agent, &host->cluster, error);
	if (result == 0)
		host_start_nics(host);
	return result < 0 ? result : host_start_modules(host, error);
}

void host_stop(struct host *host, bool is_final)
{
	unsigned disks = host->disks ? host->configuration->disks_count : 0;

	host_stop_modules(host);
	host_network_stop(host->agent, host->cluster, is_final);
	for (unsigned i = 0; host->nics && i < host->configuration->nics_count; i++)
		if (host->nics[i].device)
			net_device_destroy(host->nics[i].device, false);
	while (disks--)
		disk_destroy(host->disks[disks].disk);
	for (unsigned i = 0; host->pools && i < host->configuration->pools_count; i++)
		if (host->pools[i])
			pool_destroy(host->pools[i]);
	while (host->sidecore_count)
		sidecore_stop(host->sidecores[--host->sidecore_count]);
	configuration_free(host->configuration);
	free(host->disks);
	free(host->nics);
	free(host->pools);
	free(host->sidecores);
}
