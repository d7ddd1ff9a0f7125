#include "control/describe/describe.h"

static json_t *describe_statistics(const struct net_device_statistics *statistics)
{
	const struct {
		const char *key;
		uint64_t value;
	} counters[] = {
		{"transmit_packets", statistics->transmit_packets},
		{"transmit_bytes", statistics->transmit_bytes},
		{"receive_packets", statistics->receive_packets},
		{"receive_bytes", statistics->receive_bytes},
		{"transmit_drops_malformed", statistics->transmit_drops_malformed},
		{"transmit_drops_link", statistics->transmit_drops_link},
		{"transmit_drops_refused", statistics->transmit_drops_refused},
		{"receive_drops_too_large", statistics->receive_drops_too_large},
		{"receive_drops_malformed", statistics->receive_drops_malformed},
		{"kicks", statistics->kicks},
		{"calls", statistics->calls},
		{"reconnects", statistics->reconnects},
	};
	json_t *description = json_object();

	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		json_object_set_new(
			description, counters[i].key, json_integer((json_int_t)counters[i].value));
	return description;
}

static json_t *describe_pairs(const struct net_device_statistics *statistics, unsigned count)
{
	json_t *pairs = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(
			pairs, json_pack("{s:I, s:I}", "transmit_packets",
				       (json_int_t)statistics->pairs[i].transmit_packets,
				       "receive_packets",
				       (json_int_t)statistics->pairs[i].receive_packets));
	return pairs;
}

json_t *describe_device(const struct host *host, unsigned index)
{
	const struct net_device *device = host->nics[index].device;
	const struct net_device_config *config;
	struct net_device_statistics statistics;
	char mac[3 * NET_MAC_BYTES];

	if (!device)
		return json_null();
	config = net_device_config(device);
	net_device_statistics(device, &statistics);
	for (unsigned i = 0; i < NET_MAC_BYTES; i++)
		snprintf(mac + (size_t)3 * i, sizeof mac - (size_t)3 * i,
			i + 1 < NET_MAC_BYTES ? "%02x:" : "%02x", config->mac[i]);
	return json_pack("{s:s, s:s, s:I, s:I, s:b, s:b, s:b, s:b, s:o, s:o}", "socket",
		config->socket_path, "mac", mac, "queues", (json_int_t)config->pair_count, "mtu",
		(json_int_t)config->mtu, "is_connected", statistics.is_connected, "is_broken",
		statistics.is_broken, "is_link_up", statistics.is_link_up, "is_tap_made_here",
		statistics.is_tap_made_here, "statistics", describe_statistics(&statistics),
		"pairs", describe_pairs(&statistics, config->pair_count));
}
