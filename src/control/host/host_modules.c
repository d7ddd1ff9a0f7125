#include "control/host/host_modules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/configuration/module_paths.h"
#include "control/configuration/module_values.h"
#include "control/configuration/references.h"
#include "control/configuration/values.h"
#include "control/socket/run_directory.h"

/* To be freed; NULL if there is no memory. The settings have been checked. */
static struct module_description *describe(const struct module_settings *settings)
{
	struct module_description *description = malloc(sizeof *description);
	struct problems *unused = calloc(1, sizeof *unused);

	if (description && unused)
		values_of_module(settings, "", run_directory(), description, unused);
	free(unused);
	return description;
}

/* Its place in the pool that its I/O is charged to, if it is. */
static int open_gate(const struct host *host, const struct module_settings *settings,
	struct gate **gate, struct error *error)
{
	struct problems *unused = calloc(1, sizeof *unused);
	struct gate_config config;
	int pool;

	*gate = NULL;
	if (!unused)
		return error_set(error, -ENOMEM, "out of memory");
	snprintf(config.name, sizeof config.name, "%s", settings->name);
	values_of_slo(settings->slo, "", &config.slo, unused);
	pool = reference_to_pool(host->configuration, settings->pool, "", unused);
	free(unused);
	return gate_create(host->pools[pool], &config, gate, error);
}

/* One that cannot be watched over is logged and left out. */
static struct module_supervisor *start(
	const struct host *host, const struct module_settings *settings)
{
	struct module_description *description = describe(settings);
	struct module_supervisor *supervisor = NULL;
	struct error error;
	struct gate *gate = NULL;
	char program[PATH_MAX];
	int result = error_set(&error, -ENOMEM, "module '%s': out of memory", settings->name);

	if (description && module_paths_program(program))
		result = module_has_gate(settings) ? open_gate(host, settings, &gate, &error) : 0;
	if (result == 0)
		result = module_supervisor_create(description, program, gate, &supervisor, &error);
	if (result < 0 && gate)
		gate_destroy(gate);
	if (result < 0)
		log_error("%s", error.message);
	free(description);
	return supervisor;
}

int host_start_modules(struct host *host, struct error *error)
{
	unsigned count = host->configuration->modules_count;

	host->modules = calloc(count + 1u, sizeof *host->modules);
	if (!host->modules)
		return error_set(error, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < count; i++)
		host->modules[i] = start(host, &host->configuration->modules[i]);
	return 0;
}

/* All at once: each may take its time. */
static void stop_all(struct module_supervisor **modules, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (modules[i])
			module_supervisor_stop(modules[i]);
	for (unsigned i = 0; i < count; i++)
		if (modules[i])
			module_supervisor_destroy(modules[i]);
}

void host_stop_modules(struct host *host)
{
	if (host->modules)
		stop_all(host->modules, host->configuration->modules_count);
	free(host->modules);
	host->modules = NULL;
}

/* As it would be written, to be freed; it has no end but its length. */
static char *text_of(struct module_settings *settings, size_t *length)
{
	const struct configuration part = {.modules = settings, .modules_count = 1};
	char *text;

	return configuration_save(&part, &text, length) < 0 ? NULL : text;
}

/* But for the SLO, which changes while the module runs. */
static bool is_same_module(struct module_settings *now, struct module_settings *then)
{
	struct module_settings now_alone = *now, then_alone = *then;
	size_t now_length, then_length;
	char *now_text, *then_text;
	bool is_same;

	now_alone.slo = then_alone.slo = NULL;
	now_text = text_of(&now_alone, &now_length);
	then_text = text_of(&then_alone, &then_length);
	is_same = module_has_gate(now) == module_has_gate(then) && now_text && then_text &&
		  now_length == then_length && memcmp(now_text, then_text, now_length) == 0;

	free(now_text);
	free(then_text);
	return is_same;
}

/* What runs as these settings say leaves the list of those that run. */
static struct module_supervisor *take(struct host *host, struct module_settings *settings)
{
	int index = host_find_module(host, settings->name, NULL);
	struct module_supervisor *kept = NULL;

	if (index >= 0 && is_same_module(&host->configuration->modules[index], settings)) {
		kept = host->modules[index];
		host->modules[index] = NULL;
	}
	return kept;
}

static void exchange(struct host *host, struct configuration *next)
{
	struct module_settings *settings = host->configuration->modules;
	uint32_t count = host->configuration->modules_count;

	host->configuration->modules = next->modules;
	host->configuration->modules_count = next->modules_count;
	next->modules = settings;
	next->modules_count = count;
}

/* Of one that goes on. What the pool cannot promise stays as it was. */
static void change_slo(struct module_supervisor *supervisor, const struct module_settings *settings)
{
	struct gate *gate = module_supervisor_gate(supervisor);
	struct problems *unused = calloc(1, sizeof *unused);
	struct error error;
	struct slo slo;

	if (gate && unused) {
		values_of_slo(settings->slo, "", &slo, unused);
		if (!slo_is_equal(&slo, &gate_config(gate)->slo) &&
			gate_set_slo(gate, &slo, &error) < 0)
			log_error("%s", error.message);
	}
	free(unused);
}

int host_reload_modules(struct host *host, struct configuration *next, struct error *error)
{
	struct module_supervisor **modules = calloc(next->modules_count + 1u, sizeof *modules);

	if (!modules)
		return error_set(error, -ENOMEM, "out of memory");
	for (unsigned i = 0; i < next->modules_count; i++)
		modules[i] = take(host, &next->modules[i]);
	/* What has changed starts anew, after its predecessor has closed. */
	stop_all(host->modules, host->configuration->modules_count);
	free(host->modules);
	host->modules = modules;
	exchange(host, next);
	for (unsigned i = 0; i < host->configuration->modules_count; i++) {
		if (modules[i])
			change_slo(modules[i], &host->configuration->modules[i]);
		else
			modules[i] = start(host, &host->configuration->modules[i]);
	}
	return 0;
}
