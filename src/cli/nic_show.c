#include "cli/nic_show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/command.h"
#include "cli/table.h"

/* No limit, nothing promised, and next to nothing used, are a dash. */
static void add_bandwidth(struct table *table, const json_t *object, const char *key)
{
	char text[UNITS_TEXT_BYTES];
	double bytes_per_s = cli_real(object, key);

	table_add(table, "%s",
		bytes_per_s >= 1 ? units_format_bandwidth(text, (uint64_t)bytes_per_s) : "-");
}

static void add_bytes(struct table *table, const json_t *object, const char *key)
{
	char text[UNITS_TEXT_BYTES];

	table_add(table, "%s", units_format_bytes(text, cli_number(object, key)));
}

static void add_number(struct table *table, const json_t *object, const char *key)
{
	table_add(table, "%" PRIu64, cli_number(object, key));
}

static void add_text(struct table *table, const json_t *object, const char *key)
{
	const char *text = cli_text(object, key);

	table_add(table, "%s", *text ? text : "-");
}

static const char *state(const json_t *nic)
{
	if (json_is_false(json_object_get(nic, "has_network")))
		return "no network";
	if (cli_is(nic, "is_present"))
		return "in force";
	return *cli_text(nic, "trouble") ? "cannot take its netdev" : "waiting for its netdev";
}

/* Whether its guest is there, if sluiced serves it. */
static const char *guest_state(const json_t *nic)
{
	const json_t *device = json_object_get(nic, "device");

	if (!json_is_object(device))
		return "-";
	if (cli_is(device, "is_broken"))
		return "broken";
	if (!cli_is(device, "is_link_up"))
		return "link down";
	return cli_is(device, "is_connected") ? "connected" : "none";
}

void nic_show_list(const json_t *nics, FILE *to)
{
	struct table table;
	json_t *nic;
	size_t index;

	table_init(&table, "NAME|NETDEV|STATE|GUEST|>SENDS|>MIN|>MAX|>RECEIVES|>MIN|>MAX|>SHARE|>"
			   "PAIRS|>DROPS");
	json_array_foreach (nics, index, nic) {
		const json_t *send = json_object_get(nic, "send");
		const json_t *receive = json_object_get(nic, "receive");

		add_text(&table, nic, "name");
		add_text(&table, nic, "netdev");
		table_add(&table, "%s", state(nic));
		table_add(&table, "%s", guest_state(nic));
		add_bandwidth(&table, send, "used_bytes_per_s");
		add_bandwidth(&table, send, "min_bytes_per_s");
		add_bandwidth(&table, send, "max_bytes_per_s");
		add_bandwidth(&table, receive, "used_bytes_per_s");
		add_bandwidth(&table, receive, "min_bytes_per_s");
		add_bandwidth(&table, receive, "max_bytes_per_s");
		add_bandwidth(&table, receive, "limit_bytes_per_s");
		add_number(&table, nic, "flow_count");
		table_add(&table, "%" PRIu64,
			cli_number(send, "drops") + cli_number(receive, "drops"));
	}
	table_print(&table, to);
}

/* ---- one ---- */

static void add_direction(struct table *table, const json_t *nic, const char *key)
{
	const json_t *traffic = json_object_get(nic, key);

	table_add(table, "%s", key);
	add_bandwidth(table, traffic, "used_bytes_per_s");
	add_bandwidth(table, traffic, "min_bytes_per_s");
	add_bandwidth(table, traffic, "max_bytes_per_s");
	add_bandwidth(table, traffic, "limit_bytes_per_s");
	add_bytes(table, traffic, "bytes");
	add_number(table, traffic, "packets");
	add_bytes(table, traffic, "queue_bytes");
	add_number(table, traffic, "drops");
}

static void show_pairs(const json_t *flows, FILE *to)
{
	struct table table;
	json_t *flow;
	size_t index;

	if (!json_array_size(flows))
		return;
	fputs("\n", to);
	table_init(
		&table, "DIRECTION|PEER|ADDRESS|HOST|>RATE|>LIMIT|LIMITED BY|>BYTES|>QUEUE|>DROPS");
	json_array_foreach (flows, index, flow) {
		add_text(&table, flow, "direction");
		add_text(&table, flow, "peer");
		add_text(&table, flow, "address");
		add_text(&table, flow, "host");
		add_bandwidth(&table, flow, "used_bytes_per_s");
		add_bandwidth(&table, flow, "limit_bytes_per_s");
		add_text(&table, flow, "limited_by");
		add_bytes(&table, flow, "bytes");
		add_bytes(&table, flow, "queue_bytes");
		add_number(&table, flow, "drops");
	}
	table_print(&table, to);
}

static void add_device_direction(struct table *table, const json_t *statistics,
	const char *direction, const char *packets, const char *bytes)
{
	table_add(table, "%s", direction);
	add_number(table, statistics, packets);
	add_bytes(table, statistics, bytes);
}

static void show_device(const json_t *nic, FILE *to)
{
	const json_t *device = json_object_get(nic, "device");
	const json_t *statistics = json_object_get(device, "statistics");
	uint64_t mtu = cli_number(device, "mtu");
	struct table table;

	if (!json_is_object(device))
		return;
	fprintf(to, "guest     %s, %s, pairs of queues: %" PRIu64, guest_state(nic),
		cli_text(device, "mac"), cli_number(device, "queues"));
	if (mtu)
		fprintf(to, ", MTU %" PRIu64, mtu);
	fputs("\n", to);
	fprintf(to, "socket    %s\n", cli_text(device, "socket"));
	fprintf(to, "kicks     %" PRIu64 ", %" PRIu64 " calls, %" PRIu64 " reconnects\n\n",
		cli_number(statistics, "kicks"), cli_number(statistics, "calls"),
		cli_number(statistics, "reconnects"));
	table_init(&table, "GUEST|>PACKETS|>BYTES|>MALFORMED|>TOO LARGE|>LINK DOWN|>REFUSED");
	add_device_direction(&table, statistics, "transmits", "transmit_packets", "transmit_bytes");
	add_number(&table, statistics, "transmit_drops_malformed");
	table_add(&table, "-");
	add_number(&table, statistics, "transmit_drops_link");
	add_number(&table, statistics, "transmit_drops_refused");
	add_device_direction(&table, statistics, "receives", "receive_packets", "receive_bytes");
	add_number(&table, statistics, "receive_drops_malformed");
	add_number(&table, statistics, "receive_drops_too_large");
	table_add(&table, "-");
	table_add(&table, "-");
	table_print(&table, to);
	fputs("\n", to);
}

void nic_show(const json_t *nic, FILE *to)
{
	struct table table;
	json_t *address;
	size_t index;

	fprintf(to, "vNIC %s on %s, %s, weight %g\naddresses", cli_text(nic, "name"),
		cli_text(nic, "netdev"), state(nic), cli_real(nic, "weight"));
	json_array_foreach (json_object_get(nic, "addresses"), index, address)
		fprintf(to, " %s", json_string_value(address));
	fputs(index ? "\n" : " any\n", to);
	if (*cli_text(nic, "trouble"))
		fprintf(to, "trouble   %s\n", cli_text(nic, "trouble"));
	fprintf(to, "forged    %" PRIu64 " packets dropped\n\n", cli_number(nic, "forged_packets"));
	show_device(nic, to);
	table_init(&table, "DIRECTION|>RATE|>MIN|>MAX|>SHARE|>BYTES|>PACKETS|>QUEUE|>DROPS");
	add_direction(&table, nic, "send");
	add_direction(&table, nic, "receive");
	table_print(&table, to);
	show_pairs(json_object_get(nic, "flows"), to);
}

/* ---- the network ---- */

static void show_line(const json_t *network, FILE *to)
{
	char link[UNITS_TEXT_BYTES], used[UNITS_TEXT_BYTES], target[UNITS_TEXT_BYTES];

	fprintf(to, "host %s, uplink %s of %s%s: %s of %s received, %s\n",
		cli_text(network, "host"), cli_text(network, "uplink"),
		units_format_bandwidth(link, cli_number(network, "link_bytes_per_s")),
		cli_is(network, "is_uplink_present") ? "" : ", which is not there",
		units_format_bandwidth(used, (uint64_t)cli_real(network, "used_bytes_per_s")),
		units_format_bandwidth(target, (uint64_t)cli_real(network, "target_bytes_per_s")),
		cli_is(network, "is_contended") ? "contended" : "not contended");
}

void net_show(const json_t *network, FILE *to)
{
	const json_t *counters = json_object_get(network, "counters");
	char sent[UNITS_TEXT_BYTES];

	show_line(network, to);
	fprintf(to, "vNICs     %" PRIu64 "\n", cli_number(network, "nics"));
	fprintf(to, "periods   %" PRIu64 ", %" PRIu64 " of them late\n",
		cli_number(counters, "periods"), cli_number(counters, "late_periods"));
	fprintf(to, "datagrams %" PRIu64 " sent (%s), %" PRIu64 " received\n",
		cli_number(counters, "datagrams_sent"),
		units_format_bytes(sent, cli_number(counters, "bytes_sent")),
		cli_number(counters, "datagrams_received"));
	fprintf(to,
		"refused   %" PRIu64 " forged, %" PRIu64 " replayed, %" PRIu64
		" from or to the unknown\n",
		cli_number(counters, "refused_forged"), cli_number(counters, "refused_replayed"),
		cli_number(counters, "refused_unknown"));
	fprintf(to, "failed    %" PRIu64 " limits\n", cli_number(counters, "failed_limits"));
}

static double rate(const json_t *nic)
{
	return cli_real(json_object_get(nic, "send"), "used_bytes_per_s") +
	       cli_real(json_object_get(nic, "receive"), "used_bytes_per_s");
}

static int compare_rates(const void *a, const void *b)
{
	double one = rate(*(json_t *const *)a), other = rate(*(json_t *const *)b);

	return (one < other) - (one > other);
}

/* jansson has no sort. */
static void sort_by_rate(json_t *nics)
{
	size_t count = json_array_size(nics), index;
	json_t **list = calloc(count + 1, sizeof *list), *nic;

	if (!list)
		return;
	json_array_foreach (nics, index, nic)
		list[index] = json_incref(nic);
	qsort(list, count, sizeof *list, compare_rates);
	for (index = 0; index < count; index++)
		json_array_set_new(nics, index, list[index]);
	free(list);
}

static void add_traffic(struct table *table, const json_t *traffic)
{
	add_bandwidth(table, traffic, "used_bytes_per_s");
	add_bandwidth(table, traffic, "min_bytes_per_s");
	add_bandwidth(table, traffic, "limit_bytes_per_s");
	add_text(table, traffic, "limited_by");
	add_bytes(table, traffic, "queue_bytes");
	add_number(table, traffic, "drops");
}

/* The flows are sorted already. */
static void add_rows(struct table *table, const json_t *nic, const char *direction)
{
	json_t *flow;
	size_t index;

	table_add(table, "%s", cli_text(nic, "name"));
	table_add(table, "%s", direction);
	table_add(table, "all");
	add_traffic(table, json_object_get(nic, direction));
	json_array_foreach (json_object_get(nic, "flows"), index, flow) {
		const char *peer = cli_text(flow, "peer");

		if (strcmp(cli_text(flow, "direction"), direction) != 0)
			continue;
		table_add(table, "%s", "");
		table_add(table, "%s", "");
		table_add(table, "%s", *peer ? peer : cli_text(flow, "address"));
		add_traffic(table, flow);
	}
}

void net_show_traffic(const json_t *network, json_t *nics, FILE *to)
{
	struct table table;
	json_t *nic;
	size_t index;

	show_line(network, to);
	sort_by_rate(nics);
	table_init(&table, "VNIC|DIRECTION|PEER|>RATE|>GUARANTEE|>SHARE|LIMITED BY|>QUEUE|>DROPS");
	json_array_foreach (nics, index, nic) {
		add_rows(&table, nic, "receive");
		add_rows(&table, nic, "send");
	}
	table_print(&table, to);
}
