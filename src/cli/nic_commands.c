#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/nic_show.h"
#include "cli/param_options.h"

/* "none" takes what was set before back. */
static bool take_bandwidth(json_t *object, const struct param_option *option, char *text)
{
	if (strcmp(text, "none") != 0)
		return param_take_text(object, option, text);
	json_object_set_new(object, option->key, json_null());
	return true;
}

static bool take_address(json_t *object, const struct param_option *option, char *text)
{
	json_t *addresses = json_object_get(object, option->key);

	if (!addresses)
		json_object_set_new(object, option->key, addresses = json_array());
	if (strcmp(text, "none") != 0)
		json_array_append_new(addresses, json_string(text));
	return true;
}

static const struct param_option options[] = {
	{"netdev", {0}, "netdev", param_take_text},
	{"address", {0}, "addresses", take_address},
	{"send-min", {"send"}, "min", take_bandwidth},
	{"send-max", {"send"}, "max", take_bandwidth},
	{"receive-min", {"receive"}, "min", take_bandwidth},
	{"receive-max", {"receive"}, "max", take_bandwidth},
	{"weight", {0}, "weight", param_take_number},
	{"serve", {"device"}, NULL, param_take_presence},
	{"sidecore", {"device"}, "sidecore", param_take_text},
	{"socket", {"device"}, "socket", param_take_text},
	{"mac", {"device"}, "mac", param_take_text},
	{"queues", {"device"}, "queues", param_take_number},
	{"mtu", {"device"}, "mtu", param_take_number},
	{0},
};

static void show_list(const json_t *nics)
{
	nic_show_list(nics, stdout);
}

int command_nic_list(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "nic list", "nic.list", show_list);
}

static void show_nic(const json_t *nic)
{
	nic_show(nic, stdout);
}

int command_nic_show(const struct cli *cli, int argc, char **argv)
{
	return cli_print_named(cli, argc, argv, "vNIC", "nic.show", show_nic);
}

static void show_added(const json_t *nic)
{
	const json_t *device = json_object_get(nic, "device");

	printf("vNIC %s on %s%s\n", cli_text(nic, "name"), cli_text(nic, "netdev"),
		cli_is(nic, "is_present") ? "" : ", which is not there yet");
	if (json_is_object(device))
		printf("socket %s\n", cli_text(device, "socket"));
}

int command_nic_add(const struct cli *cli, int argc, char **argv)
{
	json_t *params = param_options_parse(options, "vNIC", argc, argv);
	int status;

	if (!params)
		return EXIT_USAGE;
	if (json_object_get(params, "netdev"))
		return cli_print(cli, cli_call(cli, "nic.add", params), show_added);
	status = cli_misuse("'sluice nic add' needs --netdev: the host's end of the vNIC");
	json_decref(params);
	return status;
}

static void show_set(const json_t *nic)
{
	printf("vNIC %s changed\n", cli_text(nic, "name"));
}

int command_nic_set(const struct cli *cli, int argc, char **argv)
{
	json_t *params = param_options_parse(options, "vNIC", argc, argv);
	int status;

	if (!params)
		return EXIT_USAGE;
	if (json_object_size(params) > 1)
		return cli_print(cli, cli_call(cli, "nic.set", params), show_set);
	status = cli_misuse("'sluice nic set' needs something to change: --send-min, --send-max, "
			    "--receive-min, --receive-max, --weight or --address");
	json_decref(params);
	return status;
}

static void show_removed(const json_t *result)
{
	puts("removed");
}

int command_nic_remove(const struct cli *cli, int argc, char **argv)
{
	return cli_print_named(cli, argc, argv, "vNIC", "nic.remove", show_removed);
}
