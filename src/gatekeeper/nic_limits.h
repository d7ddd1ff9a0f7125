/*
 * The limits on what a vNIC sends, or on what it receives from its own host: from what other agents
 * say to classes of the shaper and entries of the programs' tables.
 */
#ifndef SLUICE_GATEKEEPER_NIC_LIMITS_H
#define SLUICE_GATEKEEPER_NIC_LIMITS_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/key_map.h"
#include "gatekeeper/bpf/vnic_programs.h"
#include "gatekeeper/rate_limit.h"
#include "gatekeeper/shaper.h"

/* One direction of one vNIC. */
struct nic_limits {
	struct key_map by_peer;
	struct vnic_programs *programs;
	enum vnic_direction direction;
	struct shaper *shaper;
	uint16_t parent;      /* class above those of the limits */
	uint16_t first_minor; /* theirs are from here ... */
	uint16_t minor_count; /* ... so many, at most */
	uint16_t next_minor;  /* to be tried next, less first_minor */
	uint64_t most;	      /* bytes per second, without a limit */
};

/* An agent has told a limit for one peer, INFINITY for none. Returns 0, or -ENOMEM or -ENOSPC if it cannot be kept. */
int nic_limits_tell(struct nic_limits *limits, const struct in6_addr *peer, double bytes_per_s,
	uint64_t now_ns);

/*
 * Bring classes up to date with what the limits are now, and drop those that have faded. Returns the
 * number that could not be applied.
 */
unsigned nic_limits_apply(struct nic_limits *limits, uint64_t now_ns);

/* Drop all limits: their peers' traffic goes with the rest. */
void nic_limits_clear(struct nic_limits *limits);

#endif
