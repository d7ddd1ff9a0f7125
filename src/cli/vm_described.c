#include "cli/vm_described.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "control/configuration/configuration.h"
#include "control/configuration/vm_values.h"

static bool has(const json_t *vms, const char *name)
{
	json_t *vm;
	size_t index;

	json_array_foreach ((json_t *)vms, index, vm)
		if (strcmp(cli_text(vm, "name"), name) == 0)
			return true;
	return false;
}

/* The file has been checked, its VMs with it. */
static void add(const struct vm_settings *settings, struct vm_description *description,
	struct problems *problems, json_t *vms)
{
	values_of_vm(settings, "", description, problems);
	if (!has(vms, description->name))
		json_array_append_new(vms, vm_description_encode(description));
}

static bool add_all(const char *file, struct vm_description *description, struct problems *problems,
	json_t *vms)
{
	struct configuration *configuration;
	struct error error;
	int result = configuration_load_file(file, &configuration, problems, &error);

	if (problems->count)
		problems_print(problems, file, stderr);
	else if (result < 0)
		fprintf(stderr, "sluice: %s\n", error.message);
	for (unsigned i = 0; result == 0 && i < configuration->vms_count; i++)
		add(&configuration->vms[i], description, problems, vms);
	configuration_free(configuration);
	return result == 0;
}

bool vm_described_add(const char *file, json_t *vms)
{
	struct vm_description *description = calloc(1, sizeof *description);
	struct problems *problems = calloc(1, sizeof *problems);
	const bool is_done = description && problems && add_all(file, description, problems, vms);

	free(description);
	free(problems);
	return is_done;
}
