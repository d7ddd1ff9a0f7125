#include "cli/disk_show.h"

#include <inttypes.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/slo_show.h"

const char *disk_state(const json_t *disk)
{
	if (cli_is(disk, "is_leaving"))
		return "being removed, waiting for its device";
	if (cli_is(disk, "is_broken"))
		return "stopped: its driver broke the protocol";
	return cli_is(disk, "is_connected") ? "connected" : "waiting for a guest";
}

static void show_statistics(const json_t *disk, FILE *to)
{
	const json_t *statistics = json_object_get(disk, "statistics");
	char read[UNITS_TEXT_BYTES], written[UNITS_TEXT_BYTES];

	fprintf(to,
		"traffic  %" PRIu64 " reads (%s), %" PRIu64 " writes (%s), %" PRIu64
		" flushes, %" PRIu64 " discards, %" PRIu64 " write zeroes\n",
		cli_number(statistics, "reads"),
		units_format_bytes(read, cli_number(statistics, "read_bytes")),
		cli_number(statistics, "writes"),
		units_format_bytes(written, cli_number(statistics, "write_bytes")),
		cli_number(statistics, "flushes"), cli_number(statistics, "discards"),
		cli_number(statistics, "write_zeroes"));
	fprintf(to, "         %" PRIu64 " in flight, %" PRIu64 " errors, %" PRIu64 " reconnects\n",
		cli_number(statistics, "in_flight"), cli_number(statistics, "errors"),
		cli_number(statistics, "reconnects"));
}

/* Where the bytes are. */
static void show_image(const json_t *disk, FILE *to)
{
	const char *image = cli_text(disk, "image");

	fprintf(to, "\npool     %s, %s %s%s%s\n", cli_text(disk, "pool"),
		*image ? "image" : "back end", *image ? image : cli_text(disk, "backend"),
		cli_is(disk, "is_read_only") ? ", read-only" : "",
		cli_is(disk, "is_direct") ? ", O_DIRECT" : "");
}

void disk_show(const json_t *disk, FILE *to)
{
	char size[UNITS_TEXT_BYTES], verdict[VERDICT_BYTES];

	fprintf(to, "disk %s, %s, %s\n", cli_text(disk, "name"),
		units_format_bytes(size, cli_number(disk, "size_bytes")), disk_state(disk));
	fprintf(to, "promise kept: %s\n\n", slo_verdict(verdict, disk));
	slo_show_tiers(disk, to);
	show_image(disk, to);
	fprintf(to, "socket   %s, %" PRIu64 " queues\n", cli_text(disk, "socket"),
		cli_number(disk, "queues"));
	slo_show_limit(disk, to);
	show_statistics(disk, to);
}
