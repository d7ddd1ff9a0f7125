#include <stdio.h>

#include "cli/command.h"
#include "cli/module_show.h"

static void show_list(const json_t *modules)
{
	module_show_list(modules, stdout);
}

int command_module_list(const struct cli *cli, int argc, char **argv)
{
	if (argc > 1)
		return cli_misuse("'sluice module list' takes no arguments");
	return cli_print(cli, cli_call(cli, "module.list", json_object()), show_list);
}

static void show_module(const json_t *module)
{
	module_show(module, stdout);
}

int command_module_show(const struct cli *cli, int argc, char **argv)
{
	const char *name = cli_only_argument(argc, argv, "module");

	if (!name)
		return EXIT_USAGE;
	return cli_print(
		cli, cli_call(cli, "module.show", json_pack("{s:s}", "name", name)), show_module);
}

static void show_restarted(const json_t *result)
{
	puts("it ends, and starts again");
}

int command_module_restart(const struct cli *cli, int argc, char **argv)
{
	const char *name = cli_only_argument(argc, argv, "module");

	if (!name)
		return EXIT_USAGE;
	return cli_print(cli, cli_call(cli, "module.restart", json_pack("{s:s}", "name", name)),
		show_restarted);
}
