#include <errno.h>
#include <string.h>

#include "base/suggest.h"
#include "control/host/host.h"

#define NAMES_MAX 256

/* What things are called, and the commands about them. */
struct kind {
	const char *what;
	const char *command;
};

static int not_found(struct kind kind, const char *name, const char *const *names, unsigned count,
	struct error *error)
{
	const char *nearest = suggest_nearest(name, names, count);

	return error_set(error, -ENOENT, "there is no %s '%s'; %s%s%s", kind.what, name,
		nearest ? "did you mean '" : "see 'sluice ", nearest ? nearest : kind.command,
		nearest ? "'?" : " list'");
}

int host_find_disk(const struct host *host, const char *name, struct error *error)
{
	const struct configuration *configuration = host->configuration;
	const char *names[NAMES_MAX];
	unsigned count = 0;

	for (unsigned i = 0; i < configuration->disks_count; i++) {
		if (strcmp(configuration->disks[i].name, name) == 0)
			return (int)i;
		if (count < NAMES_MAX)
			names[count++] = configuration->disks[i].name;
	}
	return not_found((struct kind){"disk", "disk"}, name, names, count, error);
}

int host_find_pool(const struct host *host, const char *name, struct error *error)
{
	const struct configuration *configuration = host->configuration;
	const char *names[CONFIGURATION_POOLS_MAX];

	for (unsigned i = 0; i < configuration->pools_count; i++) {
		if (strcmp(configuration->pools[i].name, name) == 0)
			return (int)i;
		names[i] = configuration->pools[i].name;
	}
	return not_found(
		(struct kind){"pool", "pool"}, name, names, configuration->pools_count, error);
}

int host_find_nic(const struct host *host, const char *name, struct error *error)
{
	const struct configuration *configuration = host->configuration;
	const char *names[NIC_SLOTS];

	for (unsigned i = 0; i < configuration->nics_count; i++) {
		if (strcmp(configuration->nics[i].name, name) == 0)
			return (int)i;
		names[i] = configuration->nics[i].name;
	}
	return not_found(
		(struct kind){"vNIC", "nic"}, name, names, configuration->nics_count, error);
}

int host_find_module(const struct host *host, const char *name, struct error *error)
{
	const struct configuration *configuration = host->configuration;
	const char *names[CONFIGURATION_MODULES_MAX];

	for (unsigned i = 0; i < configuration->modules_count; i++) {
		if (strcmp(configuration->modules[i].name, name) == 0)
			return (int)i;
		names[i] = configuration->modules[i].name;
	}
	return not_found((struct kind){"module", "module"}, name, names,
		configuration->modules_count, error);
}
