#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/vm_find.h"
#include "cli/vm_show.h"

static void show_list(const json_t *vms)
{
	vm_show_list(vms, stdout);
}

int command_vm_list(const struct cli *cli, int argc, char **argv)
{
	struct error error;
	json_t *all;

	if (argc > 1)
		return cli_misuse("'sluice vm list' takes no arguments");
	all = vm_find_all(&error);
	if (!all)
		fprintf(stderr, "sluice: %s\n", error.message);
	return cli_print(cli, all, show_list);
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
