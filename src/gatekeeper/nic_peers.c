#include "gatekeeper/nic_peers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/container.h"
#include "gatekeeper/netdev/bpf/vnic.h"

/* An address that has been silent so long is forgotten. */
#define SILENCE_NS (10 * NS_PER_S)

#define SMOOTHING_NS (200. * NS_PER_MS)

struct nic_address {
	struct in6_addr address;
	struct nic_peer *peer;
	uint64_t bytes_before; /* counted until the last period */
	uint64_t packets_before;
	uint64_t heard_ns; /* when anything was exchanged last */
	uint64_t found_ns; /* when the programs knew it last */
	struct key_map_node node;
};

/* One call of nic_peers_measure. */
struct measurement {
	struct nic_peers *peers;
	const struct nic_census *census;
};

static struct nic_peer *peer_at(struct key_map_node *node)
{
	return node ? container_of(node, struct nic_peer, node) : NULL;
}

static struct nic_address *address_at(struct key_map_node *node)
{
	return node ? container_of(node, struct nic_address, node) : NULL;
}

struct nic_peer *nic_peers_next(const struct nic_peers *peers, const struct nic_peer *peer)
{
	return peer_at(key_map_next(&peers->peers, peer ? &peer->node : NULL));
}

struct nic_peer *nic_peers_find(const struct nic_peers *peers, const struct in6_addr *identity)
{
	return peer_at(key_map_find(&peers->peers, identity, sizeof *identity));
}

static struct nic_address *next_address(
	const struct nic_peers *peers, const struct nic_address *address)
{
	return address_at(key_map_next(&peers->addresses, address ? &address->node : NULL));
}

void nic_peers_init(struct nic_peers *peers, enum vnic_direction direction,
	const struct directory_host *host, struct nic_part far, struct nic_part near)
{
	*peers = (struct nic_peers){.direction = direction, .far = far, .near = near, .host = host};
}

bool nic_peers_is_near(const struct nic_peers *peers, const struct nic_peer *peer)
{
	return strcmp(peer->host, peers->host->name) == 0;
}

/* ---- peers ---- */

static struct nic_peer *add_peer(struct nic_peers *peers, const struct in6_addr *identity)
{
	struct nic_peer *peer = calloc(1, sizeof *peer);

	if (!peer)
		return NULL;
	peer->identity = *identity;
	if (key_map_add(&peers->peers, &peer->node, &peer->identity, sizeof peer->identity) < 0) {
		free(peer);
		return NULL;
	}
	return peer; /* NOLINT(clang-analyzer-unix.Malloc): the map has it */
}

static void remove_peer(struct nic_peers *peers, struct nic_peer *peer)
{
	key_map_remove(&peers->peers, &peer->node);
	if (peer->part)
		inbound_remove_pair(peer->part->nic, &peer->pair);
	free(peer);
}

/* A vNIC may move to this host, or away from it. */
static int take_part(struct nic_peers *peers, struct nic_peer *peer)
{
	const struct nic_part *part = nic_peers_is_near(peers, peer) ? &peers->near : &peers->far;
	int result;

	if (peer->part == part)
		return 0;
	if (peer->part)
		inbound_remove_pair(peer->part->nic, &peer->pair);
	result = inbound_add_pair(part->inbound, part->nic, &peer->pair);
	peer->part = result == 0 ? part : NULL;
	return result;
}

/* The peer that an address leads to, as the directory is now; NULL if there is no memory. */
static struct nic_peer *lead(
	struct nic_peers *peers, const struct nic_census *census, const struct in6_addr *address)
{
	const struct directory_nic *nic = census->who_has(census->context, address);
	const struct in6_addr identity = nic ? nic->addresses[0] : in6addr_any;
	struct nic_peer *peer = nic_peers_find(peers, &identity);

	if (!peer)
		peer = add_peer(peers, &identity);
	if (!peer)
		return NULL;
	if (nic) {
		memcpy(peer->name, nic->name, sizeof peer->name);
		memcpy(peer->host, nic->host->name, sizeof peer->host);
	}
	if (take_part(peers, peer) == 0)
		return peer;
	if (!peer->address_count)
		remove_peer(peers, peer);
	return NULL;
}

static void join(struct nic_address *address, struct nic_peer *peer)
{
	address->peer = peer;
	peer->address_count++;
}

static void leave(struct nic_peers *peers, struct nic_address *address)
{
	struct nic_peer *peer = address->peer;

	if (--peer->address_count == 0)
		remove_peer(peers, peer);
}

/* ---- addresses ---- */

static struct nic_address *add_address(
	const struct measurement *measurement, const struct in6_addr *key, uint64_t bytes)
{
	struct nic_peers *peers = measurement->peers;
	struct nic_address *address = calloc(1, sizeof *address);
	struct nic_peer *peer;

	if (!address)
		return NULL;
	address->address = *key;
	/* What was counted before we looked first is not this period's. */
	address->bytes_before = peers->is_measured ? 0 : bytes;
	address->heard_ns = measurement->census->now_ns;
	if (key_map_add(&peers->addresses, &address->node, &address->address, sizeof *key) < 0)
		goto fail;
	peer = lead(peers, measurement->census, key);
	if (!peer)
		goto fail_lead;
	join(address, peer);
	return address;

fail_lead:
	key_map_remove(&peers->addresses, &address->node);
fail:
	free(address);
	return NULL;
}

static void remove_address(struct nic_peers *peers, struct nic_address *address)
{
	key_map_remove(&peers->addresses, &address->node);
	leave(peers, address);
	free(address);
}

void nic_peers_clear(struct nic_peers *peers)
{
	struct nic_address *address;

	while ((address = next_address(peers, NULL)))
		remove_address(peers, address);
	peers->is_measured = false;
}

/* The new peer is joined before the old one is left, so that one that stays keeps its history. */
static void lead_anew(struct nic_peers *peers, const struct nic_census *census)
{
	struct nic_address *address = NULL;
	struct nic_peer *peer;

	while ((address = next_address(peers, address))) {
		peer = lead(peers, census, &address->address);
		if (!peer)
			continue;
		peer->address_count++;
		leave(peers, address);
		address->peer = peer;
	}
	peers->generation = census->generation;
}

static bool is_silent(const struct nic_address *address, uint64_t now_ns)
{
	return now_ns - address->heard_ns > SILENCE_NS;
}

/* Of those that the programs have forgotten, some are kept, with their history; not more than they know. */
static bool is_over(
	const struct nic_peers *peers, const struct nic_address *address, uint64_t now_ns)
{
	return is_silent(address, now_ns) ||
	       (address->found_ns != now_ns && key_map_count(&peers->addresses) > VNIC_PEERS_MAX);
}

/* Who was not found because not all were visited must be forgotten on both sides alike. */
static void forget_the_silent(struct nic_peers *peers, struct vnic_programs *programs,
	bool are_all_visited, uint64_t now_ns)
{
	struct nic_address *address = next_address(peers, NULL), *next;

	for (; address; address = next) {
		next = next_address(peers, address);
		if (!is_over(peers, address, now_ns))
			continue;
		if (is_silent(address, now_ns) || !are_all_visited)
			vnic_programs_forget(programs, peers->direction, &address->address);
		remove_address(peers, address);
	}
}

/* ---- measuring ---- */

static void count_address(
	void *context, const struct in6_addr *key, uint64_t bytes, uint64_t packets)
{
	const struct measurement *measurement = context;
	struct nic_address *address =
		address_at(key_map_find(&measurement->peers->addresses, key, sizeof *key));

	if (!address)
		address = add_address(measurement, key, bytes);
	if (!address)
		return;
	address->found_ns = measurement->census->now_ns;
	/* Less than before: it was forgotten, and counted anew. */
	if (bytes < address->bytes_before || packets < address->packets_before)
		address->bytes_before = address->packets_before = 0;
	if (bytes != address->bytes_before)
		address->heard_ns = measurement->census->now_ns;
	address->peer->period_bytes += bytes - address->bytes_before;
	address->peer->packets += packets - address->packets_before;
	address->bytes_before = bytes;
	address->packets_before = packets;
} /* NOLINT(clang-analyzer-unix.Malloc): the map has the address */

static void sum_up(struct nic_peer *peer, uint64_t period_ns)
{
	double period = (double)period_ns;

	peer->used = (double)peer->period_bytes * NS_PER_S / period;
	peer->smoothed += (peer->used - peer->smoothed) * fmin(1, period / SMOOTHING_NS);
	peer->pair.used = peer->used;
	peer->bytes += peer->period_bytes;
	peer->period_bytes = 0;
}

void nic_peers_measure(
	struct nic_peers *peers, struct vnic_programs *programs, const struct nic_census *census)
{
	struct measurement measurement = {peers, census};
	struct nic_peer *peer = NULL;
	bool are_all_visited;

	if (peers->generation != census->generation)
		lead_anew(peers, census);
	are_all_visited =
		vnic_programs_visit(programs, peers->direction, count_address, &measurement);
	peers->is_measured = true;
	while ((peer = nic_peers_next(peers, peer)))
		sum_up(peer, census->period_ns);
	forget_the_silent(peers, programs, are_all_visited, census->now_ns);
}
