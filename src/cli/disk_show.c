#include "cli/disk_show.h"

#include <inttypes.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/table.h"

const char *disk_state(const json_t *disk)
{
	if (cli_is(disk, "is_leaving"))
		return "being removed, waiting for its device";
	if (cli_is(disk, "is_broken"))
		return "stopped: its driver broke the protocol";
	return cli_is(disk, "is_connected") ? "connected" : "waiting for a guest";
}

char *disk_verdict(char *text, const json_t *disk)
{
	uint64_t requests = cli_number(disk, "guaranteed_requests");
	uint64_t missed = cli_number(disk, "guaranteed_missed");

	if (!cli_number(disk, "tier_count"))
		snprintf(text, VERDICT_BYTES, "nothing promised");
	else if (!requests)
		snprintf(text, VERDICT_BYTES, "no guaranteed requests yet");
	else if (!missed)
		snprintf(text, VERDICT_BYTES, "yes, all %" PRIu64 " guaranteed requests in time",
			requests);
	else
		snprintf(text, VERDICT_BYTES,
			"NO, %" PRIu64 " of %" PRIu64 " guaranteed requests late (%.3f%%)", missed,
			requests, 100 * (double)missed / (double)requests);
	return text;
}

static void add_promise(struct table *table, const json_t *tier, size_t number, uint64_t weight)
{
	char burst[UNITS_TEXT_BYTES], rate[UNITS_TEXT_BYTES], within[UNITS_TEXT_BYTES];

	if (!cli_is(tier, "is_guaranteed")) {
		table_add(table, "best effort");
		table_add(table, "weight %" PRIu64, weight);
		return;
	}
	table_add(table, "tier %zu", number);
	table_add(table, "%s + %s/s within %s",
		units_format_count(burst, (uint64_t)cli_real(tier, "burst_units")),
		units_format_count(rate, (uint64_t)cli_real(tier, "rate_units_per_s")),
		units_format_duration(within, cli_number(tier, "within_ns")));
}

static void add_counts(struct table *table, const json_t *tier)
{
	uint64_t met = cli_number(tier, "met"), missed = cli_number(tier, "missed");

	table_add(table, "%" PRIu64, cli_number(tier, "requests"));
	if (!cli_is(tier, "is_guaranteed")) {
		table_add(table, "-");
		table_add(table, "-");
	} else {
		table_add(table, "%.3f%%",
			met + missed ? 100 * (double)met / (double)(met + missed) : 100);
		table_add(table, "%" PRIu64, missed);
	}
	table_add(table, "%.1f%%", 100 * cli_real(tier, "share_of_pool"));
}

static void add_latency(struct table *table, const json_t *tier)
{
	static const char *const quantiles[] = {"p50", "p99", "p99.9", "max"};
	const json_t *latency_ns = json_object_get(tier, "latency_ns");
	char text[UNITS_TEXT_BYTES];

	for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
		table_add(table, "%s",
			cli_number(tier, "requests")
				? units_format_duration(text, cli_number(latency_ns, quantiles[i]))
				: "-");
}

static void show_tiers(const json_t *disk, FILE *to)
{
	const json_t *tiers = json_object_get(disk, "tiers"), *tier;
	struct table table;
	size_t index;

	table_init(&table,
		"TIER|PROMISE (UNITS)|>REQUESTS|>IN TIME|>LATE|>OF POOL|>P50|>P99|>P99.9|>MAX");
	json_array_foreach (tiers, index, tier) {
		add_promise(&table, tier, index + 1, cli_number(disk, "weight"));
		add_counts(&table, tier);
		add_latency(&table, tier);
	}
	table_print(&table, to);
}

static void show_limit(const json_t *disk, FILE *to)
{
	const json_t *limit = json_object_get(disk, "limit");
	uint64_t operations = cli_number(limit, "operations_per_s");
	uint64_t bytes = cli_number(limit, "bytes_per_s");
	char text[UNITS_TEXT_BYTES];

	if (operations)
		fprintf(to, "limit    %s IOPS\n", units_format_count(text, operations));
	if (bytes)
		fprintf(to, "limit    %s/s\n", units_format_bytes(text, bytes));
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
	fprintf(to, "promise kept: %s\n\n", disk_verdict(verdict, disk));
	show_tiers(disk, to);
	show_image(disk, to);
	fprintf(to, "socket   %s, %" PRIu64 " queues\n", cli_text(disk, "socket"),
		cli_number(disk, "queues"));
	show_limit(disk, to);
	show_statistics(disk, to);
}
