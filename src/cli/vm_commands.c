#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/param_options.h"
#include "cli/vm_described.h"
#include "cli/vm_find.h"
#include "cli/vm_show.h"
#include "control/configuration/configuration.h"

static void show_list(const json_t *vms)
{
	vm_show_list(vms, stdout);
}

static const struct param_option list_options[] = {
	{"all", {0}, "all", param_take_flag},
	{"config", {0}, "config", param_take_text},
	{0},
};

/* NULL: complained about. */
static json_t *list(const json_t *options)
{
	const char *config = json_string_value(json_object_get(options, "config"));
	struct error error;
	json_t *vms = vm_find_all(&error);

	if (!vms)
		fprintf(stderr, "sluice: %s\n", error.message);
	if (!vms || !json_object_get(options, "all") ||
		vm_described_add(config ? config : CONFIGURATION_FILE_DEFAULT, vms))
		return vms;
	json_decref(vms);
	return NULL;
}

int command_vm_list(const struct cli *cli, int argc, char **argv)
{
	json_t *options = param_options_parse(list_options, NULL, argc, argv);
	int status;

	if (!options)
		return EXIT_USAGE;
	if (json_object_get(options, PARAM_ARGUMENT))
		status = cli_misuse("'sluice vm list' takes no name; see 'sluice vm show'");
	else if (json_object_get(options, "config") && !json_object_get(options, "all"))
		status = cli_misuse("--config says what --all adds; give both");
	else
		status = cli_print(cli, list(options), show_list);
	json_decref(options);
	return status;
}

static void show_one(const json_t *vm)
{
	vm_show(vm, stdout);
}

int command_vm_show(const struct cli *cli, int argc, char **argv)
{
	const char *name = cli_only_argument(argc, argv, "VM");

	if (!name)
		return EXIT_USAGE;
	return cli_print(cli, vm_call(name, "vm.show", json_object()), show_one);
}

static void show_stopped(const json_t *result)
{
	puts("asked to stop");
}

int command_vm_stop(const struct cli *cli, int argc, char **argv)
{
	bool is_now = argc > 1 && strcmp(argv[argc - 1], "--now") == 0;
	const char *name;

	/* Either side of the name. */
	if (argc > 2 && strcmp(argv[1], "--now") == 0) {
		is_now = true;
		argv[1] = argv[2];
	}
	name = cli_only_argument(argc - is_now, argv, "VM");
	if (!name)
		return EXIT_USAGE;
	return cli_print(
		cli, vm_call(name, "vm.stop", json_pack("{s:b}", "now", is_now)), show_stopped);
}
