#include "cli/vm_find.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "control/socket/control_client.h"
#include "control/socket/run_directory.h"

#define SUFFIX ".sock"

static int is_socket_name(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name), tail = strlen(SUFFIX);

	return length > tail && strcmp(entry->d_name + length - tail, SUFFIX) == 0;
}

static void add(json_t *all, const char *directory, const char *file)
{
	char path[PATH_MAX];
	json_t *vm = NULL;

	if (snprintf(path, sizeof path, "%s/%s", directory, file) < (int)sizeof path &&
		control_call(path, "vm.show", json_object(), &vm, NULL) == 0)
		json_array_append(all, vm);
	json_decref(vm);
}

json_t *vm_find_all(struct error *error)
{
	char directory[PATH_MAX];
	json_t *all = json_array();
	struct dirent **entries;
	int count;

	run_directory_vms(directory, sizeof directory);
	count = scandir(directory, &entries, is_socket_name, alphasort);
	if (count < 0 && errno != ENOENT) {
		error_set(error, -errno, "cannot look into %s: %s", directory, strerror(errno));
		json_decref(all);
		return NULL;
	}
	for (int i = 0; i < count; i++) {
		add(all, directory, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return all;
}

static int not_running(const char *name, struct error *error)
{
	char names[ERROR_MESSAGE_BYTES / 2] = "none";
	json_t *all = vm_find_all(NULL), *vm;
	size_t used = 0, index;

	json_array_foreach (all, index, vm)
		if (used < sizeof names)
			used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
				used ? ", " : "", cli_text(vm, "name"));
	json_decref(all);
	return error_set(error, -ENOENT, "no VM '%s' is running; there is: %s", name, names);
}

static bool is_plain(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

int vm_ask(
	const char *name, const char *method, json_t *params, json_t **result, struct error *error)
{
	char path[PATH_MAX];
	int code;

	*result = NULL;
	run_directory_vm_socket(name, path, sizeof path);
	if (!is_plain(name) || access(path, F_OK) < 0) {
		json_decref(params);
		return not_running(name, error);
	}
	code = control_call(path, method, params, result, error);
	return code == -ECONNREFUSED || code == -ENOENT ? not_running(name, error) : code;
}

json_t *vm_call(const char *name, const char *method, json_t *params)
{
	json_t *result = NULL;
	struct error error;

	if (vm_ask(name, method, params, &result, &error) == 0)
		return result;
	fprintf(stderr, "sluice: %s\n", error.message);
	return NULL;
}
