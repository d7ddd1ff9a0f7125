#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/configuration/references.h"
#include "control/configuration/values.h"
#include "control/host/host.h"
#include "control/socket/run_directory.h"

#define REMOVE_TIMEOUT_MS 2000 /* other commands wait meanwhile */

/* The numbers a disk is made with, and its pool's index; a negative errno if they make no sense. */
static int understand(const struct host *host, const struct disk_settings *settings,
	struct disk_config *config, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	int pool, result;

	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_disk(settings, "", run_directory(), config, problems);
	pool = reference_to_pool(host->configuration, settings->pool, "", problems);
	result = problems_error(problems, error);
	free(problems);
	return result < 0 ? result : pool;
}

/* Make room for one more in both lists. */
static int grow(struct host *host)
{
	struct configuration *configuration = host->configuration;
	size_t count = configuration->disks_count + 1u;
	struct disk_settings *settings =
		realloc(configuration->disks, count * sizeof *configuration->disks);
	struct host_disk *disks;

	if (!settings)
		return -ENOMEM;
	configuration->disks = settings;
	disks = realloc(host->disks, count * sizeof *host->disks);
	if (!disks)
		return -ENOMEM;
	host->disks = disks;
	return 0;
}

int host_add_disk(
	struct host *host, struct disk_settings *settings, bool is_from_file, struct error *error)
{
	struct disk_config config;
	struct disk *disk;
	unsigned last = host->configuration->disks_count;
	int result, pool;

	if (host_find_disk(host, settings->name, NULL) >= 0)
		return error_set(
			error, -EEXIST, "disk '%s' exists; choose another name", settings->name);
	pool = understand(host, settings, &config, error);
	if (pool < 0)
		return error_prefix(error, pool, "disk '%s': ", settings->name);
	if (grow(host) < 0)
		return error_set(error, -ENOMEM, "disk '%s': out of memory", settings->name);
	result = disk_create(host->pools[pool], &config, &disk, error);
	if (result < 0)
		return result;
	host->disks[last] = (struct host_disk){disk, is_from_file};
	host->configuration->disks[last] = *settings;
	host->configuration->disks_count++;
	free(settings);
	return 0;
}

int host_remove_disk(struct host *host, unsigned index, struct error *error)
{
	struct configuration *configuration = host->configuration;
	unsigned after = configuration->disks_count - index - 1;
	struct disk_settings *gone;
	int result = disk_try_destroy(host->disks[index].disk, REMOVE_TIMEOUT_MS, error);

	if (result < 0)
		return result;
	gone = malloc(sizeof *gone);
	if (gone) {
		*gone = configuration->disks[index];
		configuration_free_disk(gone);
	}
	memmove(&host->disks[index], &host->disks[index + 1], after * sizeof *host->disks);
	memmove(&configuration->disks[index], &configuration->disks[index + 1],
		after * sizeof *configuration->disks);
	configuration->disks_count--;
	return 0;
}

int host_set_slo(
	struct host *host, unsigned index, struct slo_settings *settings, struct error *error)
{
	struct problems *problems = calloc(1, sizeof *problems);
	struct slo slo;
	int result;

	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	values_of_slo(settings, "slo", &slo, problems);
	result = problems_error(problems, error);
	free(problems);
	/* Setting the same again would refill the buckets. */
	if (result == 0 && !slo_is_equal(&slo, &disk_config(host->disks[index].disk)->slo))
		result = disk_set_slo(host->disks[index].disk, &slo, error);
	if (result < 0)
		return result;
	configuration_free_slo(host->configuration->disks[index].slo);
	host->configuration->disks[index].slo = settings;
	return 0;
}

int host_resize(struct host *host, unsigned index, const char *size, struct error *error)
{
	struct disk_settings *settings = &host->configuration->disks[index];
	struct disk_settings wanted = *settings;
	char *text = strdup(size);
	struct disk_statistics now;
	struct disk_config config;
	int result;

	if (!text)
		return error_set(error, -ENOMEM, "out of memory");
	wanted.size = text;
	result = understand(host, &wanted, &config, error);
	disk_statistics(host->disks[index].disk, &now);
	if (result >= 0 && config.size_bytes < now.size_bytes)
		result = error_set(error, -EINVAL,
			"disk '%s': shrinking from %llu to %llu bytes would lose data; it can only "
			"grow",
			settings->name, (unsigned long long)now.size_bytes,
			(unsigned long long)config.size_bytes);
	if (result >= 0 && config.size_bytes != now.size_bytes)
		result = disk_resize(host->disks[index].disk, config.size_bytes, error);
	if (result < 0) {
		free(text);
		return result;
	}
	free(settings->size);
	settings->size = text;
	return 0;
}
