#include "gatekeeper/agent_status.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gatekeeper/agent_private.h"

/* ---- what the classes have counted ---- */

static void note_uplink_class(
	void *context, uint16_t minor, uint64_t ceil, const struct shaper_counters *counters)
{
	struct nic *const *by_slot = context;
	unsigned slot = nic_slot_of_class(minor);

	if (slot < NIC_SLOTS && by_slot[slot])
		nic_note_class(by_slot[slot], VNIC_SENDS, minor, counters);
}

static void note_own_class(
	void *context, uint16_t minor, uint64_t ceil, const struct shaper_counters *counters)
{
	nic_note_class(context, VNIC_RECEIVES, minor, counters);
}

static void look_at_classes(struct agent *agent)
{
	struct nic *by_slot[NIC_SLOTS] = {NULL};
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link) {
		by_slot[nic->slot] = nic;
		if (nic->is_attached)
			(void)shaper_visit(nic->towards_guest, note_own_class, nic);
	}
	if (agent->uplink)
		(void)shaper_visit(agent->uplink, note_uplink_class, by_slot);
}

/* ---- flows ---- */

static void describe_limit(
	struct nic_flow *flow, const struct nic_limits *limits, const struct in6_addr *identity)
{
	const struct nic_limit *limit = nic_limits_find(limits, identity);

	if (!limit)
		return;
	flow->traffic.limit = rate_limit_at(&limit->limit, (double)limits->most, clock_now_ns());
	if (!isinf(flow->traffic.limit))
		memcpy(flow->limited_by, limit->told_by, sizeof flow->limited_by);
	flow->traffic.queue_bytes = limit->counters.backlog_bytes;
	flow->traffic.drops = limit->counters.drops;
}

static void describe_peer(
	struct nic_flow *flow, enum vnic_direction direction, const struct nic_peer *peer)
{
	*flow = (struct nic_flow){.direction = direction,
		.address = peer->identity,
		.traffic = {.bytes = peer->bytes,
			.packets = peer->packets,
			.used = peer->smoothed,
			.limit = INFINITY}};
	memcpy(flow->peer, peer->name, sizeof flow->peer);
	memcpy(flow->host, peer->host, sizeof flow->host);
}

/* A sender's limit is kept by its host; of a neighbour, here; from outside, by nobody. */
static void describe_sender(struct agent *agent, const struct nic *nic, const struct nic_peer *peer,
	struct nic_flow *flow)
{
	describe_peer(flow, VNIC_RECEIVES, peer);
	describe_limit(flow, &nic->receives, &peer->identity);
	if (*flow->limited_by || !*flow->host || isinf(peer->pair.allowed))
		return;
	flow->traffic.limit = peer->pair.allowed;
	memcpy(flow->limited_by, agent->host.name, sizeof flow->limited_by);
}

static void describe_destination(struct agent *agent, const struct nic *nic,
	const struct nic_peer *peer, struct nic_flow *flow)
{
	const struct nic *neighbour = agent_nic_at(agent, &peer->identity);

	describe_peer(flow, VNIC_SENDS, peer);
	if (!neighbour)
		describe_limit(flow, &nic->sends, &peer->identity);
	else if (nic->self.address_count)
		describe_limit(flow, &neighbour->receives, &nic->self.addresses[0]);
}

/* ---- vNICs ---- */

static void add_up(struct nic_traffic *sum, const struct nic_flow *flow)
{
	sum->bytes += flow->traffic.bytes;
	sum->packets += flow->traffic.packets;
	sum->used += flow->traffic.used;
	sum->queue_bytes += flow->traffic.queue_bytes;
	sum->drops += flow->traffic.drops;
}

/* The class without a limit is nobody's in particular. */
static struct nic_traffic start_sum(const struct shaper_counters *rest, double limit)
{
	return (struct nic_traffic){
		.limit = limit, .queue_bytes = rest->backlog_bytes, .drops = rest->drops};
}

static void describe_flows(struct agent *agent, const struct nic *nic, struct nic_status *status)
{
	struct nic_flow *flow = status->flows;
	const struct nic_peer *peer = NULL;

	while ((peer = nic_peers_next(&nic->senders, peer))) {
		describe_sender(agent, nic, peer, flow);
		add_up(&status->receives, flow++);
	}
	while ((peer = nic_peers_next(&nic->destinations, peer))) {
		describe_destination(agent, nic, peer, flow);
		add_up(&status->sends, flow++);
	}
	status->flow_count = (unsigned)(flow - status->flows);
}

static int describe_nic(struct agent *agent, const struct nic *nic, struct nic_status *status)
{
	double most = nic->config.send_max == UINT64_MAX ? INFINITY : (double)nic->config.send_max;
	size_t flows = key_map_count(&nic->senders.peers) + key_map_count(&nic->destinations.peers);

	*status = (struct nic_status){.config = nic->config,
		.is_present = nic->is_attached,
		.forged_packets = nic->programs ? vnic_programs_forged(nic->programs) : 0,
		.sends = start_sum(&nic->rest_sent, most),
		.receives = start_sum(&nic->rest_received, nic->inbound.allowed),
		.flows = calloc(flows + 1, sizeof *status->flows)};
	if (!status->flows)
		return -ENOMEM;
	memcpy(status->trouble, nic->trouble, sizeof status->trouble);
	describe_flows(agent, nic, status);
	return 0;
}

/* ---- the agent ---- */

static void describe_agent(struct agent *agent, struct agent_status *status)
{
	memcpy(status->host, agent->host.name, sizeof status->host);
	memcpy(status->uplink, agent->config.uplink, sizeof status->uplink);
	status->is_uplink_present = agent->uplink != NULL;
	status->link_bytes_per_s = agent->config.link_bytes_per_s;
	status->capacity = agent->inbound.capacity;
	status->target = agent->inbound.target;
	status->used = agent->inbound.used;
	status->is_contended = agent->inbound.is_contended;
	status->counters = agent->counters;
}

static int describe_nics(struct agent *agent, struct agent_status *status)
{
	const struct nic *nic;
	unsigned count = 0;
	int result = 0;

	TAILQ_FOREACH (nic, &agent->nics, link)
		count++;
	status->nics = calloc(count + 1, sizeof *status->nics);
	if (!status->nics)
		return -ENOMEM;
	look_at_classes(agent);
	TAILQ_FOREACH (nic, &agent->nics, link) {
		result = describe_nic(agent, nic, &status->nics[status->nic_count]);
		if (result < 0)
			break;
		status->nic_count++;
	}
	return result;
}

int agent_status(struct agent *agent, struct agent_status **status, struct error *error)
{
	struct agent_status *created = calloc(1, sizeof *created);
	int result = -ENOMEM;

	if (created) {
		pthread_mutex_lock(&agent->lock);
		describe_agent(agent, created);
		result = describe_nics(agent, created);
		pthread_mutex_unlock(&agent->lock);
	}
	if (result == 0) {
		*status = created;
		return 0;
	}
	if (created)
		agent_status_free(created);
	return error_set(error, result, "no memory to describe the network");
}

void agent_status_free(struct agent_status *status)
{
	for (unsigned i = 0; i < status->nic_count; i++)
		free(status->nics[i].flows);
	free(status->nics);
	free(status);
}
