#include "control/configuration/vm_check.h"

#include <stdlib.h>
#include <string.h>

#include "control/configuration/claims.h"
#include "control/configuration/references.h"
#include "control/configuration/vm_values.h"

typedef int reference(const struct configuration *configuration, const char *name, const char *path,
	struct problems *problems);

/* Promises alone are no NIC. */
static int refer_to_served_nic(const struct configuration *configuration, const char *name,
	const char *path, struct problems *problems)
{
	int index = reference_to_nic(configuration, name, path, problems);

	if (index >= 0 && !configuration->nics[index].device)
		problems_add(
			problems, path, "vNIC '%s' has no 'device'; add 'device: {}' to it", name);
	return index;
}

/* One that only processes of the host reach has no memory for a guest. */
static int refer_to_module_with_region(const struct configuration *configuration, const char *name,
	const char *path, struct problems *problems)
{
	int index = reference_to_module(configuration, name, path, problems);

	if (index >= 0 && !configuration->modules[index].region)
		problems_add(problems, path,
			"module '%s' has no 'region'; add one to it, like /dev/shm/%s", name, name);
	return index;
}

/* What sluiced serves must be in this file; paths may be anybody's. */
static void check_devices(const struct configuration *configuration, reference *refer,
	char *const *devices, unsigned count, const char *list, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];

	for (unsigned i = 0; i < count; i++) {
		path_index(path, list, i);
		if (!strchr(devices[i], '/'))
			refer(configuration, devices[i], path, problems);
	}
}

static void check_vm(const struct configuration *configuration, const struct vm_settings *vm,
	const char *path, struct problems *problems)
{
	struct vm_description *description = calloc(1, sizeof *description);
	char list[PROBLEM_PATH_BYTES];

	if (description)
		values_of_vm(vm, path, description, problems);
	path_key(list, path, "disks");
	check_devices(configuration, reference_to_disk, vm->disks, vm->disks_count, list, problems);
	path_key(list, path, "nics");
	check_devices(configuration, refer_to_served_nic, vm->nics, vm->nics_count, list, problems);
	path_key(list, path, "modules");
	check_devices(configuration, refer_to_module_with_region, vm->modules, vm->modules_count,
		list, problems);
	free(description);
}

void vm_check(const struct configuration *configuration, struct problems *problems)
{
	char path[PROBLEM_PATH_BYTES];
	struct claims names;

	if (claims_init(&names, configuration->vms_count) < 0)
		return;
	for (unsigned i = 0; i < configuration->vms_count; i++) {
		const struct vm_settings *vm = &configuration->vms[i];

		path_index(path, "vms", i);
		check_vm(configuration, vm, path, problems);
		if (vm->name)
			claims_add(&names, i, "%s", vm->name);
	}
	claims_report(&names, "vms", "name", "choose another name", problems);
	claims_free(&names);
}
