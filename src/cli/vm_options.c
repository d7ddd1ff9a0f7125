#include "cli/vm_options.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/param_options.h"

#define PATH_BYTES 64u

/* What says how to run it, rather than what it is, is kept apart here. */
#define HOW "how"

/* From / on: the program that opens it may be elsewhere. */
static json_t *whole_path(const char *path)
{
	char directory[PATH_MAX];

	if (*path == '/' || !*path || !getcwd(directory, sizeof directory))
		return json_string(path);
	return json_sprintf("%s/%s", directory, path);
}

static bool take_path(json_t *object, const struct param_option *option, char *text)
{
	json_object_set_new(object, option->key, whole_path(text));
	return true;
}

static bool take_switch(json_t *object, const struct param_option *option, char *text)
{
	bool is_on = strcmp(text, "on") == 0;

	if (!is_on && strcmp(text, "off") != 0) {
		cli_misuse("--%s: '%s' is neither on nor off", option->name, text);
		return false;
	}
	json_object_set_new(object, option->key, json_boolean(is_on));
	return true;
}

/* A name, or a socket's path; again for each further one. */
static bool take_device(json_t *object, const struct param_option *option, char *text)
{
	json_t *devices = json_object_get(object, option->key);

	if (!devices)
		json_object_set_new(object, option->key, devices = json_array());
	json_array_append_new(devices, strchr(text, '/') ? whole_path(text) : json_string(text));
	return true;
}

static bool take_cores(json_t *object, const struct param_option *option, char *text)
{
	json_t *cores = json_array();
	char *next = text, *end;

	json_object_set_new(object, option->key, cores);
	do {
		json_array_append_new(cores, json_integer(strtol(next, &end, 10)));
		if (end == next || *next == '-' || (*end && *end != ',')) {
			cli_misuse("--%s: '%s' is not a list of CPUs; write it like 2,3",
				option->name, text);
			return false;
		}
		next = end + 1;
	} while (*end);
	return true;
}

static const struct param_option table[] = {
	{"name", {0}, "name", param_take_text},
	{"memory", {0}, "memory", param_take_text},
	{"cpus", {0}, "cpus", param_take_number},
	{"guest-cores", {0}, "guest_cores", take_cores},
	{"hypervisor-core", {"hypervisor_core"}, "cpu", param_take_number},
	{"poll", {"hypervisor_core"}, "poll", param_take_text},
	{"split", {0}, "split", take_switch},
	{"dedicated", {0}, "dedicated", take_switch},
	{"exit-rings", {0}, "exit_rings", take_switch},
	{"huge-pages", {0}, "huge_pages", param_take_text},
	{"kernel", {0}, "kernel", take_path},
	{"initrd", {0}, "initrd", take_path},
	{"append", {0}, "command_line", param_take_text},
	{"disk", {0}, "disks", take_device},
	{"nic", {0}, "nics", take_device},
	{"module", {0}, "modules", take_device},
	{"user", {0}, "user", param_take_text},
	{"grace", {0}, "grace", param_take_text},
	{"file", {HOW}, "file", param_take_text},
	{"config", {HOW}, "config", param_take_text},
	{"console", {HOW}, "console", param_take_text},
	{"sandbox", {HOW}, "sandbox", param_take_text},
	{0},
};

/* Without a file there is no other place for these. */
static int check_complete(const json_t *settings)
{
	static const char *const needed[] = {"name", "memory", "kernel"};

	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
		if (!json_object_get(settings, needed[i]))
			return cli_misuse("--%s is missing: a VM that is in no file needs --name, "
					  "--memory and --kernel",
				needed[i]);
	return 0;
}

static int take_sandbox(const json_t *how, enum vm_sandbox *sandbox)
{
	const char *text = json_string_value(json_object_get(how, "sandbox"));
	int place = text ? vm_word_find(vm_sandbox_words, text) : (int)VM_SANDBOX_ON;

	*sandbox = place < 0 ? VM_SANDBOX_ON : (enum vm_sandbox)place;
	if (place >= 0)
		return 0;
	return cli_misuse("--sandbox: '%s' is not one of on, log, off", text);
}

static const char *take(json_t *from, const char *key, json_t *to)
{
	json_t *value = json_object_get(from, key);

	json_object_set(to, key, value);
	json_object_del(from, key);
	return json_string_value(json_object_get(to, key));
}

int vm_options_parse(int argc, char **argv, struct vm_options *options)
{
	json_t *settings = param_options_parse(table, NULL, argc, argv), *how;

	*options = (struct vm_options){.settings = settings};
	if (!settings)
		return EXIT_USAGE;
	how = json_incref(json_object_get(settings, HOW));
	options->how = how ? how : json_object();
	json_object_del(settings, HOW);
	options->name = take(settings, PARAM_ARGUMENT, options->how);
	options->file = json_string_value(json_object_get(how, "file"));
	options->config = json_string_value(json_object_get(how, "config"));
	options->console = json_string_value(json_object_get(how, "console"));
	if (!options->name && !options->file && json_object_size(settings) == 0)
		return cli_misuse(
			"'sluice vm run' needs the NAME of a VM in sluice.yaml, or --file, or "
			"--name, --memory and --kernel");
	if (options->name && options->file)
		return cli_misuse("--file has one VM; drop '%s'", options->name);
	if (!options->name && !options->file && check_complete(settings) != 0)
		return EXIT_USAGE;
	return take_sandbox(how, &options->sandbox);
}

/* ---- what is wrong with them ---- */

static bool is_given(const struct param_option *option, const json_t *settings)
{
	if (option->parent[0])
		settings = json_object_get(settings, option->parent[0]);
	return json_object_get(settings, option->key) != NULL;
}

/* Is `path` that of the option's value, or of a part of it? */
static bool is_path_of(const struct param_option *option, const char *path)
{
	const char *parent = option->parent[0];
	char own[PATH_BYTES];
	size_t length;

	snprintf(own, sizeof own, "%s%s%s", parent ? parent : "", parent ? "." : "", option->key);
	length = strlen(own);
	return strncmp(path, own, length) == 0 && (!path[length] || path[length] == '[');
}

static const char *option_at(const json_t *settings, const char *path)
{
	for (const struct param_option *option = table; option->name; option++)
		if (is_path_of(option, path) && is_given(option, settings))
			return option->name;
	return NULL;
}

void vm_options_complain(const struct vm_options *options, struct problems *problems)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < problems->count; i++) {
		const struct problem *problem = &problems->list[i];
		const char *name = option_at(options->settings, problem->path);

		if (name)
			fprintf(stderr, "sluice: --%s: %s\n", name, problem->text);
		else
			problems->list[kept++] = *problem;
	}
	problems->count = kept;
}

void vm_options_free(struct vm_options *options)
{
	json_decref(options->settings);
	json_decref(options->how);
}
