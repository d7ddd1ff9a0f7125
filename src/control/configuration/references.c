#include "control/configuration/references.h"

#include <errno.h>
#include <string.h>

#include "base/suggest.h"

#define NAMES_SHOWN_MAX 16

/* A list of named things in the configuration, whatever they are. */
struct named_list {
	const char *key; /* "pools" */
	const char *one; /* "pool" */
	const void *entries;
	size_t entry_bytes; /* each begins with its name */
	unsigned count;
};

static const char *name_at(const struct named_list *list, unsigned index)
{
	const char *entry = (const char *)list->entries + index * list->entry_bytes;

	return *(char *const *)entry;
}

static struct named_list pools_of(const struct configuration *configuration)
{
	return (struct named_list){"pools", "pool", configuration->pools,
		sizeof *configuration->pools, configuration->pools_count};
}

static struct named_list sidecores_of(const struct configuration *configuration)
{
	return (struct named_list){"sidecores", "sidecore", configuration->sidecores,
		sizeof *configuration->sidecores, configuration->sidecores_count};
}

static int find(const struct named_list *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (strcmp(name_at(list, i), name) == 0)
			return (int)i;
	return -1;
}

static void list_names(const struct named_list *list, char *text, size_t size)
{
	size_t used = 0;

	snprintf(text, size, "none");
	for (unsigned i = 0; i < list->count && i < NAMES_SHOWN_MAX && used < size; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", i ? ", " : "", name_at(list, i));
	if (list->count > NAMES_SHOWN_MAX && used < size)
		snprintf(text + used, size - used, ", ...");
}

static int report_dangling(const struct named_list *list, const char *path, const char *name,
	struct problems *problems)
{
	const char *names[NAMES_SHOWN_MAX], *nearest;
	char all[PROBLEM_TEXT_BYTES / 2];
	unsigned count = 0;

	for (; count < list->count && count < NAMES_SHOWN_MAX; count++)
		names[count] = name_at(list, count);
	nearest = suggest_nearest(name, names, count);
	list_names(list, all, sizeof all);
	problems_add(problems, path, "there is no %s '%s'; there is: %s%s%s%s", list->one, name,
		all, nearest ? "; did you mean '" : "", nearest ? nearest : "",
		nearest ? "'?" : "");
	return -1;
}

/* The entry that `name` refers to, or the only one there is if it is NULL. */
static int resolve(const struct named_list *list, const char *name, const char *parent,
	struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES], all[PROBLEM_TEXT_BYTES / 2];
	int index;

	path_key(path, parent, list->one);
	if (name) {
		index = find(list, name);
		return index < 0 ? report_dangling(list, path, name, problems) : index;
	}
	if (list->count == 1)
		return 0;
	list_names(list, all, sizeof all);
	problems_add(
		problems, parent, "'%s' is missing; say which %s: %s", list->one, list->one, all);
	return -1;
}

int reference_to_pool(const struct configuration *configuration, const char *name, const char *path,
	struct problems *problems)
{
	struct named_list pools = pools_of(configuration);

	return resolve(&pools, name, path, problems);
}

int reference_to_sidecore(const struct configuration *configuration,
	const struct pool_settings *pool, const char *path, struct problems *problems)
{
	struct named_list sidecores = sidecores_of(configuration);

	if (!sidecores.count && !pool->sidecore)
		return -1;
	return resolve(&sidecores, pool->sidecore, path, problems);
}

int reference_of_device(const struct configuration *configuration,
	const struct device_settings *device, const char *path, struct problems *problems)
{
	struct named_list sidecores = sidecores_of(configuration);

	return device->sidecore ? resolve(&sidecores, device->sidecore, path, problems) : 0;
}

static int resolve_named(const struct named_list *list, const char *name, const char *path,
	struct problems *problems)
{
	int index = find(list, name);

	return index < 0 ? report_dangling(list, path, name, problems) : index;
}

int reference_to_disk(const struct configuration *configuration, const char *name, const char *path,
	struct problems *problems)
{
	const struct named_list disks = {"disks", "disk", configuration->disks,
		sizeof *configuration->disks, configuration->disks_count};

	return resolve_named(&disks, name, path, problems);
}

int reference_to_nic(const struct configuration *configuration, const char *name, const char *path,
	struct problems *problems)
{
	const struct named_list nics = {"nics", "vNIC", configuration->nics,
		sizeof *configuration->nics, configuration->nics_count};

	return resolve_named(&nics, name, path, problems);
}

int reference_to_module(const struct configuration *configuration, const char *name,
	const char *path, struct problems *problems)
{
	const struct named_list modules = {"modules", "module", configuration->modules,
		sizeof *configuration->modules, configuration->modules_count};

	return resolve_named(&modules, name, path, problems);
}

int reference_to_vm(
	const struct configuration *configuration, const char *name, struct error *error)
{
	const struct named_list vms = {"vms", "VM", configuration->vms, sizeof *configuration->vms,
		configuration->vms_count};
	struct problems problems = {.tree = NULL};
	int index = resolve_named(&vms, name, "", &problems);

	return index < 0 ? error_set(error, -ENOENT, "%s", problems.list[0].text) : index;
}
