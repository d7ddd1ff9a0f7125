#include <math.h>

#include "base/address.h"
#include "control/describe/describe.h"
#include "control/describe/flow_list.h"

/* Without a limit, null. */
static json_t *bandwidth(double bytes_per_s)
{
	return isinf(bytes_per_s) ? json_null() : json_real(bytes_per_s);
}

static json_t *describe_traffic(const struct nic_traffic *traffic)
{
	return json_pack("{s:I, s:I, s:f, s:o, s:I, s:I}", "bytes", (json_int_t)traffic->bytes,
		"packets", (json_int_t)traffic->packets, "used_bytes_per_s", traffic->used,
		"limit_bytes_per_s", bandwidth(traffic->limit), "queue_bytes",
		(json_int_t)traffic->queue_bytes, "drops", (json_int_t)traffic->drops);
}

static json_t *describe_direction(const struct nic_traffic *traffic, double min, double max)
{
	json_t *description = describe_traffic(traffic);

	json_object_set_new(description, "min_bytes_per_s", json_real(min));
	json_object_set_new(description, "max_bytes_per_s", bandwidth(max));
	return description;
}

static json_t *describe_addresses(const struct nic_config *config)
{
	json_t *addresses = json_array();
	char text[INET6_ADDRSTRLEN];

	for (unsigned i = 0; i < config->address_count; i++)
		json_array_append_new(
			addresses, json_string(address_format(&config->addresses[i], text)));
	return addresses;
}

static json_t *describe_flow(const struct nic_flow *flow)
{
	json_t *description = describe_traffic(&flow->traffic);
	bool is_outside = IN6_IS_ADDR_UNSPECIFIED(&flow->address);
	char text[INET6_ADDRSTRLEN];

	json_object_set_new(description, "direction", json_string(flow_direction(flow)));
	json_object_set_new(description, "peer", json_string(flow_peer(flow, text)));
	json_object_set_new(description, "address",
		json_string(is_outside ? "" : address_format(&flow->address, text)));
	json_object_set_new(description, "host", json_string(flow->host));
	json_object_set_new(description, "limited_by", json_string(flow->limited_by));
	return description;
}

json_t *describe_nic(const struct host *host, struct nic_status *nic, unsigned flows)
{
	const struct nic_config *config = &nic->config;
	double send_max = config->send_max == UINT64_MAX ? INFINITY : (double)config->send_max;
	int index = host_find_nic(host, config->name, NULL);
	json_t *list = json_array();

	flow_list_sort(nic);
	for (unsigned i = 0; i < nic->flow_count && i < flows; i++)
		json_array_append_new(list, describe_flow(&nic->flows[i]));
	return json_pack("{s:s, s:b, s:s, s:b, s:s, s:b, s:o, s:f, s:I, s:o, s:o, s:I, s:o, s:o}",
		"name", config->name, "has_network", host->agent != NULL, "netdev", config->netdev,
		"is_present", nic->is_present, "trouble", nic->trouble, "is_from_file",
		index >= 0 && host->nics[index].is_from_file, "addresses",
		describe_addresses(config), "weight", config->receive.weight, "forged_packets",
		(json_int_t)nic->forged_packets, "send",
		describe_direction(&nic->sends, (double)config->send_min, send_max), "receive",
		describe_direction(&nic->receives, config->receive.min, config->receive.max),
		"flow_count", (json_int_t)nic->flow_count, "flows", list, "device",
		index >= 0 ? describe_device(host, (unsigned)index) : json_null());
}

static json_t *describe_counters(const struct agent_counters *counters)
{
	const struct {
		const char *key;
		uint64_t value;
	} list[] = {
		{"periods", counters->periods},
		{"late_periods", counters->late_periods},
		{"datagrams_sent", counters->datagrams_sent},
		{"bytes_sent", counters->bytes_sent},
		{"datagrams_received", counters->datagrams_received},
		{"refused_forged", counters->refused_forged},
		{"refused_replayed", counters->refused_replayed},
		{"refused_unknown", counters->refused_unknown},
		{"failed_limits", counters->failed_limits},
	};
	json_t *description = json_object();

	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		json_object_set_new(
			description, list[i].key, json_integer((json_int_t)list[i].value));
	return description;
}

json_t *describe_network(const struct agent_status *status)
{
	return json_pack("{s:s, s:s, s:b, s:I, s:f, s:f, s:f, s:b, s:I, s:o}", "host", status->host,
		"uplink", status->uplink, "is_uplink_present", status->is_uplink_present,
		"link_bytes_per_s", (json_int_t)status->link_bytes_per_s, "capacity_bytes_per_s",
		status->capacity, "target_bytes_per_s", status->target, "used_bytes_per_s",
		status->used, "is_contended", status->is_contended, "nics",
		(json_int_t)status->nic_count, "counters", describe_counters(&status->counters));
}
