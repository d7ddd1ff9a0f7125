#include "cli/slo_show.h"

#include <inttypes.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/table.h"

char *slo_verdict(char *text, const json_t *member)
{
	uint64_t requests = cli_number(member, "guaranteed_requests");
	uint64_t missed = cli_number(member, "guaranteed_missed");

	if (!cli_number(member, "tier_count"))
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

void slo_show_tiers(const json_t *member, FILE *to)
{
	const json_t *tiers = json_object_get(member, "tiers"), *tier;
	struct table table;
	size_t index;

	table_init(&table,
		"TIER|PROMISE (UNITS)|>REQUESTS|>IN TIME|>LATE|>OF POOL|>P50|>P99|>P99.9|>MAX");
	json_array_foreach (tiers, index, tier) {
		add_promise(&table, tier, index + 1, cli_number(member, "weight"));
		add_counts(&table, tier);
		add_latency(&table, tier);
	}
	table_print(&table, to);
}

void slo_show_limit(const json_t *member, FILE *to)
{
	const json_t *limit = json_object_get(member, "limit");
	uint64_t operations = cli_number(limit, "operations_per_s");
	uint64_t bytes = cli_number(limit, "bytes_per_s");
	char text[UNITS_TEXT_BYTES];

	if (operations)
		fprintf(to, "limit    %s IOPS\n", units_format_count(text, operations));
	if (bytes)
		fprintf(to, "limit    %s/s\n", units_format_bytes(text, bytes));
}
