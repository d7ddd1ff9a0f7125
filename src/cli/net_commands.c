#include <stdio.h>

#include "cli/command.h"
#include "cli/nic_show.h"

static void show_network(const json_t *network)
{
	net_show(network, stdout);
}

int command_net_show(const struct cli *cli, int argc, char **argv)
{
	if (argc > 1)
		return cli_misuse("'sluice net show' takes no arguments");
	return cli_print(cli, cli_call(cli, "net.show", json_object()), show_network);
}
