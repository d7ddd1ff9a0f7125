/* Commands about pools, sidecores and the daemon itself. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/table.h"

static void add_count(struct table *table, uint64_t count)
{
	char text[UNITS_TEXT_BYTES];

	table_add(table, "%s", units_format_count(text, count));
}

static void add_pool(struct table *table, const json_t *pool)
{
	uint64_t capacity = (uint64_t)cli_real(pool, "capacity_units_per_s");
	char text[UNITS_TEXT_BYTES];

	table_add(table, "%s", cli_text(pool, "name"));
	table_add(table, "%s", cli_text(pool, "backend"));
	if (capacity)
		table_add(table, "%s/s", units_format_count(text, capacity));
	else
		table_add(table, "unknown");
	table_add(table, "%s/s",
		units_format_count(text, (uint64_t)cli_real(pool, "reserved_units_per_s")));
	table_add(table, "%zu", json_array_size(json_object_get(pool, "disks")));
	add_count(table, cli_number(pool, "requests"));
	table_add(table, "%s", units_format_duration(text, cli_number(pool, "device_latency_ns")));
	table_add(table, "%s", cli_is(pool, "is_enforcing") ? "enforced" : "audited only");
}

static void show_pools(const json_t *pools)
{
	struct table table;
	json_t *pool;
	size_t index;

	table_init(
		&table, "NAME|BACK END|>CAPACITY|>PROMISED|>DISKS|>REQUESTS|>DEVICE LATENCY|SLOS");
	json_array_foreach (pools, index, pool)
		add_pool(&table, pool);
	table_print(&table, stdout);
}

int command_pool_list(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "pool list", "pool.list", show_pools);
}

static void add_sidecore(struct table *table, const json_t *sidecore)
{
	static const char *const counters[] = {
		"polls_busy", "polls_idle", "sleeps", "kicks_received", "calls_sent"};
	const json_t *cpu = json_object_get(sidecore, "cpu");
	char text[UNITS_TEXT_BYTES];

	table_add(table, "%s", cli_text(sidecore, "name"));
	if (json_is_integer(cpu))
		table_add(table, "%" PRIu64, cli_number(sidecore, "cpu"));
	else
		table_add(table, "any");
	table_add(table, "%s", units_format_duration(text, cli_number(sidecore, "poll_ns")));
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		add_count(table, cli_number(sidecore, counters[i]));
	table_add(table, "%s", units_format_duration(text, cli_number(sidecore, "cpu_ns")));
}

static const char sidecore_heads[] =
	"NAME|>CPU|>POLLS FOR|>BUSY POLLS|>IDLE POLLS|>SLEEPS|>KICKS|>CALLS|>CPU TIME";

static void show_sidecores(const json_t *sidecores)
{
	struct table table;
	json_t *sidecore;
	size_t index;

	table_init(&table, sidecore_heads);
	json_array_foreach (sidecores, index, sidecore)
		add_sidecore(&table, sidecore);
	table_print(&table, stdout);
}

int command_sidecore_list(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "sidecore list", "sidecore.list", show_sidecores);
}

/* What the device does, and what admission takes for granted. */
static void show_device(const json_t *pool)
{
	uint64_t idle_ns = cli_number(pool, "idle_latency_ns");
	uint64_t granted_ns = cli_number(pool, "latency_ns");
	char moved[UNITS_TEXT_BYTES], latency[UNITS_TEXT_BYTES], idle[UNITS_TEXT_BYTES];
	char granted[UNITS_TEXT_BYTES];

	printf("device   %" PRIu64 " requests (%s), %" PRIu64 " errors, latency %s, %s when idle\n",
		cli_number(pool, "requests"), units_format_bytes(moved, cli_number(pool, "bytes")),
		cli_number(pool, "errors"),
		units_format_duration(latency, cli_number(pool, "device_latency_ns")),
		units_format_duration(idle, idle_ns));
	if (idle_ns > granted_ns && cli_real(pool, "reserved_units_per_s") > 0)
		printf("         promises count on %s when idle; see 'latency' in sluice.yaml(5)\n",
			units_format_duration(granted, granted_ns));
}

static void show_names(const char *head, const json_t *names)
{
	json_t *name;
	size_t index;

	fputs(head, stdout);
	json_array_foreach (names, index, name)
		printf(" %s", json_string_value(name));
	putchar('\n');
}

static void show_pool(const json_t *pool)
{
	double capacity = cli_real(pool, "capacity_units_per_s");
	double promised = cli_real(pool, "reserved_units_per_s");
	const char *path = cli_text(pool, "path");
	struct table table;

	printf("pool %s, back end %s%s%s\n", cli_text(pool, "name"), cli_text(pool, "backend"),
		*path ? " on " : "", path);
	if (capacity > 0)
		printf("promised %.0f of %.0f units/s (%.1f%%), %s\n", promised, capacity,
			100 * promised / capacity,
			cli_is(pool, "is_enforcing") ? "enforced" : "audited only");
	else
		printf("capacity unknown: nothing can be promised\n");
	show_device(pool);
	printf("window   %.1f of %.1f units in flight\n", cli_real(pool, "in_flight_units"),
		cli_real(pool, "window_units"));
	show_names("disks   ", json_object_get(pool, "disks"));
	if (json_array_size(json_object_get(pool, "modules")))
		show_names("modules ", json_object_get(pool, "modules"));
	putchar('\n');
	table_init(&table, sidecore_heads);
	add_sidecore(&table, json_object_get(pool, "sidecore"));
	table_print(&table, stdout);
}

int command_pool_show(const struct cli *cli, int argc, char **argv)
{
	return cli_print_named(cli, argc, argv, "pool", "pool.show", show_pool);
}

static void show_nothing(const json_t *result)
{
}

int command_reload(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "reload", "reload", show_nothing);
}

static void show_text(const json_t *text)
{
	fputs(json_string_value(text), stdout);
}

int command_export(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "export", "configuration.show", show_text);
}

/* Where this host finds the others; nothing if the configuration lists them. */
static void show_cluster(const json_t *cluster)
{
	bool is_connected = cli_is(cluster, "is_connected");
	char age[UNITS_TEXT_BYTES];

	if (!json_is_object(cluster))
		return;
	printf("cluster: etcd %s for %s (%s), %" PRIu64 " hosts, %" PRIu64 " vNICs known\n",
		is_connected ? "is there" : "is away",
		units_format_duration(age, cli_number(cluster, "for_ns")),
		cli_text(cluster, is_connected ? "member" : "failure"),
		cli_number(cluster, "hosts"), cli_number(cluster, "nics"));
}

static void show_status(const json_t *status)
{
	printf("sluiced %s, process %" PRIu64 ": %" PRIu64 " sidecores, %" PRIu64 " pools, %" PRIu64
	       " disks, %" PRIu64 " vNICs, %" PRIu64 " modules\n",
		cli_text(status, "version"), cli_number(status, "pid"),
		cli_number(status, "sidecores"), cli_number(status, "pools"),
		cli_number(status, "disks"), cli_number(status, "nics"),
		cli_number(status, "modules"));
	show_cluster(json_object_get(status, "cluster"));
}

int command_status(const struct cli *cli, int argc, char **argv)
{
	return cli_print_all(cli, argc, "status", "daemon.status", show_status);
}
