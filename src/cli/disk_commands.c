#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/disk_options.h"
#include "cli/disk_show.h"
#include "cli/slo_show.h"
#include "cli/table.h"

static void show_list(const json_t *disks)
{
	char size[UNITS_TEXT_BYTES], verdict[VERDICT_BYTES];
	struct table table;
	json_t *disk;
	size_t index;

	table_init(&table, "NAME|POOL|>SIZE|STATE|SOCKET|PROMISE KEPT");
	json_array_foreach (disks, index, disk) {
		table_add(&table, "%s", cli_text(disk, "name"));
		table_add(&table, "%s", cli_text(disk, "pool"));
		table_add(&table, "%s", units_format_bytes(size, cli_number(disk, "size_bytes")));
		table_add(&table, "%s", disk_state(disk));
		table_add(&table, "%s", cli_text(disk, "socket"));
		table_add(&table, "%s", slo_verdict(verdict, disk));
	}
	table_print(&table, stdout);
}

int command_disk_list(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "disk list", "disk.list", show_list);
}

static void show_disk(const json_t *disk)
{
	disk_show(disk, stdout);
}

int command_disk_show(const struct cli *cli, int argc, char **argv)
{
	return cli_print_named(cli, argc, argv, "disk", "disk.show", show_disk);
}

static void show_added(const json_t *disk)
{
	printf("disk %s listens on %s\n", cli_text(disk, "name"), cli_text(disk, "socket"));
}

int command_disk_add(const struct cli *cli, int argc, char **argv)
{
	json_t *params = disk_options_parse(argc, argv);

	if (!params)
		return EXIT_USAGE;
	return cli_print(cli, cli_call(cli, "disk.add", params), show_added);
}

static void show_set(const json_t *disk)
{
	printf("disk %s changed\n", cli_text(disk, "name"));
}

/* What a running disk can change; the daemon would ignore the rest. */
static const char *fixed_option(const json_t *params)
{
	static const char *const changeable[] = {"name", "size", "slo"};
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)params, key, value) {
		bool is_fixed = true;

		for (size_t i = 0; i < sizeof changeable / sizeof *changeable; i++)
			is_fixed &= strcmp(key, changeable[i]) != 0;
		if (is_fixed)
			return key;
	}
	return NULL;
}

int command_disk_set(const struct cli *cli, int argc, char **argv)
{
	json_t *params = disk_options_parse(argc, argv);
	const char *fixed = params ? fixed_option(params) : NULL;
	int status;

	if (!params)
		return EXIT_USAGE;
	if (!fixed && json_object_size(params) > 1)
		return cli_print(cli, cli_call(cli, "disk.set", params), show_set);
	if (fixed)
		status = cli_misuse(
			"'%s' cannot change while a disk runs; remove and add the disk", fixed);
	else
		status = cli_misuse("'sluice disk set' needs something to change: --size, --tier, "
				    "--weight or a --limit");
	json_decref(params);
	return status;
}

static void show_removed(const json_t *result)
{
	const char *image = cli_text(result, "image");

	if (cli_is(result, "is_deleted"))
		printf("removed, and deleted its image %s\n", image);
	else
		printf("removed%s%s\n", *image ? "; its image stays: " : "", image);
}

int command_disk_remove(const struct cli *cli, int argc, char **argv)
{
	const char *name = NULL;
	bool is_deleting = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--delete-image") == 0)
			is_deleting = true;
		else if (!name && argv[i][0] != '-')
			name = argv[i];
		else
			return cli_misuse("'sluice disk remove' does not understand '%s'", argv[i]);
	}
	if (!name)
		return cli_misuse("'sluice disk remove' needs the name of a disk");
	return cli_print(cli,
		cli_call(cli, "disk.remove",
			json_pack("{s:s, s:b}", "name", name, "delete_image", is_deleting)),
		show_removed);
}
