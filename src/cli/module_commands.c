#include <stdio.h>

#include "cli/command.h"
#include "cli/module_show.h"

static void show_list(const json_t *modules)
{
	module_show_list(modules, stdout);
}

int command_module_list(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "module list", "module.list", show_list);
}

static void show_module(const json_t *module)
{
	module_show(module, stdout);
}

int command_module_show(const struct cli *cli, int argc, char **argv)
{
	return cli_print_named(cli, argc, argv, "module", "module.show", show_module);
}

static void show_restarted(const json_t *result)
{
	puts("it ends, and starts again");
}

int command_module_restart(const struct cli *cli, int argc, char **argv)
{
	return cli_print_named(cli, argc, argv, "module", "module.restart", show_restarted);
}
