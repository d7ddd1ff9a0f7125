#include "cli/module_show.h"

#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/slo_show.h"
#include "cli/table.h"

static void add_number(struct table *table, const json_t *object, const char *key)
{
	table_add(table, "%" PRIu64, cli_number(object, key));
}

void module_show_list(const json_t *modules, FILE *to)
{
	struct table table;
	json_t *module;
	size_t index;

	table_init(
		&table, "NAME|MODULE|STATE|>PID|>RESTARTS|>CLIENTS|>REQUESTS|>WAITED|>DOORBELLS");
	json_array_foreach (modules, index, module) {
		const json_t *counters = json_object_get(module, "counters");

		table_add(&table, "%s", cli_text(module, "name"));
		table_add(&table, "%s", cli_text(module, "module"));
		table_add(&table, "%s", cli_text(module, "state"));
		add_number(&table, module, "pid");
		add_number(&table, module, "restarts");
		add_number(&table, counters, "connections");
		add_number(&table, counters, "requests");
		add_number(&table, counters, "would_wait");
		add_number(&table, counters, "doorbells");
	}
	table_print(&table, to);
}

static void show_limits(const json_t *module, FILE *to)
{
	uint64_t memory_bytes = cli_number(module, "memory_bytes_max");
	double cpus = cli_real(module, "cpus_max");
	char memory[UNITS_TEXT_BYTES];

	if (!memory_bytes && cpus <= 0)
		return;
	fputs("limits    ", to);
	if (memory_bytes)
		fprintf(to, "%s of memory%s", units_format_bytes(memory, memory_bytes),
			cpus > 0 ? ", " : "");
	if (cpus > 0)
		fprintf(to, "%g CPUs", cpus);
	fputs(cli_is(module, "has_limits") ? "\n" : "; not in force, see the log\n", to);
}

static void show_counters(const json_t *counters, FILE *to)
{
	char received[UNITS_TEXT_BYTES], sent[UNITS_TEXT_BYTES];

	fprintf(to,
		"clients   %" PRIu64 " now, %" PRIu64 " ever; %" PRIu64 " were hung up on, %" PRIu64
		" broke the protocol\n",
		cli_number(counters, "connections"), cli_number(counters, "connections_total"),
		cli_number(counters, "hung_up"), cli_number(counters, "broken"));
	fprintf(to,
		"requests  %" PRIu64 " (%s in, %s out), %" PRIu64 " waited, workers: %" PRIu64 "\n",
		cli_number(counters, "requests"),
		units_format_bytes(received, cli_number(counters, "received_bytes")),
		units_format_bytes(sent, cli_number(counters, "sent_bytes")),
		cli_number(counters, "would_wait"), cli_number(counters, "workers"));
	fprintf(to, "doorbells %" PRIu64 ", %" PRIu64 " calls\n", cli_number(counters, "doorbells"),
		cli_number(counters, "calls"));
}

/* What its I/O was promised, and was. */
static void show_gate(const json_t *gate, FILE *to)
{
	const json_t *statistics = json_object_get(gate, "statistics");
	char read[UNITS_TEXT_BYTES], written[UNITS_TEXT_BYTES], verdict[VERDICT_BYTES];

	if (!json_is_object(gate))
		return;
	fprintf(to, "\npool %s; promise kept: %s\n\n", cli_text(gate, "pool"),
		slo_verdict(verdict, gate));
	slo_show_tiers(gate, to);
	fputs("\n", to);
	slo_show_limit(gate, to);
	fprintf(to,
		"traffic  %" PRIu64 " reads (%s), %" PRIu64 " writes, %" PRIu64
		" flushes (%s written), %" PRIu64 " in flight, %" PRIu64 " overdue\n",
		cli_number(statistics, "reads"),
		units_format_bytes(read, cli_number(statistics, "read_bytes")),
		cli_number(statistics, "writes"), cli_number(statistics, "flushes"),
		units_format_bytes(written, cli_number(statistics, "write_bytes")),
		cli_number(statistics, "in_flight"), cli_number(statistics, "overdue"));
}

/* The module's own words, each line a little to the right. */
static void show_status(const char *text, FILE *to)
{
	if (*text)
		fputs("\n", to);
	while (*text) {
		int length = (int)strcspn(text, "\n");

		fprintf(to, "  %.*s\n", length, text);
		text += length + (text[length] == '\n');
	}
}

void module_show(const json_t *module, FILE *to)
{
	const char *region = cli_text(module, "region"), *trouble = cli_text(module, "trouble");
	const char *group = cli_text(module, "group");

	fprintf(to, "module %s (%s), %s, process %" PRIu64 ", %" PRIu64 " restarts\n",
		cli_text(module, "name"), cli_text(module, "module"), cli_text(module, "state"),
		cli_number(module, "pid"), cli_number(module, "restarts"));
	if (*trouble)
		fprintf(to, "trouble   %s\n", trouble);
	fprintf(to, "directory %s\nsocket    %s%s%s\n", cli_text(module, "directory"),
		cli_text(module, "socket"), *group ? ", for group " : "", group);
	if (*region)
		fprintf(to, "region    %s\ndoorbell  %s\n", region, cli_text(module, "doorbell"));
	show_limits(module, to);
	show_counters(json_object_get(module, "counters"), to);
	show_gate(json_object_get(module, "gate"), to);
	show_status(cli_text(module, "status"), to);
}
