/*
 * This host in its cluster, by way of etcd: what others are told of it, and what it is told of others.
 *
 * Theory of operation. A thread reads everything below the prefix, then watches what changes from
 * that revision on, and gives the agent a new directory when there is something new: soon, but not
 * for every change by itself. When a member of etcd's fails, it turns to the next, and goes on
 * watching from the revision it has seen; only when that is not known any more is everything read
 * again. What is known stays in force while etcd is away; and it is in a file, for a daemon that
 * starts meanwhile.
 *
 * The agent knows nothing of all this but agent_set_directory.
 */
#ifndef SLUICE_CLUSTER_CLUSTER_H
#define SLUICE_CLUSTER_CLUSTER_H

#include <stdbool.h>

#include "cluster/cluster_entry.h"
#include "cluster/etcd_config.h"
#include "gatekeeper/agent.h"

struct cluster_config {
	struct etcd_config etcd;
	struct cluster_host host; /* this one */
	char cache[PATH_MAX];	  /* file for what is known */
};

struct cluster_status {
	bool is_connected;
	uint64_t since_ns; /* of clock_now_ns: when that began */
	char member[ETCD_ENDPOINT_BYTES];
	int64_t revision; /* that is known */
	unsigned hosts, nics;
	char failure[256]; /* the last one; empty: none yet */
};

struct cluster;

/*
 * Begin. If there is a file of what was known, the agent has it when this returns.
 *
 * @config: copied
 * @agent: outlives the cluster
 * Returns 0 or a negative errno with the reason in `error`; that etcd cannot be reached is none.
 */
int cluster_start(const struct cluster_config *config, struct agent *agent,
	struct cluster **cluster, struct error *error);

/*
 * End, and free it. The agent keeps its directory.
 *
 * @is_final: tell the cluster that this host is gone; otherwise it finds out, unless a successor comes
 * before
 */
void cluster_stop(struct cluster *cluster, bool is_final);

/* From any thread: this host has such a vNIC, from now on or still. Returns 0 or -ENOMEM. */
int cluster_set_nic(struct cluster *cluster, const struct nic_config *config);

/* From any thread: it has no vNIC of that name any more. */
void cluster_remove_nic(struct cluster *cluster, const char *name);

void cluster_status(struct cluster *cluster, struct cluster_status *status);

#endif
