/*
 * One key of the cluster in etcd, and its value:
 *
 *   PREFIX/hosts/HOST        {"address":"10.0.1.254", "port":5157, "link_bytes_per_s":125000000}
 *   PREFIX/nics/HOST/NIC     {"addresses":["10.0.1.1"], "send":{"min":0}, "receive":{"min":..., "max":...},
 *                             "weight":1}
 *
 * Bandwidths are bytes per second; a `max` that is not there is as much as the link has. Other members
 * of an object are ignored, so that a later version can add some.
 */
#ifndef SLUICE_CLUSTER_CLUSTER_ENTRY_H
#define SLUICE_CLUSTER_CLUSTER_ENTRY_H

#include <stdint.h>

#include "base/error.h"
#include "cluster/etcd_answer.h"
#include "cluster/etcd_config.h"
#include "gatekeeper/agent.h"

#define CLUSTER_VALUE_BYTES_MAX 4096u

struct cluster_host {
	struct directory_host host;
	uint64_t link_bytes_per_s;
};

/* Limits as in struct nic_config; its netdev is its host's affair, and empty. */
struct cluster_nic {
	char host[DIRECTORY_NAME_BYTES];
	struct nic_config config;
};

enum cluster_entry_kind { CLUSTER_HOST, CLUSTER_NIC };

struct cluster_entry {
	enum cluster_entry_kind kind;
	union {
		struct cluster_host host;
		struct cluster_nic nic;
	};
};

/*
 * Read what etcd says. Returns 0; -ENOENT for a key that is none of ours; -EINVAL for a name or value that
 * makes no sense, or -EMSGSIZE for one that is too long, with the reason in `error`.
 *
 * @pair: any bytes
 */
int cluster_entry_parse(const char *prefix, const struct etcd_pair *pair,
	struct cluster_entry *entry, struct error *error);

/* The key of an entry of this host's; returns `key`. */
char *cluster_host_key(const char *prefix, const char *host, char key[ETCD_KEY_BYTES_MAX + 1]);
char *cluster_nic_key(
	const char *prefix, const char *host, const char *nic, char key[ETCD_KEY_BYTES_MAX + 1]);

/* A value as text, to be freed with free(); NULL without memory. */
char *cluster_host_value(const struct cluster_host *host);
char *cluster_nic_value(const struct nic_config *config);

#endif
