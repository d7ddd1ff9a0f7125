/*
 * What this host says of itself in etcd: its address and its vNICs, on a lease, so that they go when it
 * does.
 *
 * Theory of operation. Any thread says what is to be there; the cluster's thread has it put there, and
 * renews the lease, whenever registration_keep is called. A lease that has run out is followed by a
 * new one, on which everything is put again. So it is after a restart: the new daemon's keys replace the
 * old one's before the old lease ends.
 */
#ifndef SLUICE_CLUSTER_REGISTRATION_H
#define SLUICE_CLUSTER_REGISTRATION_H

#include <stdbool.h>

#include "cluster/etcd_client.h"

struct registration;

/* @lease_s: how long the keys stay without a sign of life. Returns NULL without memory. */
struct registration *registration_create(uint64_t lease_s);
void registration_destroy(struct registration *registration);

/* From any thread: this key is to have that value, or (NULL) to go. Returns 0 or -ENOMEM. */
int registration_set(struct registration *registration, const char *key, const char *value);

/* Somebody has deleted a key; if it is ours, it is to be put again. */
void registration_notice(struct registration *registration, const char *key);

/* The cluster has been set back: nothing that was put can be relied on. */
void registration_begin_anew(struct registration *registration);

/*
 * Put what is not there yet, and renew the lease when it is time. Returns 0, or a negative errno with
 * the reason in `error`: then the next call tries again.
 */
int registration_keep(struct registration *registration, struct etcd_client *client,
	uint64_t now_ns, struct error *error);

/* When registration_keep has something to do, at the latest. */
uint64_t registration_due_ns(struct registration *registration);

/* Take everything back. */
int registration_end(
	struct registration *registration, struct etcd_client *client, struct error *error);

#endif
