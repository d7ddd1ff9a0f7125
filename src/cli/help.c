#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#define COMMAND_BYTES_MAX 64

/* Text for some commands: their names, of which any will do. */
struct section {
	const char *commands[3];
	const char *text;
};

static const struct section sections[] = {
	{{"disk add", "disk set"},
		"Options of disk add and disk set:\n"
		"  --size 1GiB                        size; set can only grow it\n"
		"  --tier burst=64,rate=2000,within=5ms   a tier, tightest first; 'none' for no "
		"tier\n"
		"  --weight N                         share of best effort\n"
		"  --limit-iops N --limit-bytes N     a ceiling per second (and ...-burst)\n"},
	{{"disk add"},
		"Options of disk add alone:\n"
		"  --pool NAME --image FILE --socket PATH --queues N --serial TEXT --read-only\n"},
	{{"nic add", "nic set"},
		"Options of nic add and nic set:\n"
		"  --receive-min 500Mbit --send-min 100Mbit     guaranteed\n"
		"  --receive-max 1Gbit --send-max 1Gbit         a ceiling; 'none' takes one back\n"
		"  --address ADDRESS                  again for each further one\n"
		"  --weight N                         share of what is left\n"},
	{{"nic add"},
		"Options of nic add alone:\n"
		"  --netdev DEV                       the host's end of the vNIC: a tap, a veth\n"
		"  --serve                            be its guest's virtio-net device, too; so "
		"do\n"
		"  --sidecore NAME --socket PATH --mac ADDRESS --queues N --mtu N\n"},
	{{"net top", "vm stat"}, "Options of net top and vm stat:\n"
				 "  --interval 1s                      from one look to the next\n"
				 "  --count N                          looks: for ever (net top), "
				 "or one (vm stat)\n"},
	{{"vm list"}, "Options of vm list:\n"
		      "  --all                              and those that sluice.yaml describes\n"
		      "  --config FILE                      another sluice.yaml\n"},
	{{"vm run"},
		"Options of vm run, each before what sluice.yaml says of NAME:\n"
		"  --name NAME --memory SIZE --kernel FILE      without NAME, all that is needed\n"
		"  --initrd FILE --append TEXT                  and what else the kernel is given\n"
		"  --disk NAME|PATH --nic NAME|PATH --module NAME|PATH\n"
		"                                               again for each further one\n"
		"  --cpus N --guest-cores 2,3 --dedicated on    where the guest runs\n"
		"  --split off --hypervisor-core N --poll 50us  where its exits are handled\n"
		"  --exit-rings on --huge-pages auto|never|always --user NAME --grace 30s\n"
		"  --file FILE | --config FILE                  a VM by itself; or sluice.yaml\n"
		"  --console FILE --sandbox on|log|off\n"
		"On a terminal, Ctrl-A x ends the VM and Ctrl-A p presses its power button.\n"},
};

/* Does a command begin with these words? All do with none. */
static bool begins_with(const char *command, char *const *words)
{
	const char *rest;

	if (!words[0])
		return true;
	rest = command + strlen(words[0]);
	if (strncmp(command, words[0], strlen(words[0])) != 0 || (*rest && *rest != ' '))
		return false;
	return !words[1] || !*rest || strcmp(rest + 1, words[1]) == 0;
}

static bool is_any_known(const struct command *commands, size_t count, char *const *words)
{
	for (size_t i = 0; i < count; i++)
		if (begins_with(commands[i].name, words))
			return true;
	return false;
}

static void print_command(const struct command *command)
{
	char usage[COMMAND_BYTES_MAX];

	snprintf(usage, sizeof usage, "%s %s", command->name, command->arguments);
	printf("  %-34s %s\n", usage, command->line);
}

static bool is_about(const struct section *section, char *const *words)
{
	for (unsigned i = 0; section->commands[i]; i++)
		if (begins_with(section->commands[i], words))
			return true;
	return false;
}

void help_print(const struct command *commands, size_t count, char *const *words)
{
	static char *const none[] = {NULL};

	if (!is_any_known(commands, count, words))
		words = none;
	puts("Usage: sluice [--control SOCKET] [--json] COMMAND\n");
	for (size_t i = 0; i < count; i++)
		if (begins_with(commands[i].name, words))
			print_command(&commands[i]);
	putchar('\n');
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
		if (is_about(&sections[i], words))
			puts(sections[i].text);
	puts("See sluice(1).");
}
