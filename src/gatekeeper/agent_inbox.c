#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "gatekeeper/agent_private.h"
#include "gatekeeper/datagram/rate_message.h"
#include "gatekeeper/datagram/replay_window.h"

/* What another host's agent has sent before. */
struct correspondent {
	uint64_t host_id;
	struct replay_window window;
	struct key_map_node node;
};

static struct correspondent *add_correspondent(struct agent *agent, uint64_t host_id)
{
	struct correspondent *correspondent = calloc(1, sizeof *correspondent);

	if (!correspondent)
		return NULL;
	correspondent->host_id = host_id;
	if (key_map_add(&agent->correspondents, &correspondent->node, &correspondent->host_id,
		    sizeof host_id) < 0) {
		free(correspondent);
		return NULL;
	}
	return correspondent;
}

/* All hosts have one key: that a datagram is a host's shows in where it is from. */
static struct correspondent *correspondent_of(
	struct agent *agent, uint64_t host_id, const struct sockaddr_in6 *from)
{
	const struct directory_host *host = directory_host_of(agent->directory, host_id);
	struct key_map_node *node = key_map_find(&agent->correspondents, &host_id, sizeof host_id);

	if (!host || !IN6_ARE_ADDR_EQUAL(&host->endpoint.sin6_addr, &from->sin6_addr))
		return NULL;
	return node ? container_of(node, struct correspondent, node)
		    : add_correspondent(agent, host_id);
}

void agent_forget_correspondents(struct agent *agent)
{
	struct key_map_node *node;

	while ((node = key_map_next(&agent->correspondents, NULL))) {
		key_map_remove(&agent->correspondents, node);
		free(container_of(node, struct correspondent, node));
	}
}

/* A host may limit what is sent to vNICs that it serves, and to no other. */
static void take_rate(struct agent *agent, uint64_t host_id, const struct rate_entry *entry)
{
	const struct directory_nic *receiver =
		directory_nic_at(agent->directory, &entry->destination);
	struct nic *nic = agent_nic_at(agent, &entry->source);

	if (!nic || !receiver || receiver->host->id != host_id)
		counter_add(&agent->counters.refused_unknown, 1);
	else if (nic->is_attached)
		agent_hold(agent, &nic->sends, receiver, receiver->host->name,
			entry->bytes_per_s == RATE_UNLIMITED ? INFINITY
							     : (double)entry->bytes_per_s);
}

/* Returns whether it was one of ours, and new. */
static bool take_datagram(
	struct agent *agent, const struct sockaddr_in6 *from, const uint8_t *datagram, size_t bytes)
{
	uint8_t payload[ENVELOPE_PAYLOAD_BYTES_MAX];
	struct rate_entry entries[RATE_MESSAGE_ENTRIES_MAX];
	struct correspondent *correspondent;
	struct envelope envelope;
	int count = envelope_open(agent->config.key, datagram, bytes, &envelope, payload);

	if (count >= 0)
		count = rate_message_decode(payload, (size_t)count, entries);
	if (count < 0) {
		counter_add(&agent->counters.refused_forged, 1);
		return false;
	}
	correspondent = correspondent_of(agent, envelope.host_id, from);
	if (!correspondent) {
		counter_add(&agent->counters.refused_unknown, 1);
		return false;
	}
	if (replay_window_judge(&correspondent->window, &envelope, clock_real_ns()) != REPLAY_NEW) {
		counter_add(&agent->counters.refused_replayed, 1);
		return false;
	}
	for (int i = 0; i < count; i++)
		take_rate(agent, envelope.host_id, &entries[i]);
	return true;
}

void agent_take_datagrams(struct agent *agent)
{
	uint8_t datagram[ENVELOPE_BYTES_MAX + 1];
	bool is_news = false;

	for (; agent->datagrams_left; agent->datagrams_left--) {
		struct sockaddr_in6 from = {0};
		socklen_t from_bytes = sizeof from;
		ssize_t bytes = recvfrom(agent->socket, datagram, sizeof datagram, MSG_DONTWAIT,
			(struct sockaddr *)&from, &from_bytes);

		if (bytes < 0)
			break;
		counter_add(&agent->counters.datagrams_received, 1);
		is_news |= take_datagram(agent, &from, datagram, (size_t)bytes);
	}
	/* Without the key, nobody has all limits looked at. */
	if (is_news)
		agent_apply_limits(agent, clock_now_ns());
}
