/*
 * The limits on what a vNIC sends, or on what it receives from its own host: from what agents say
 * to classes of the shaper and entries of the programs' tables. A limit is on a peer with all its
 * addresses.
 */
#ifndef SLUICE_GATEKEEPER_NIC_LIMITS_H
#define SLUICE_GATEKEEPER_NIC_LIMITS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/key_map.h"
#include "gatekeeper/allocation/rate_limit.h"
#include "gatekeeper/directory.h"
#include "gatekeeper/netdev/bpf/vnic_programs.h"
#include "gatekeeper/netdev/shaper.h"

struct nic_limit {
	struct in6_addr identity; /* the peer's; see directory.h */
	struct in6_addr addresses[DIRECTORY_ADDRESSES_MAX];
	unsigned address_count;
	char told_by[DIRECTORY_NAME_BYTES]; /* the host whose agent has set it */
	struct rate_limit limit;
	double applied;	      /* bytes per second; 0: it has no class yet */
	uint32_t queue_bytes; /* of its class */
	bool is_led;	      /* its peer's traffic goes into that */
	uint64_t lifted_ns;   /* when it came to mean nothing; 0: it means something */
	uint16_t minor;
	struct shaper_counters counters; /* of its class, as noted last */
	struct key_map_node node;
};

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

/*
 * Go on with the limits that a predecessor left in the programs' tables, as if they had been told now:
 * who still wants them will renew them.
 */
void nic_limits_adopt(struct nic_limits *limits, uint64_t now_ns);

/*
 * An agent has told a limit.
 *
 * @peer: whom the vNIC may send to, or receive from; with at least one address
 * @told_by: name of the agent's host
 * @bytes_per_s: INFINITY: no limit any more
 * Returns 0, or -ENOMEM or -ENOSPC if it cannot be kept.
 */
int nic_limits_tell(struct nic_limits *limits, const struct directory_nic *peer,
	const char *told_by, double bytes_per_s, uint64_t now_ns);

/*
 * Bring classes up to date with what the limits are now, and drop those that have faded: not at once, as
 * they may come back, and not before their queues are empty. Returns the number that could not be
 * applied.
 */
unsigned nic_limits_apply(struct nic_limits *limits, uint64_t now_ns);

/* The limit on a peer of that identity, or NULL. */
const struct nic_limit *nic_limits_find(
	const struct nic_limits *limits, const struct in6_addr *identity);

/* Note what the class of that number has counted, if it is a limit's. */
void nic_limits_note(
	struct nic_limits *limits, uint16_t minor, const struct shaper_counters *counters);

/* Drop all limits: their peers' traffic goes with the rest. */
void nic_limits_clear(struct nic_limits *limits);

/* Forget all limits, and leave them in force for a successor. */
void nic_limits_forget(struct nic_limits *limits);

#endif
