#include "control/configuration/configuration_check.h"

#include <stdlib.h>
#include <string.h>

#include "control/configuration/claims.h"
#include "control/configuration/control_values.h"
#include "control/configuration/module_check.h"
#include "control/configuration/module_values.h"
#include "control/configuration/network_check.h"
#include "control/configuration/references.h"
#include "control/configuration/values.h"
#include "control/configuration/vm_check.h"
#include "control/socket/run_directory.h"
#include "disk/image.h"

/* What the checks of single disks learn for the checks of all. */
struct survey {
	struct claims names, sockets, images;
	struct slo *slos; /* of each disk, then of each module */
	int *pools;	  /* likewise: index, or -1 */
	unsigned members; /* how many these are */
};

static void survey_free(struct survey *survey)
{
	claims_free(&survey->names);
	claims_free(&survey->sockets);
	claims_free(&survey->images);
	free(survey->slos);
	free(survey->pools);
}

static bool survey_init(struct survey *survey, unsigned disks, unsigned modules)
{
	memset(survey, 0, sizeof *survey);
	survey->members = disks + modules;
	survey->slos = calloc(survey->members + 1, sizeof *survey->slos);
	survey->pools = calloc(survey->members + 1, sizeof *survey->pools);
	return survey->slos && survey->pools && claims_init(&survey->names, disks) == 0 &&
	       claims_init(&survey->sockets, disks) == 0 &&
	       claims_init(&survey->images, disks) == 0;
}

static void check_control(const struct configuration *configuration, struct problems *problems)
{
	struct sockaddr_storage metrics;

	values_of_metrics(configuration->control, "control", &metrics, problems);
}

static void check_sidecores(const struct configuration *configuration, struct problems *problems)
{
	struct sidecore_config config;
	char path[PROBLEM_PATH_BYTES];
	struct claims names;

	if (claims_init(&names, configuration->sidecores_count) < 0)
		return;
	for (unsigned i = 0; i < configuration->sidecores_count; i++) {
		path_index(path, "sidecores", i);
		values_of_sidecore(&configuration->sidecores[i], path, &config, problems);
		claims_add(&names, i, "%s", configuration->sidecores[i].name);
	}
	claims_report(&names, "sidecores", "name", "choose another name", problems);
	claims_free(&names);
}

static void check_pools(const struct configuration *configuration, struct problems *problems)
{
	struct pool_config config;
	char path[PROBLEM_PATH_BYTES];
	struct claims names;

	if (claims_init(&names, configuration->pools_count) < 0)
		return;
	for (unsigned i = 0; i < configuration->pools_count; i++) {
		path_index(path, "pools", i);
		values_of_pool(&configuration->pools[i], path, &config, problems);
		reference_to_sidecore(configuration, &configuration->pools[i], path, problems);
		claims_add(&names, i, "%s", configuration->pools[i].name);
	}
	claims_report(&names, "pools", "name", "choose another name", problems);
	claims_free(&names);
}

static bool is_on_files(const struct pool_settings *pool)
{
	return !pool->backend || strcmp(pool->backend, "file") == 0;
}

/* Two disks writing one image would destroy each other's data; readers do no harm. */
static void claim_image(const struct pool_settings *pool, const struct disk_config *config,
	unsigned index, struct survey *survey)
{
	char path[PATH_MAX];

	if (!is_on_files(pool) || config->is_read_only)
		return;
	if (image_path(pool->path ? pool->path : "", config->image, config->name, path,
		    sizeof path) == 0)
		claims_add(&survey->images, index, "%s", path);
}

static void check_disk(const struct configuration *configuration, unsigned index,
	struct survey *survey, struct problems *problems)
{
	const struct disk_settings *settings = &configuration->disks[index];
	const struct pool_settings *pool;
	struct disk_config config;
	char path[PROBLEM_PATH_BYTES];

	path_index(path, "disks", index);
	values_of_disk(settings, path, run_directory(), &config, problems);
	survey->slos[index] = config.slo;
	survey->pools[index] = reference_to_pool(configuration, settings->pool, path, problems);
	claims_add(&survey->names, index, "%s", settings->name);
	claims_add(&survey->sockets, index, "%s", config.socket_path);
	if (survey->pools[index] < 0)
		return;
	pool = &configuration->pools[survey->pools[index]];
	claim_image(pool, &config, index, survey);
	if (!is_on_files(pool) && !settings->size)
		problems_add(problems, path, "'size' is missing; a disk on back end %s needs one",
			pool->backend);
}

/* The rest of a module is checked by module_check. */
static void check_gate(const struct configuration *configuration, unsigned index,
	struct survey *survey, struct problems *problems)
{
	const struct module_settings *settings = &configuration->modules[index];
	unsigned member = configuration->disks_count + index;
	char path[PROBLEM_PATH_BYTES], below[PROBLEM_PATH_BYTES];

	survey->pools[member] = -1;
	if (!module_has_gate(settings))
		return;
	path_index(path, "modules", index);
	path_key(below, path, "slo");
	values_of_slo(settings->slo, below, &survey->slos[member], problems);
	survey->pools[member] = reference_to_pool(configuration, settings->pool, path, problems);
}

/* Gather the SLOs with tiers on one pool. */
static unsigned promises_on(const struct survey *survey, int pool, const struct slo **slos)
{
	unsigned count = 0;

	for (unsigned i = 0; i < survey->members; i++)
		if (survey->pools[i] == pool && survey->slos[i].tier_count)
			slos[count++] = &survey->slos[i];
	return count;
}

/* Problems of single disks and modules; with any, the sum is not worth a word. */
static void check_latency(const struct survey *survey, unsigned disks, int pool,
	const struct admission_pool *admission, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES], key[PROBLEM_PATH_BYTES];
	struct error error;

	for (unsigned i = 0; i < survey->members; i++) {
		if (survey->pools[i] != pool ||
			admission_check_latency(admission, &survey->slos[i], &error) == 0)
			continue;
		path_index(path, i < disks ? "disks" : "modules", i < disks ? i : i - disks);
		path_key(key, path, "slo.tiers[0].within");
		problems_add(problems, key, "%s", error.message);
	}
}

static void check_admission(const struct configuration *configuration, const struct survey *survey,
	int pool, const struct slo **slos, struct problems *problems)
{
	unsigned count = promises_on(survey, pool, slos);
	struct admission_pool admission;
	struct pool_config config;
	char path[PROBLEM_PATH_BYTES], key[PROBLEM_PATH_BYTES];
	struct error error;

	if (!count)
		return;
	path_index(path, "pools", (unsigned)pool);
	values_of_pool(&configuration->pools[pool], path, &config, problems);
	if (config.capacity_units_per_s <= 0) {
		problems_add(problems, path,
			"'capacity' is missing; disks and modules with tiers need it: add "
			"'capacity: UNITS' "
			"(per second)");
		return;
	}
	admission = pool_admission(&config);
	check_latency(survey, configuration->disks_count, pool, &admission, problems);
	path_key(key, path, "capacity");
	if (!problems->count && admission_check(&admission, slos, count, &error) < 0)
		problems_add(problems, key, "%s", error.message);
}

static void check_promises(const struct configuration *configuration, const struct survey *survey,
	struct problems *problems)
{
	const struct slo **slos = calloc(survey->members + 1, sizeof *slos);

	for (unsigned i = 0; slos && i < configuration->pools_count; i++)
		check_admission(configuration, survey, (int)i, slos, problems);
	free(slos);
}

static void check_disks(const struct configuration *configuration, struct problems *problems)
{
	struct survey survey;

	if (!survey_init(&survey, configuration->disks_count, configuration->modules_count)) {
		problems_add(problems, "disks", "out of memory");
		goto out;
	}
	for (unsigned i = 0; i < configuration->disks_count; i++)
		check_disk(configuration, i, &survey, problems);
	for (unsigned i = 0; i < configuration->modules_count; i++)
		check_gate(configuration, i, &survey, problems);
	claims_report(&survey.names, "disks", "name", "choose another name", problems);
	/* Two disks of one name have one socket and one image too; say it once. */
	if (!problems->count) {
		claims_report(&survey.sockets, "disks", "socket", "choose another path", problems);
		claims_report(&survey.images, "disks", "image",
			"give each disk its own, or make both read_only", problems);
	}
	/* Sums over wrong numbers would be wrong. */
	if (!problems->count)
		check_promises(configuration, &survey, problems);
out:
	survey_free(&survey);
}

void configuration_check(const struct configuration *configuration, struct problems *problems)
{
	check_control(configuration, problems);
	check_sidecores(configuration, problems);
	check_pools(configuration, problems);
	check_disks(configuration, problems);
	network_check(configuration, problems);
	vm_check(configuration, problems);
	module_check(configuration, problems);
}
