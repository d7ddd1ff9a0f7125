/*
 * Theory of operation. The file as it is now is loaded and checked as a whole, then held against
 * what runs. First everything is looked for that only a restart can change; if there is any, nothing
 * is done. Then modules (host_modules.c) and disks go, change and come, in that order, so that capacity
 * is free before it is promised again; vNICs do so by themselves (host_reload_network.c). If that fails
 * on the way, what has been done stays, and modules that were ended start again as they were.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/configuration/references.h"
#include "control/configuration/refusals.h"
#include "control/configuration/values.h"
#include "control/host/host.h"
#include "control/host/host_modules.h"
#include "control/host/host_reload_network.h"
#include "control/socket/run_directory.h"

static bool is_same_sidecore(const struct sidecore_config *a, const struct sidecore_config *b)
{
	return strcmp(a->name, b->name) == 0 && a->cpu == b->cpu &&
	       a->poll_ns_max == b->poll_ns_max;
}

static bool is_same_pool(const struct pool_config *a, const struct pool_config *b)
{
	return strcmp(a->name, b->name) == 0 && a->backend == b->backend &&
	       strcmp(a->path, b->path) == 0 &&
	       a->capacity_units_per_s == b->capacity_units_per_s &&
	       a->latency_ns == b->latency_ns && slo_cost_model_is_equal(&a->cost, &b->cost) &&
	       a->largest_request_bytes == b->largest_request_bytes &&
	       a->in_flight_max == b->in_flight_max && a->is_enforcing == b->is_enforcing &&
	       a->use_page_cache == b->use_page_cache;
}

static void compare_sidecores(const struct host *host, const struct configuration *next,
	struct problems *unused, struct refusals *refusals)
{
	struct sidecore_config config;

	if (next->sidecores_count != host->configuration->sidecores_count) {
		refuse(refusals, "list", "sidecores", "entries came or went");
		return;
	}
	for (unsigned i = 0; i < next->sidecores_count; i++) {
		values_of_sidecore(&next->sidecores[i], "", &config, unused);
		if (!is_same_sidecore(&config, sidecore_config(host->sidecores[i])))
			refuse(refusals, "sidecore", next->sidecores[i].name, "has changed");
	}
}

static void compare_pools(const struct host *host, const struct configuration *next,
	struct problems *unused, struct refusals *refusals)
{
	struct pool_config config;

	if (next->pools_count != host->configuration->pools_count) {
		refuse(refusals, "list", "pools", "entries came or went");
		return;
	}
	for (unsigned i = 0; i < next->pools_count; i++) {
		const struct pool_settings *settings = &next->pools[i];

		values_of_pool(settings, "", &config, unused);
		if (!is_same_pool(&config, pool_config(host->pools[i])))
			refuse(refusals, "pool", settings->name, "has changed");
		else if (reference_to_sidecore(next, settings, "", unused) !=
			 reference_to_sidecore(
				 host->configuration, &host->configuration->pools[i], "", unused))
			refuse(refusals, "pool", settings->name, "is on another sidecore");
	}
}

static int find_settings(const struct configuration *configuration, const char *name)
{
	for (unsigned i = 0; i < configuration->disks_count; i++)
		if (strcmp(configuration->disks[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* What a disk has been asked for that it cannot become while it runs; NULL if there is nothing. */
static const char *fixed_difference(
	const struct disk *disk, const struct disk_config *wanted, bool is_other_pool)
{
	const struct disk_config *now = disk_config(disk);
	struct disk_statistics statistics;

	disk_statistics(disk, &statistics);
	if (statistics.is_leaving)
		return "is being removed and waits for its device";
	if (is_other_pool)
		return "pool cannot change";
	if (strcmp(now->image, wanted->image) != 0)
		return "image cannot change";
	if (strcmp(now->socket_path, wanted->socket_path) != 0)
		return "socket cannot change";
	if (now->queue_count != wanted->queue_count)
		return "queues cannot change";
	if (now->is_read_only != wanted->is_read_only)
		return "read_only cannot change";
	if (*wanted->serial && strcmp(now->serial, wanted->serial) != 0)
		return "serial cannot change";
	return NULL;
}

static void compare_disks(const struct host *host, const struct configuration *next,
	struct problems *unused, struct refusals *refusals)
{
	struct disk_config wanted;

	for (unsigned i = 0; i < next->disks_count; i++) {
		const struct disk_settings *settings = &next->disks[i];
		int running = host_find_disk(host, settings->name, NULL);
		const char *why;
		int pool;

		if (running < 0)
			continue;
		values_of_disk(settings, "", run_directory(), &wanted, unused);
		pool = reference_to_pool(next, settings->pool, "", unused);
		why = fixed_difference(host->disks[running].disk, &wanted,
			pool < 0 || host->pools[pool] != disk_pool(host->disks[running].disk));
		if (why)
			refuse(refusals, "disk", settings->name, why);
	}
}

static void compare_control(
	const struct host *host, const struct configuration *next, struct refusals *refusals)
{
	static const struct control_settings none;
	const struct control_settings *now = host->configuration->control, *then = next->control;

	now = now ? now : &none;
	then = then ? then : &none;
	if (!is_same_text(now->socket, then->socket) || !is_same_text(now->group, then->group) ||
		!is_same_text(now->metrics, then->metrics))
		refuse(refusals, "part", "control", "has changed");
}

static int refuse_what_is_fixed(
	const struct host *host, const struct configuration *next, struct error *error)
{
	struct problems *unused = calloc(1, sizeof *unused);
	struct refusals refusals = {.used = 0};

	if (!unused)
		return error_set(error, -ENOMEM, "out of memory");
	compare_control(host, next, &refusals);
	compare_sidecores(host, next, unused, &refusals);
	compare_pools(host, next, unused, &refusals);
	compare_network(host, next, &refusals);
	if (!refusals.used)
		compare_disks(host, next, unused, &refusals);
	free(unused);
	if (!refusals.used)
		return 0;
	return error_set(
		error, -EBUSY, "nothing was changed: %s; restart sluiced for that", refusals.text);
}

static int remove_gone(struct host *host, const struct configuration *next, struct error *error)
{
	int result;

	for (unsigned i = host->configuration->disks_count; i-- > 0;) {
		const char *name = host->configuration->disks[i].name;

		if (!host->disks[i].is_from_file || find_settings(next, name) >= 0)
			continue;
		log_info("disk '%s': removed by reload", name);
		result = host_remove_disk(host, i, error);
		if (result < 0)
			return result;
	}
	return 0;
}

/* The size first: a round that fails after it can be repeated. The slo leaves the new tree. */
static int change_disk(
	struct host *host, unsigned running, struct disk_settings *settings, struct error *error)
{
	int result = 0;

	if (settings->size)
		result = host_resize(host, running, settings->size, error);
	if (result == 0)
		result = host_set_slo(host, running, settings->slo, error);
	if (result < 0)
		return result;
	settings->slo = NULL;
	host->disks[running].is_from_file = true;
	return 0;
}

/* The disks of `next` come first, then its modules. One that does not run needs no change. */
static int change_one(
	struct host *host, struct configuration *next, unsigned index, struct error *error)
{
	int running;

	if (index >= next->disks_count)
		return host_set_module_slo(host, &next->modules[index - next->disks_count], error);
	running = host_find_disk(host, next->disks[index].name, NULL);
	return running < 0 ? 0 : change_disk(host, (unsigned)running, &next->disks[index], error);
}

/*
 * One disk or module may be able to take what another gives back, whichever stands first: go round until
 * nothing more succeeds.
 */
static int change_kept(struct host *host, struct configuration *next, struct error *error)
{
	const unsigned count = next->disks_count + next->modules_count;
	bool *is_done = calloc(count + 1u, sizeof *is_done);
	bool is_progress = true;
	int result = -EAGAIN;

	if (!is_done)
		return error_set(error, -ENOMEM, "out of memory");
	while (result < 0 && is_progress) {
		is_progress = false;
		result = 0;
		for (unsigned i = 0; i < count; i++) {
			int one = is_done[i] ? 0 : change_one(host, next, i, error);

			is_progress |= !is_done[i] && one == 0;
			is_done[i] = one == 0;
			result = one < 0 ? one : result;
		}
	}
	free(is_done);
	return result;
}

static int add_new(struct host *host, struct configuration *next, struct error *error)
{
	int result = 0;

	for (unsigned i = 0; i < next->disks_count && result == 0; i++) {
		struct disk_settings *one;

		if (host_find_disk(host, next->disks[i].name, NULL) >= 0)
			continue;
		one = malloc(sizeof *one);
		if (!one)
			return error_set(error, -ENOMEM, "out of memory");
		*one = next->disks[i];
		result = host_add_disk(host, one, true, error);
		if (result < 0)
			free(one);
		else
			memset(&next->disks[i], 0, sizeof next->disks[i]);
	}
	return result;
}

static int load_next(const struct host *host, struct configuration **next, struct error *error)
{
	struct problems *problems;
	int result;

	if (!host->file)
		return error_set(error, -EINVAL, "sluiced runs without a configuration file");
	problems = calloc(1, sizeof *problems);
	if (!problems)
		return error_set(error, -ENOMEM, "out of memory");
	result = configuration_load_file(host->file, next, problems, error);
	free(problems);
	return result;
}

/* They run elsewhere; here they are kept for whoever asks for the configuration. */
static void exchange_vms(struct configuration *now, struct configuration *next)
{
	struct vm_settings *vms = now->vms;
	uint32_t count = now->vms_count;

	now->vms = next->vms;
	now->vms_count = next->vms_count;
	next->vms = vms;
	next->vms_count = count;
}

int host_reload(struct host *host, struct error *error)
{
	struct configuration *next;
	int result = load_next(host, &next, error);

	if (result < 0)
		return error_prefix(error, result, "reload: ");
	result = refuse_what_is_fixed(host, next, error);
	if (result == 0)
		result = host_withdraw_modules(host, next, error);
	if (result == 0)
		result = remove_gone(host, next, error);
	if (result == 0)
		result = change_kept(host, next, error);
	if (result == 0)
		result = add_new(host, next, error);
	if (result == 0)
		result = apply_network(host, next, error);
	if (result == 0)
		result = host_exchange_modules(host, next, error);
	if (result == 0)
		exchange_vms(host->configuration, next);
	host_settle_modules(host);
	configuration_free(next);
	return result < 0 ? error_prefix(error, result, "reload: ") : 0;
}
