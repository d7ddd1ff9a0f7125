/* The metrics of the network; see metrics.c for how they are made. */
#include "control/metrics/metrics_network.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/param.h>

#include "control/describe/flow_list.h"
#include "control/metrics/exposition.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define PAIRS_MAX 100u /* of a vNIC, the busiest: others come and go too fast for a time series */

/* ---- the agent and its link ---- */

#define FIELD(field) offsetof(struct agent_status, field)
static const struct metric agent_metrics[] = {
	{"sluice_net_uplink_present", "gauge", "Whether the uplink is there.", METRIC_TRUTH,
		FIELD(is_uplink_present), 0},
	{"sluice_net_link_bytes_per_second", "gauge", "The uplink's speed.", METRIC_COUNT,
		FIELD(link_bytes_per_s), 0},
	{"sluice_net_target_bytes_per_second", "gauge", "What is divided among vNICs at present.",
		METRIC_REAL, FIELD(target), 0},
	{"sluice_net_used_bytes_per_second", "gauge", "What all vNICs receive.", METRIC_REAL,
		FIELD(used), 0},
	{"sluice_net_contended", "gauge", "Whether somebody is limited to a share.", METRIC_TRUTH,
		FIELD(is_contended), 0},
	{"sluice_agent_periods_total", "counter", "Times the link was divided.", METRIC_COUNT,
		FIELD(counters.periods), 0},
	{"sluice_agent_late_periods_total", "counter",
		"Periods that began when the next one was due.", METRIC_COUNT,
		FIELD(counters.late_periods), 0},
	{"sluice_agent_datagrams_sent_total", "counter", "Datagrams to other agents.", METRIC_COUNT,
		FIELD(counters.datagrams_sent), 0},
	{"sluice_agent_sent_bytes_total", "counter", "Bytes of these.", METRIC_COUNT,
		FIELD(counters.bytes_sent), 0},
	{"sluice_agent_datagrams_received_total", "counter", "Datagrams from anybody.",
		METRIC_COUNT, FIELD(counters.datagrams_received), 0},
	{"sluice_agent_failed_limits_total", "counter", "Limits that could not be applied.",
		METRIC_COUNT, FIELD(counters.failed_limits), 0},
};
#undef FIELD

static void write_agent(FILE *to, const struct agent_status *status)
{
	static const struct metric_group group = {
		{"host", "uplink"}, agent_metrics, COUNT_OF(agent_metrics)};
	const struct metric_subject subject = {{status->host, status->uplink}, status};

	exposition_write(to, &group, &subject, 1);
}

static void write_refused(FILE *to, const struct agent_status *status)
{
	static const struct metric metric = {"sluice_agent_datagrams_refused_total", "counter",
		"Datagrams, or limits in them, that were not taken.", METRIC_COUNT, 0, 0};
	static const struct metric_group group = {{"host", "reason"}, &metric, 1};
	const struct agent_counters *counters = &status->counters;
	const struct metric_subject subjects[] = {
		{{status->host, "forged"}, &counters->refused_forged},
		{{status->host, "replayed"}, &counters->refused_replayed},
		{{status->host, "unknown"}, &counters->refused_unknown},
	};

	exposition_write(to, &group, subjects, COUNT_OF(subjects));
}

/* ---- vNICs ---- */

#define FIELD(field) offsetof(struct nic_status, field)
static const struct metric nic_metrics[] = {
	{"sluice_nic_present", "gauge", "Whether the netdev is there.", METRIC_TRUTH,
		FIELD(is_present), 0},
	{"sluice_nic_forged_packets_total", "counter",
		"Packets sent under addresses that are not the vNIC's.", METRIC_COUNT,
		FIELD(forged_packets), 0},
	{"sluice_nic_weight", "gauge", "Share of what is left of the link, each way.", METRIC_REAL,
		FIELD(config.receive.weight), 0},
};
#undef FIELD

static void write_nics(FILE *to, const struct agent_status *status)
{
	static const struct metric_group group = {
		{"nic", "netdev"}, nic_metrics, COUNT_OF(nic_metrics)};
	struct metric_subject *subjects = calloc(status->nic_count + 1, sizeof *subjects);

	for (unsigned i = 0; subjects && i < status->nic_count; i++) {
		const struct nic_status *nic = &status->nics[i];

		subjects[i] = (struct metric_subject){{nic->config.name, nic->config.netdev}, nic};
	}
	if (subjects)
		exposition_write(to, &group, subjects, status->nic_count);
	free(subjects);
}

/* ---- their two directions ---- */

struct direction_sample {
	struct nic_traffic traffic;
	double min;
	double max;
};

#define FIELD(field) offsetof(struct direction_sample, field)
static const struct metric direction_metrics[] = {
	{"sluice_nic_bytes_total", "counter", "Bytes of frames.", METRIC_COUNT,
		FIELD(traffic.bytes), 0},
	{"sluice_nic_packets_total", "counter", "Packets.", METRIC_COUNT, FIELD(traffic.packets),
		0},
	{"sluice_nic_used_bytes_per_second", "gauge", "What it uses at present.", METRIC_REAL,
		FIELD(traffic.used), 0},
	{"sluice_nic_share_bytes_per_second", "gauge",
		"What it may have at present; infinite without a limit.", METRIC_REAL,
		FIELD(traffic.limit), 0},
	{"sluice_nic_queue_bytes", "gauge", "What waits for its turn.", METRIC_COUNT,
		FIELD(traffic.queue_bytes), 0},
	{"sluice_nic_drops_total", "counter", "Packets that found no room in the queue.",
		METRIC_COUNT, FIELD(traffic.drops), 0},
	{"sluice_nic_promised_min_bytes_per_second", "gauge", "What it gets whenever it wants it.",
		METRIC_REAL, FIELD(min), 0},
	{"sluice_nic_promised_max_bytes_per_second", "gauge",
		"What it never exceeds; infinite without a limit.", METRIC_REAL, FIELD(max), 0},
};
#undef FIELD

static struct direction_sample sample_sending(const struct nic_status *nic)
{
	uint64_t max = nic->config.send_max;

	return (struct direction_sample){nic->sends, (double)nic->config.send_min,
		max == UINT64_MAX ? INFINITY : (double)max};
}

static struct direction_sample sample_receiving(const struct nic_status *nic)
{
	return (struct direction_sample){
		nic->receives, nic->config.receive.min, nic->config.receive.max};
}

static void write_directions(FILE *to, const struct agent_status *status)
{
	static const struct metric_group group = {
		{"nic", "direction"}, direction_metrics, COUNT_OF(direction_metrics)};
	unsigned count = 2 * status->nic_count;
	struct metric_subject *subjects = calloc(count + 1, sizeof *subjects);
	struct direction_sample *samples = calloc(count + 1, sizeof *samples);

	for (unsigned i = 0; subjects && samples && i < count; i += 2) {
		const struct nic_status *nic = &status->nics[i / 2];

		samples[i] = sample_sending(nic);
		subjects[i] = (struct metric_subject){{nic->config.name, "send"}, &samples[i]};
		samples[i + 1] = sample_receiving(nic);
		subjects[i + 1] =
			(struct metric_subject){{nic->config.name, "receive"}, &samples[i + 1]};
	}
	if (subjects && samples)
		exposition_write(to, &group, subjects, count);
	free(subjects);
	free(samples);
}

/* ---- pairs ---- */

#define FIELD(field) offsetof(struct nic_traffic, field)
static const struct metric pair_metrics[] = {
	{"sluice_pair_bytes_total", "counter", "Bytes of frames.", METRIC_COUNT, FIELD(bytes), 0},
	{"sluice_pair_packets_total", "counter", "Packets.", METRIC_COUNT, FIELD(packets), 0},
	{"sluice_pair_used_bytes_per_second", "gauge", "What the pair uses at present.",
		METRIC_REAL, FIELD(used), 0},
	{"sluice_pair_limit_bytes_per_second", "gauge", "Its limit; infinite without one.",
		METRIC_REAL, FIELD(limit), 0},
	{"sluice_pair_queue_bytes", "gauge", "What waits for its turn here.", METRIC_COUNT,
		FIELD(queue_bytes), 0},
	{"sluice_pair_drops_total", "counter", "Packets that found no room in the queue.",
		METRIC_COUNT, FIELD(drops), 0},
};
#undef FIELD

static unsigned list_pairs(
	struct nic_status *nic, struct metric_subject *subjects, char (*peers)[INET6_ADDRSTRLEN])
{
	unsigned count = MIN(nic->flow_count, PAIRS_MAX);

	flow_list_sort(nic);
	for (unsigned i = 0; i < count; i++) {
		const struct nic_flow *flow = &nic->flows[i];

		subjects[i] =
			(struct metric_subject){{nic->config.name, flow_peer(flow, peers[i]),
							flow_direction(flow), flow->limited_by},
				&flow->traffic};
	}
	return count;
}

static void write_pairs(FILE *to, struct agent_status *status)
{
	static const struct metric_group group = {
		{"nic", "peer", "direction", "limited_by"}, pair_metrics, COUNT_OF(pair_metrics)};
	size_t most = (size_t)status->nic_count * PAIRS_MAX + 1;
	struct metric_subject *subjects = calloc(most, sizeof *subjects);
	char(*peers)[INET6_ADDRSTRLEN] = calloc(most, sizeof *peers);
	unsigned count = 0;

	for (unsigned i = 0; subjects && peers && i < status->nic_count; i++)
		count += list_pairs(&status->nics[i], &subjects[count], &peers[count]);
	if (subjects && peers)
		exposition_write(to, &group, subjects, count);
	free(subjects);
	free(peers);
}

/* ---- the cluster ---- */

struct cluster_sample {
	bool is_connected;
	double hosts;
	double nics;
};

#define FIELD(field) offsetof(struct cluster_sample, field)
static const struct metric cluster_metrics[] = {
	{"sluice_cluster_connected", "gauge", "Whether etcd is there.", METRIC_TRUTH,
		FIELD(is_connected), 0},
	{"sluice_cluster_hosts", "gauge", "Hosts that etcd has told of, this one among them.",
		METRIC_REAL, FIELD(hosts), 0},
	{"sluice_cluster_nics", "gauge", "vNICs that etcd has told of.", METRIC_REAL, FIELD(nics),
		0},
};
#undef FIELD

void metrics_write_cluster(FILE *to, const struct cluster_status *status)
{
	static const struct metric_group group = {
		{NULL}, cluster_metrics, COUNT_OF(cluster_metrics)};
	const struct cluster_sample sample = {status->is_connected, status->hosts, status->nics};
	const struct metric_subject subject = {.sample = &sample};

	exposition_write(to, &group, &subject, 1);
}

void metrics_write_network(FILE *to, struct agent_status *status)
{
	write_agent(to, status);
	write_refused(to, status);
	write_nics(to, status);
	write_directions(to, status);
	write_pairs(to, status);
}
