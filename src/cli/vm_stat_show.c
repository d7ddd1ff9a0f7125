#include "cli/vm_stat_show.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/table.h"

struct period {
	const json_t *before; /* NULL: another machine, whose numbers began at 0 */
	const json_t *after;
	double seconds;
};

static uint64_t difference(uint64_t before, uint64_t after)
{
	return after > before ? after - before : 0;
}

static const char *rate(char text[UNITS_TEXT_BYTES], const struct period *period, uint64_t count)
{
	double per_s = period->seconds > 0 ? (double)count / period->seconds : 0;

	if (per_s > 0 && per_s < 10)
		snprintf(text, UNITS_TEXT_BYTES, "%.1f", per_s);
	else
		units_format_count(text, (uint64_t)(per_s + 0.5));
	return text;
}

/* The entry of a list that has the same texts. */
static const json_t *same_entry(const json_t *list, const json_t *wanted)
{
	const char *key;
	json_t *entry, *value;
	size_t index;

	json_array_foreach ((json_t *)list, index, entry) {
		bool is_same = true;

		json_object_foreach ((json_t *)wanted, key, value)
			is_same &= !json_is_string(value) ||
				   json_equal(value, json_object_get(entry, key));
		if (is_same)
			return entry;
	}
	return NULL;
}

/* A table of a list of counts: the columns' keys, then what each was per second and is in all. */
static void show_counts(const struct period *period, const char *list, const char *heads,
	const char *const *keys, FILE *to)
{
	const json_t *before = json_object_get(period->before, list);
	const json_t *after = json_object_get(period->after, list);
	char text[UNITS_TEXT_BYTES];
	struct table table;
	json_t *entry;
	size_t index;

	table_init(&table, heads);
	json_array_foreach ((json_t *)after, index, entry) {
		uint64_t count = cli_number(entry, "count");
		uint64_t old = cli_number(same_entry(before, entry), "count");

		for (size_t i = 0; keys[i]; i++)
			table_add(&table, "%s", cli_text(entry, keys[i]));
		table_add(&table, "%s", rate(text, period, difference(old, count)));
		table_add(&table, "%" PRIu64, count);
	}
	table_print(&table, to);
	fputc('\n', to);
}

static void show_exits(const struct period *period, FILE *to)
{
	static const char *const of_exits[] = {"reason", "class", "place", NULL};
	static const char *const of_accesses[] = {"register", "access", "class", "path", NULL};

	show_counts(period, "exits", "EXIT|CLASS|HANDLED BY|>PER S|>TOTAL", of_exits, to);
	show_counts(period, "accesses", "REGISTER|ACCESS|CLASS|BY|>PER S|>TOTAL", of_accesses, to);
}

/* How much a number below a key has grown. */
static uint64_t growth(const struct period *period, const char *object, const char *key)
{
	return difference(cli_number(json_object_get(period->before, object), key),
		cli_number(json_object_get(period->after, object), key));
}

static void show_lost_time(const struct period *period, FILE *to)
{
	const json_t *lost = json_object_get(period->after, "lost_ns");
	double all_ns =
		period->seconds * (double)NS_PER_S * (double)cli_number(period->after, "vcpus");
	char half[UNITS_TEXT_BYTES], p99[UNITS_TEXT_BYTES], p999[UNITS_TEXT_BYTES],
		max[UNITS_TEXT_BYTES];

	fprintf(to, "lost to exits     %.3f %% of the vCPUs' time\n",
		all_ns > 0 ? 100 * (double)growth(period, "lost_ns", "sum") / all_ns : 0);
	fprintf(to, "per exit, in all  p50 %s, p99 %s, p99.9 %s, max %s\n",
		units_format_duration(half, cli_number(lost, "p50")),
		units_format_duration(p99, cli_number(lost, "p99")),
		units_format_duration(p999, cli_number(lost, "p99.9")),
		units_format_duration(max, cli_number(lost, "max")));
}

static void show_notifications(const struct period *period, FILE *to)
{
	static const struct {
		const char *line, *object, *key;
	} lines[] = {
		{"handled by core   ", "notifications", "handled_on_core"},
		{"handled by vCPUs  ", "notifications", "handled_on_vcpus"},
		{"answered spinning ", "notifications", "answered_spinning"},
		{"answered asleep   ", "notifications", "answered_asleep"},
		{"coalesced writes  ", "notifications", "coalesced_writes"},
		{"doorbells to core ", "notifications", "doorbells_to_core"},
		{"wakes of vCPUs    ", "notifications", "wakes_of_vcpus"},
		{"core went to sleep", "core", "sleeps"},
	};
	char text[UNITS_TEXT_BYTES];

	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
		fprintf(to, "%s  %s/s\n", lines[i].line,
			rate(text, period, growth(period, lines[i].object, lines[i].key)));
	fputc('\n', to);
}

/* KVM's own numbers that have moved. */
/* Of a machine that has them. */
static void show_rings(const struct period *period, FILE *to)
{
	const json_t *rings = json_object_get(period->after, "exit_rings");
	char answered[UNITS_TEXT_BYTES], others[UNITS_TEXT_BYTES], refused[UNITS_TEXT_BYTES];

	if (!rings)
		return;
	fprintf(to,
		"exit rings          %s/s answered, %s/s not waited for, %s/s refused, %" PRIu64
		" stopped\n\n",
		rate(answered, period, growth(period, "exit_rings", "synchronous")),
		rate(others, period, growth(period, "exit_rings", "asynchronous")),
		rate(refused, period, growth(period, "exit_rings", "refused")),
		cli_number(rings, "stopped"));
}

static void show_kvm(const struct period *period, FILE *to)
{
	char text[UNITS_TEXT_BYTES];
	struct table table;
	const char *name;
	json_t *value;

	table_init(&table, "KVM|>PER S|>TOTAL");
	json_object_foreach (json_object_get(period->after, "kvm"), name, value) {
		uint64_t grown = growth(period, "kvm", name);

		if (!grown)
			continue;
		table_add(&table, "%s", name);
		table_add(&table, "%s", rate(text, period, grown));
		table_add(&table, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	}
	table_print(&table, to);
	fputc('\n', to);
}

static const char *device_state(const json_t *device)
{
	if (cli_is(device, "needs_reset"))
		return "needs reset";
	if (!cli_is(device, "is_connected"))
		return "waits for its back end";
	return cli_is(device, "is_active") ? "in use" : "connected";
}

/* Returns how many I/Os there were. */
static uint64_t show_devices(const struct period *period, FILE *to)
{
	const json_t *before = json_object_get(period->before, "devices");
	const json_t *devices = json_object_get(period->after, "devices");
	char text[UNITS_TEXT_BYTES];
	struct table table;
	uint64_t all = 0;
	json_t *device;
	size_t index;

	if (!json_array_size(devices))
		return 0;
	table_init(&table, "DEVICE|STATE|>RECONNECTS|>I/OS PER S");
	json_array_foreach ((json_t *)devices, index, device) {
		uint64_t ios = difference(
			cli_number(same_entry(before, device), "ios"), cli_number(device, "ios"));

		all += ios;
		table_add(&table, "%s", cli_text(device, "name"));
		table_add(&table, "%s", device_state(device));
		table_add(&table, "%" PRIu64, cli_number(device, "reconnects"));
		table_add(&table, "%s",
			json_object_get(device, "ios") ? rate(text, period, ios) : "unknown");
	}
	table_print(&table, to);
	return all;
}

static void show_ios_per_exit(const struct period *period, uint64_t ios, FILE *to)
{
	uint64_t exits = growth(period, "kvm", "exits");

	if (ios && exits)
		fprintf(to, "\nI/Os per exit     %.2f\n", (double)ios / (double)exits);
	else if (ios)
		fputs("\nI/Os per exit     all without an exit\n", to);
}

void vm_stat_show(const json_t *before, const json_t *after, FILE *to)
{
	bool is_same = cli_number(before, "reboots") == cli_number(after, "reboots");
	struct period period = {
		.before = is_same ? before : NULL,
		.after = after,
		.seconds = (double)difference(
				   cli_number(before, "at_ns"), cli_number(after, "at_ns")) /
			   (double)NS_PER_S,
	};
	uint64_t ios;

	fprintf(to, "VM %s, %.1f s%s\n\n", cli_text(after, "name"), period.seconds,
		is_same ? "" : ", in which it has rebooted");
	show_exits(&period, to);
	show_lost_time(&period, to);
	show_notifications(&period, to);
	show_rings(&period, to);
	show_kvm(&period, to);
	ios = show_devices(&period, to);
	show_ios_per_exit(&period, ios, to);
}
