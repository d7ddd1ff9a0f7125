/*
 * What we ask of etcd: keys below a prefix, changes to some, and leases that they hang on.
 *
 * Functions return 0 or a negative errno with the reason in `error`; see etcd_client_call.
 */
#ifndef SLUICE_CLUSTER_ETCD_KEYS_H
#define SLUICE_CLUSTER_ETCD_KEYS_H

#include "cluster/etcd_answer.h"
#include "cluster/etcd_client.h"

/* A transaction of etcd's has at most 128 changes. */
#define ETCD_CHANGES_MAX 64u

/* A change to one key. */
struct etcd_change {
	char key[ETCD_KEY_BYTES_MAX + 1];
	const char *value; /* NULL: delete it */
};

/*
 * Read all keys below a prefix as they are at one moment, in pages that fit an answer.
 *
 * @header: receives that moment
 */
int etcd_read_all(struct etcd_client *client, const char *prefix, etcd_pair_handler *handler,
	void *context, struct etcd_header *header, struct error *error);

/* What the cluster agrees on is its present revision. */
int etcd_read_header(struct etcd_client *client, const char *prefix, struct etcd_header *header,
	struct error *error);

/* Make changes, all or none; what is put hangs on the lease. -ENOENT: the lease is no more. */
int etcd_change_keys(struct etcd_client *client, const struct etcd_change *changes, unsigned count,
	int64_t lease, struct error *error);

int etcd_grant_lease(
	struct etcd_client *client, uint64_t seconds, int64_t *lease, struct error *error);

/* Renew it. -ENOENT: it is no more. */
int etcd_keep_lease(struct etcd_client *client, int64_t lease, struct error *error);

/* End it, and with it all that hangs on it. */
int etcd_revoke_lease(struct etcd_client *client, int64_t lease, struct error *error);

/* The members "key" and "range_end" that stand for everything below a prefix; NULL without memory. */
json_t *etcd_keys_below(const char *prefix);

#endif
