#include "control/configuration/module_values.h"

#include <ctype.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "control/configuration/module_paths.h"
#include "control/configuration/values.h"

#define CONNECTIONS_DEFAULT 64u
#define MEMORY_BYTES_MIN (16ull << 20)
#define CPUS_MAX 1024.0

/* One that comes with Sluice, by its name, or anybody's by its path. */
static void library_value(const struct module_settings *settings, const char *parent,
	struct module_description *description, struct problems *problems)
{
	const char *text = settings->module;
	char path[PROBLEM_PATH_BYTES];

	path_key(path, parent, "module");
	if (strchr(text, '/'))
		value_file(description->library, sizeof description->library, text, parent,
			"module", problems);
	else if (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(text) ||
		 !module_paths_library(text, description->library))
		problems_add(problems, path,
			"'%s' is neither the name of a module, like 'store', nor the whole path of "
			"a shared object, from /",
			text);
}

static void group_value(const struct module_settings *settings, const char *parent,
	struct module_description *description, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	value_text(description->group, sizeof description->group, settings->group, parent, "group",
		problems);
	path_key(path, parent, "group");
	if (settings->group && !getgrnam(settings->group))
		problems_add(problems, path,
			"there is no group '%s'; make it with 'groupadd --system %s'",
			settings->group, settings->group);
}

static void connections_value(const struct module_settings *settings, const char *parent,
	struct module_description *description, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	description->connections =
		settings->connections ? *settings->connections : CONNECTIONS_DEFAULT;
	path_key(path, parent, "connections");
	if (description->connections < 1 || description->connections > MODULE_CONNECTIONS_MAX)
		problems_add(problems, path, "%u is out of range; it must be from 1 to %u",
			description->connections, MODULE_CONNECTIONS_MAX);
}

static void memory_value(const struct module_settings *settings, const char *parent,
	struct module_description *description, struct problems *problems)
{
	unsigned wrong = problems->count + problems->dropped;
	char path[PROBLEM_PATH_BYTES];

	value_quantity(units_parse_bytes, settings->memory_limit, parent, "memory_limit",
		&description->memory_bytes_max, problems);
	path_key(path, parent, "memory_limit");
	if (settings->memory_limit && problems->count + problems->dropped == wrong &&
		description->memory_bytes_max < MEMORY_BYTES_MIN)
		problems_add(problems, path,
			"'%s' is too little for a process; at least 16MiB are needed",
			settings->memory_limit);
}

static void cpu_value(const struct module_settings *settings, const char *parent,
	struct module_description *description, struct problems *problems)
{
	const char *text = settings->cpu_limit;
	char path[PROBLEM_PATH_BYTES], *end;
	double cpus;

	if (!text)
		return;
	cpus = strtod(text, &end);
	path_key(path, parent, "cpu_limit");
	if (!isdigit((unsigned char)*text) || *end)
		problems_add(
			problems, path, "'%s' is not a number of CPUs; write it like 1.5", text);
	else if (!(cpus >= 0.01 && cpus <= CPUS_MAX))
		problems_add(problems, path, "'%s' is out of range; it must be from 0.01 to %g",
			text, CPUS_MAX);
	else
		description->cpu_thousandths_max = (uint32_t)(cpus * 1000 + 0.5);
}

static size_t option_name_length(const char *text)
{
	return strcspn(text, "=");
}

static bool is_doubled(const struct module_description *description, const char *text)
{
	size_t length = option_name_length(text);

	for (unsigned i = 0; i < description->option_count; i++)
		if (option_name_length(description->options[i]) == length &&
			memcmp(description->options[i], text, length) == 0)
			return true;
	return false;
}

static void option_value(const char *text, const char *path, struct module_description *description,
	struct problems *problems)
{
	int length = (int)option_name_length(text);

	if (!length || !text[length])
		problems_add(
			problems, path, "'%s' is not an option; write it like name=value", text);
	else if (strlen(text) >= MODULE_OPTION_BYTES)
		problems_add(problems, path, "is %zu bytes long; at most %u are possible",
			strlen(text), MODULE_OPTION_BYTES - 1);
	else if (is_doubled(description, text))
		problems_add(problems, path, "'%.*s' is given twice; remove one", length, text);
	else
		snprintf(description->options[description->option_count++], MODULE_OPTION_BYTES,
			"%s", text);
}

static void option_values(const struct module_settings *settings, const char *parent,
	struct module_description *description, struct problems *problems)
{
	char list[PROBLEM_PATH_BYTES], path[PROBLEM_PATH_BYTES];

	path_key(list, parent, "options");
	for (unsigned i = 0; i < settings->options_count && i < MODULE_OPTIONS_MAX; i++) {
		path_index(path, list, i);
		option_value(settings->options[i], path, description, problems);
	}
}

/* Where a VM finds the region, if there is one. */
static void doorbell_value(const struct module_settings *settings, const char *parent,
	const char *run_directory, struct module_description *description,
	struct problems *problems)
{
	char usual[PATH_MAX], path[PROBLEM_PATH_BYTES];

	snprintf(usual, sizeof usual, "%s/%s.ivshmem.sock", run_directory, settings->name);
	if (settings->region) {
		value_file(description->doorbell, sizeof description->doorbell,
			settings->doorbell ? settings->doorbell : usual, parent, "doorbell",
			problems);
	} else if (settings->doorbell) {
		path_key(path, parent, "doorbell");
		problems_add(problems, path,
			"is of no use without a 'region', whose doorbell it is; add one");
	}
}

void values_of_module(const struct module_settings *settings, const char *path,
	const char *run_directory, struct module_description *description,
	struct problems *problems)
{
	char usual[PATH_MAX];

	memset(description, 0, sizeof *description);
	snprintf(description->version, sizeof description->version, "%s", SLUICE_VERSION);
	value_name(description->name, sizeof description->name, settings->name, path, problems);
	library_value(settings, path, description, problems);
	value_file(description->directory, sizeof description->directory, settings->directory, path,
		"directory", problems);
	/* Not NAME.sock, which is a disk's of that name. */
	snprintf(usual, sizeof usual, "%s/%s.module.sock", run_directory, settings->name);
	value_file(description->socket, sizeof description->socket,
		settings->socket ? settings->socket : usual, path, "socket", problems);
	group_value(settings, path, description, problems);
	value_file(description->region, sizeof description->region, settings->region, path,
		"region", problems);
	doorbell_value(settings, path, run_directory, description, problems);
	value_text(description->user, sizeof description->user, settings->user, path, "user",
		problems);
	description->cpu = settings->cpu ? *settings->cpu : SIDECORE_NOT_PINNED;
	description->poll_ns_max =
		settings->cpu ? MODULE_POLL_NS_ON_OWN_CPU : SIDECORE_POLL_NS_DEFAULT;
	value_quantity(units_parse_duration_ns, settings->poll, path, "poll",
		&description->poll_ns_max, problems);
	connections_value(settings, path, description, problems);
	memory_value(settings, path, description, problems);
	cpu_value(settings, path, description, problems);
	option_values(settings, path, description, problems);
}

bool module_has_gate(const struct module_settings *settings)
{
	return settings->pool || settings->slo;
}
