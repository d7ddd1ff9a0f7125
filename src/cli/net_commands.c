#include <stdio.h>

#include "cli/command.h"
#include "cli/nic_show.h"

static void show_network(const json_t *network)
{
	net_show(network, stdout);
}

int command_net_show(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "net show", "net.show", show_network);
}
