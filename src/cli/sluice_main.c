/* sluice: a table of subcommands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/bench_disk.h"
#include "cli/bench_exits.h"
#include "cli/command.h"
#include "cli/help.h"
#include "control/socket/run_directory.h"

#define NAME_BYTES_MAX 64

static int command_help(const struct cli *cli, int argc, char **argv);
static int command_version(const struct cli *cli, int argc, char **argv);
static int command_bench(const struct cli *cli, int argc, char **argv);

static const struct command commands[] = {
	{"disk list", command_disk_list, "", "the disks, and whether their promises were kept"},
	{"disk show", command_disk_show, "NAME",
		"one disk: tier by tier, what was promised and done"},
	{"disk add", command_disk_add, "NAME [OPTIONS]", "begin to serve a disk"},
	{"disk set", command_disk_set, "NAME [OPTIONS]",
		"change a disk's SLO or size while it runs"},
	{"disk remove", command_disk_remove, "NAME [--delete-image]", "stop serving a disk"},
	{"pool list", command_pool_list, "", "the pools: capacity, and how much is promised"},
	{"pool show", command_pool_show, "NAME", "one pool, its device and its sidecore"},
	{"sidecore list", command_sidecore_list, "",
		"the hypervisor cores and what they have done"},
	{"nic list", command_nic_list, "", "the vNICs: promises, and what they use"},
	{"nic show", command_nic_show, "NAME", "one vNIC, and whom it talks to"},
	{"nic add", command_nic_add, "NAME --netdev DEV [OPTIONS]",
		"begin to keep promises to a vNIC"},
	{"nic set", command_nic_set, "NAME [OPTIONS]", "change a vNIC's promises under traffic"},
	{"nic remove", command_nic_remove, "NAME", "take a vNIC's promises and limits away"},
	{"net show", command_net_show, "", "this host's link, and what its agent has done"},
	{"net top", command_net_top, "[OPTIONS]", "watch vNICs and their busiest pairs"},
	{"module list", command_module_list, "", "the modules that run, and what they have done"},
	{"module show", command_module_show, "NAME", "one module, and what it says of itself"},
	{"module restart", command_module_restart, "NAME",
		"end a module's process, and start it again"},
	{"vm run", command_vm_run, "[NAME] [OPTIONS]", "run a VM, its console on this terminal"},
	{"vm list", command_vm_list, "[--all]",
		"the VMs that run here; --all: and those in sluice.yaml"},
	{"vm show", command_vm_show, "NAME", "one VM: what it was given"},
	{"vm stat", command_vm_stat, "NAME [OPTIONS]", "a VM's exits, and what they cost"},
	{"vm stop", command_vm_stop, "[--now] NAME",
		"press a VM's power button, or end it at once"},
	{"bench disk", command_bench, "SOCKET [OPTIONS]",
		"drive a vhost-user-blk socket without a VM"},
#ifdef SLUICE_HAS_VMM
	{"bench exits", command_bench, "[OPTIONS]", "what leaving a guest costs on this CPU"},
#endif
	{"demo net", command_demo_net, "[OPTIONS]", "a guarantee against a crowd, on this machine"},
	{"reload", command_reload, "", "apply what has changed in sluice.yaml"},
	{"export", command_export, "", "print the running configuration as sluice.yaml"},
	{"status", command_status, "", "the daemon: version, process, how much it serves"},
	{"version", command_version, "", "the version of this command"},
	{"help", command_help, "[COMMAND]", "this text, or what of it is about a command"},
};

#define COMMANDS (sizeof commands / sizeof *commands)

/* Of `sluice help disk`, what begins with "disk". */
static int command_help(const struct cli *cli, int argc, char **argv)
{
	help_print(commands, COMMANDS, argc ? argv + 1 : argv);
	return EXIT_SUCCESS;
}

/* `sluice disk --help` is `sluice help disk`. */
static int help_on(int argc, char **argv)
{
	char *words[] = {NULL, NULL, NULL};

	for (int i = 0; i < argc && i < 2 && *argv[i] != '-'; i++)
		words[i] = argv[i];
	help_print(commands, COMMANDS, words);
	return EXIT_SUCCESS;
}

static int command_version(const struct cli *cli, int argc, char **argv)
{
	return puts("sluice " SLUICE_VERSION) < 0;
}

static int run_bench(int argc, char **argv)
{
#ifdef SLUICE_HAS_VMM
	if (strcmp(argv[0], "sluice bench exits") == 0)
		return command_bench_exits(argc, argv);
#endif
	return command_bench_disk(argc, argv);
}

/* These have their own options, --json among them. */
static int command_bench(const struct cli *cli, int argc, char **argv)
{
	static char json[] = "--json";
	char name[NAME_BYTES_MAX + sizeof "sluice "];
	char **all = calloc((size_t)argc + 2, sizeof *all);
	int count = argc, status;

	if (!all)
		return EXIT_FAILURE;
	memcpy(all, argv, (size_t)argc * sizeof *all);
	snprintf(name, sizeof name, "sluice %s", argv[0]);
	all[0] = name;
	if (cli->is_json)
		all[count++] = json;
	status = run_bench(count, all);
	free(all);
	return status;
}

/* Does the command line begin with this command? Returns how many words it is, 0 if it does not. */
static int match(const char *name, int argc, char **argv)
{
	const char *space = strchr(name, ' ');
	size_t first = space ? (size_t)(space - name) : strlen(name);

	if (argc < 1 || strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
		return 0;
	if (!space)
		return 1;
	return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

/* "'disk list', 'disk show'": the commands that begin with a word. Returns false if there are none. */
static bool list_group(const char *word, char *text, size_t size)
{
	size_t length = strlen(word), used = 0;

	for (size_t i = 0; i < COMMANDS && used < size; i++)
		if (strncmp(commands[i].name, word, length) == 0 && commands[i].name[length] == ' ')
			used += (size_t)snprintf(text + used, size - used, "%s'%s'",
				used ? ", " : "", commands[i].name);
	return used > 0;
}

static int unknown_command(int argc, char **argv)
{
	char group[256], word[2 * NAME_BYTES_MAX];
	const char *names[COMMANDS], *nearest;

	if (argc == 1 && list_group(argv[0], group, sizeof group))
		return cli_misuse("'sluice %s' alone is no command; there are %s", argv[0], group);
	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	snprintf(
		word, sizeof word, "%s%s%s", argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	nearest = suggest_nearest(word, names, COMMANDS);
	if (!nearest)
		nearest = suggest_nearest(argv[0], names, COMMANDS);
	return cli_misuse("there is no command '%s'%s%s%s", word, nearest ? "; did you mean '" : "",
		nearest ? nearest : "", nearest ? "'?" : "");
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* Take --control and --json out, wherever they stand. Returns false if one lacks its value. */
static bool take_global_options(struct cli *cli, int *argc, char **argv)
{
	int kept = 0;

	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			cli->is_json = true;
		} else if (strncmp(argv[i], "--control=", 10) == 0) {
			cli->control = argv[i] + 10;
		} else if (strcmp(argv[i], "--control") == 0) {
			if (++i == *argc)
				return false;
			cli->control = argv[i];
		} else {
			argv[kept++] = argv[i];
		}
	}
	argv[kept] = NULL;
	*argc = kept;
	return true;
}

int main(int argc, char **argv)
{
	struct cli cli = {.control = run_directory_control_socket()};
	static char name[NAME_BYTES_MAX];

	argc--, argv++;
	if (!take_global_options(&cli, &argc, argv))
		return cli_misuse("--control needs the path of a socket");
	if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return help_on(argc, argv), argc ? EXIT_SUCCESS : EXIT_USAGE;
	if (strcmp(argv[0], "--version") == 0)
		return command_version(&cli, argc, argv);
	for (size_t i = 0; i < COMMANDS; i++) {
		int words = match(commands[i].name, argc, argv);

		if (!words)
			continue;
		/* These have a help of their own. */
		if (commands[i].run != command_bench && commands[i].run != command_demo_net &&
			asks_for_help(argc - words, argv + words))
			return help_on(argc, argv);
		snprintf(name, sizeof name, "%s", commands[i].name);
		argv[words - 1] = name;
		return commands[i].run(&cli, argc - words + 1, argv + words - 1);
	}
	return asks_for_help(argc, argv) ? help_on(argc, argv) : unknown_command(argc, argv);
}
