#include <math.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counter.h"
#include "gatekeeper/agent_private.h"
#include "gatekeeper/datagram/rate_message.h"
#include "gatekeeper/datagram/replay_window.h"

/* What a vNIC without a maximum sends is measured for people to look at, and so less often. */
#define SENDS_EVERY_NS (100 * NS_PER_MS)

/* ---- limits that are ours to keep ---- */

void agent_hold(struct agent *agent, struct nic_limits *limits, const struct directory_nic *peer,
	const char *told_by, double bytes_per_s)
{
	if (nic_limits_tell(limits, peer, told_by, bytes_per_s, clock_now_ns()) < 0)
		counter_add(&agent->counters.failed_limits, 1);
}

void agent_apply_limits(struct agent *agent, uint64_t now_ns)
{
	unsigned failures = 0;
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link) {
		if (!nic->is_attached)
			continue;
		failures += nic_limits_apply(&nic->sends, now_ns);
		failures += nic_limits_apply(&nic->receives, now_ns);
	}
	if (failures)
		counter_add(&agent->counters.failed_limits, failures);
}

/* ---- telling ---- */

/* Once the clock has been set back so far that nobody goes on believing our epoch, another begins. */
static void stamp(struct envelope *envelope, uint64_t now_ns)
{
	if (envelope->epoch_ns > now_ns + 2 * REPLAY_FRESH_NS) {
		envelope->epoch_ns = now_ns;
		envelope->sequence = 0;
	}
	envelope->sequence++;
	envelope->sent_ns = now_ns;
}

void agent_send_rates(void *context, const struct directory_host *host,
	const struct rate_entry *entries, unsigned count)
{
	struct agent *agent = context;
	uint8_t payload[ENVELOPE_PAYLOAD_BYTES_MAX], datagram[ENVELOPE_BYTES_MAX];
	size_t bytes = rate_message_encode(entries, count, payload);

	stamp(&agent->envelope, clock_real_ns());
	bytes = envelope_seal(agent->config.key, &agent->envelope, payload, bytes, datagram);
	/* What cannot be sent now is told again soon. */
	if (sendto(agent->socket, datagram, bytes, MSG_DONTWAIT,
		    (const struct sockaddr *)&host->endpoint, sizeof host->endpoint) < 0)
		return;
	counter_add(&agent->counters.datagrams_sent, 1);
	counter_add(&agent->counters.bytes_sent, bytes);
}

static void tell_host(struct agent *agent, const struct nic *nic, const struct nic_peer *sender)
{
	const struct directory_nic *remote = directory_nic_at(agent->directory, &sender->identity);
	struct rate_entry entry = {.source = sender->identity,
		.destination = nic->self.addresses[0],
		.bytes_per_s = RATE_UNLIMITED};

	if (!isinf(sender->pair.allowed))
		entry.bytes_per_s = (uint64_t)sender->pair.allowed + 1;
	if (remote && nic->self.address_count)
		outbox_add(agent->outbox, remote->host, &entry);
}

/*
 * Of a sender on this host, the limit is kept where the traffic passes: no datagram. What the sender may
 * send holds there as well (nic_outbound.h).
 */
static void limit_neighbour(
	struct agent *agent, struct nic *nic, const struct nic *neighbour, double allowed)
{
	const struct nic_peer *destination =
		nic_peers_find(&neighbour->destinations, &nic->self.addresses[0]);
	double most = neighbour->outbound.division.capacity;

	if (destination)
		most = fmin(most, destination->pair.allowed);
	agent_hold(agent, &nic->receives, &neighbour->self, agent->host.name, fmin(allowed, most));
}

static void tell_sender(
	struct agent *agent, struct nic *nic, struct nic_peer *sender, uint64_t now_ns)
{
	const struct nic *neighbour = agent_nic_at(agent, &sender->identity);

	if (neighbour)
		limit_neighbour(agent, nic, neighbour, sender->pair.allowed);
	else if (announcement_is_due(
			 &sender->announcement, sender->pair.allowed, sender->pair.used, now_ns))
		tell_host(agent, nic, sender);
	if (!neighbour)
		appetite_correct(&sender->pair.appetite, announcement_told(&sender->announcement));
}

static void tell_senders(struct agent *agent, uint64_t now_ns)
{
	struct nic_peer *sender = NULL;
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link)
		while ((sender = nic_peers_next(&nic->senders, sender)))
			tell_sender(agent, nic, sender, now_ns);
	outbox_flush(agent->outbox);
}

/* ---- measuring ---- */

static const struct directory_nic *who_has(void *context, const struct in6_addr *address)
{
	struct agent *agent = context;
	const struct nic *nic = agent_nic_at(agent, address);

	return nic ? &nic->self : directory_nic_at(agent->directory, address);
}

static struct nic_census census_since(struct agent *agent, uint64_t *last_ns, uint64_t now_ns)
{
	struct nic_census census = {
		.who_has = who_has,
		.context = agent,
		.generation = agent->directory_generation,
		.period_ns = now_ns > *last_ns ? now_ns - *last_ns : 1,
		.now_ns = now_ns,
	};

	*last_ns = now_ns;
	return census;
}

static void measure_sends(struct agent *agent, uint64_t now_ns)
{
	struct nic_census census;
	struct nic *nic;

	if (now_ns - agent->sends_measured_ns < SENDS_EVERY_NS)
		return;
	census = census_since(agent, &agent->sends_measured_ns, now_ns);
	TAILQ_FOREACH (nic, &agent->nics, link)
		if (nic->is_attached && isinf(nic->outbound.division.capacity))
			nic_peers_measure(&nic->destinations, nic->programs, &census);
}

/* Of those who may send only so much, with the same census as what is received. */
static void divide_sends(struct agent *agent, struct nic *nic, const struct nic_census *census)
{
	const struct nic_place place = agent_place(agent);

	if (isinf(nic->outbound.division.capacity))
		return;
	nic_peers_measure(&nic->destinations, nic->programs, census);
	nic_outbound_divide(&nic->outbound, &nic->destinations);
	if (nic_apply_ceil(nic, &place) < 0)
		counter_add(&agent->counters.failed_limits, 1);
}

static void measure(struct agent *agent, uint64_t now_ns)
{
	const struct nic_census census = census_since(agent, &agent->period_began_ns, now_ns);
	struct nic *nic;

	TAILQ_FOREACH (nic, &agent->nics, link) {
		if (!nic->is_attached)
			continue;
		nic_peers_measure(&nic->senders, nic->programs, &census);
		divide_sends(agent, nic, &census);
	}
}

void agent_run_period(struct agent *agent)
{
	uint64_t now_ns = clock_now_ns();

	agent->datagrams_left = AGENT_DATAGRAMS_PER_PERIOD;
	measure(agent, now_ns);
	inbound_divide(&agent->inbound);
	inbound_divide(&agent->local);
	tell_senders(agent, now_ns);
	agent_apply_limits(agent, now_ns);
	measure_sends(agent, now_ns);
	counter_add(&agent->counters.periods, 1);
}
