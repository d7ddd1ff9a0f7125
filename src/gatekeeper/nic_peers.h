/*
 * Whom a vNIC exchanges traffic with, in one direction: what its programs count by address, summed up
 * by vNIC.
 *
 * Theory of operation. Every address that has been seen leads to a peer: the vNIC whose address it is.
 * All that are nobody's lead to one peer, the outside, so that who invents addresses gains no larger
 * part of anything. The directory may change under a running agent; its generation tells, and then
 * addresses are led anew.
 */
#ifndef SLUICE_GATEKEEPER_NIC_PEERS_H
#define SLUICE_GATEKEEPER_NIC_PEERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/key_map.h"
#include "gatekeeper/allocation/announcement.h"
#include "gatekeeper/allocation/inbound.h"
#include "gatekeeper/directory.h"
#include "gatekeeper/netdev/bpf/vnic_programs.h"

/* Where peers take part in a division: in what is divided, as senders to (or destinations of) a vNIC. */
struct nic_part {
	struct inbound *inbound;
	struct inbound_nic *nic;
};

struct nic_peer {
	struct in6_addr identity; /* its first address; all zeroes: the outside */
	char name[DIRECTORY_NAME_BYTES];
	char host[DIRECTORY_NAME_BYTES];
	uint64_t bytes; /* since it was first seen */
	uint64_t packets;
	double used;	 /* bytes per second, in the last period */
	double smoothed; /* the same over a few tenths of a second, for people */
	const struct nic_part *part;
	struct inbound_pair pair;	  /* its place there */
	struct announcement announcement; /* of a sender: what its host has been told */
	uint64_t period_bytes;
	unsigned address_count; /* of those that have been seen */
	struct key_map_node node;
};

struct nic_peers {
	enum vnic_direction direction;
	struct nic_part far; /* of peers on other hosts */
	struct nic_part near;
	const struct directory_host *host; /* this one, by which the near ones are known */
	struct key_map addresses;
	struct key_map peers; /* by identity */
	unsigned generation;  /* of the directory, when addresses were led last */
	bool is_measured;     /* at least once, so that what is new to us is new */
};

/* When is measured, and who is who. */
struct nic_census {
	const struct directory_nic *(*who_has)(void *context, const struct in6_addr *address);
	void *context;
	unsigned generation; /* differs when `who_has` may answer differently */
	uint64_t period_ns;  /* since the last time */
	uint64_t now_ns;
};

/*
 * @host: this one
 * @far, @near: where peers on other hosts, and on this one, take part; may be the same
 */
void nic_peers_init(struct nic_peers *peers, enum vnic_direction direction,
	const struct directory_host *host, struct nic_part far, struct nic_part near);

/* Whether a peer is on this host. */
bool nic_peers_is_near(const struct nic_peers *peers, const struct nic_peer *peer);

/* Forget all; what the programs have counted stays. */
void nic_peers_clear(struct nic_peers *peers);

/*
 * Count what has been exchanged with each peer since the last call; forget those that have been
 * silent long.
 */
void nic_peers_measure(
	struct nic_peers *peers, struct vnic_programs *programs, const struct nic_census *census);

/* The peer of that identity, or NULL. */
struct nic_peer *nic_peers_find(const struct nic_peers *peers, const struct in6_addr *identity);

/* The peer after one, or the first after NULL; NULL at the end. */
struct nic_peer *nic_peers_next(const struct nic_peers *peers, const struct nic_peer *peer);

#endif
