/*
 * What the control protocol says about disks, pools, sidecores, vNICs and modules, as JSON. Units are in
 * the keys.
 */
#ifndef SLUICE_CONTROL_DESCRIBE_DESCRIBE_H
#define SLUICE_CONTROL_DESCRIBE_DESCRIBE_H

#include <jansson.h>

#include "control/host/host.h"
#include "gatekeeper/agent_status.h"

/* One line's worth; for lists. */
json_t *describe_disk_briefly(const struct host *host, unsigned index);

/* Everything: the promises, how they were kept, latency histograms, counters. */
json_t *describe_disk(const struct host *host, unsigned index);

/* With `disks`: their names too. */
json_t *describe_pool(const struct host *host, unsigned index);
json_t *describe_sidecore(const struct sidecore *sidecore);

/* How well etcd tells us of other hosts; null where the configuration does. */
json_t *describe_cluster(const struct host *host);

/* A vNIC with its busiest pairs, at most `flows` of them; brings them into order. */
json_t *describe_nic(const struct host *host, struct nic_status *nic, unsigned flows);

/* @is_fresh: ask its process, and wait for it a little */
json_t *describe_module(const struct host *host, unsigned index, bool is_fresh);

/* How sluiced serves a vNIC; null if somebody else does. */
json_t *describe_device(const struct host *host, unsigned index);
json_t *describe_network(const struct agent_status *status);

#endif
