/*
 * What is known of the cluster, in a file: a daemon that starts while etcd is away goes on from there.
 */
#ifndef SLUICE_CLUSTER_CLUSTER_CACHE_H
#define SLUICE_CLUSTER_CLUSTER_CACHE_H

#include <stddef.h>

#include "cluster/cluster_state.h"

#define CLUSTER_CACHE_BYTES_MAX (256u << 20)

/* Replace the file by what is known now. Returns 0 or a negative errno with the reason in `error`. */
int cluster_cache_save(const struct cluster_state *state, const char *file, struct error *error);

/* Take every key that the file has. -ENOENT: there is no file; -EINVAL: it makes no sense. */
int cluster_cache_load(struct cluster_state *state, const char *file, struct error *error);

/* The same for its text, which is any bytes. */
int cluster_cache_parse(struct cluster_state *state, const char *text, size_t bytes);

#endif
