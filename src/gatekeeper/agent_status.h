/*
 * What an agent and its vNICs do at present, for people and metrics: a copy, to be read without the
 * agent's lock.
 */
#ifndef SLUICE_GATEKEEPER_AGENT_STATUS_H
#define SLUICE_GATEKEEPER_AGENT_STATUS_H

#include "gatekeeper/agent.h"

/* One direction of a vNIC, or of its traffic with one peer. */
struct nic_traffic {
	uint64_t bytes; /* frames, since the agent first saw any; likewise the packets */
	uint64_t packets;
	double used;  /* bytes per second, over a few tenths of a second */
	double limit; /* bytes per second: a limit, or a vNIC's share of the link; INFINITY: none */
	uint64_t queue_bytes; /* what waits in its classes here */
	uint64_t drops;	      /* packets that found no room there */
};

/* Traffic with one peer. */
struct nic_flow {
	enum vnic_direction direction;
	struct in6_addr address;	 /* the peer's first one; all zeroes: the outside */
	char peer[DIRECTORY_NAME_BYTES]; /* its name; empty: unknown */
	char host[DIRECTORY_NAME_BYTES]; /* where it is; empty: outside */
	char limited_by
		[DIRECTORY_NAME_BYTES]; /* the host whose agent has set the limit; empty: none */
	struct nic_traffic traffic;
};

struct nic_status {
	struct nic_config config;
	bool is_present;		   /* its netdev is there, and taken */
	char trouble[ERROR_MESSAGE_BYTES]; /* why it could not be taken; empty: it is not there */
	uint64_t forged_packets;	   /* that it sent under addresses that are not its own */
	struct nic_traffic sends;
	struct nic_traffic receives;
	unsigned flow_count;
	struct nic_flow *flows;
};

struct agent_status {
	char host[DIRECTORY_NAME_BYTES];
	char uplink[IFNAMSIZ];
	bool is_uplink_present;
	uint64_t link_bytes_per_s;
	double capacity; /* what is given away of that; bytes per second */
	double target;	 /* what is divided at present */
	double used;	 /* what all vNICs receive over it */
	bool is_contended;
	struct agent_counters counters;
	unsigned nic_count;
	struct nic_status *nics;
};

/*
 * @status: receives what is to be given to agent_status_free
 * Returns 0, or -ENOMEM with words in `error`.
 */
int agent_status(struct agent *agent, struct agent_status **status, struct error *error);

void agent_status_free(struct agent_status *status);

#endif
