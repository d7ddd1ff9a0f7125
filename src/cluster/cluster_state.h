/*
 * What is known of the cluster: the last value of every key, and the directory that follows from them.
 *
 * Theory of operation. Keys come from a reading of everything, after which what was not read is gone,
 * or from single changes. Where two vNICs claim an address, the one that appeared last has it: a VM
 * that has migrated is announced by its new host before the old one has let go, and an old host that is
 * restarted meanwhile does not get it back, since its key has been there all the time.
 */
#ifndef SLUICE_CLUSTER_CLUSTER_STATE_H
#define SLUICE_CLUSTER_CLUSTER_STATE_H

#include <stdbool.h>

#include "cluster/cluster_entry.h"
#include "cluster/etcd_answer.h"

/* Keys beyond this are left out; a fleet of a thousand full hosts is far below. */
#define CLUSTER_ENTRIES_MAX (1u << 18)

struct cluster_state;

/* One key as it was read. */
struct cluster_record {
	const char *key;
	const char *value;
	int64_t mod_revision;
	int64_t create_revision;
};

/* @prefix: outlives the state. Returns NULL without memory. */
struct cluster_state *cluster_state_create(const char *prefix);
void cluster_state_destroy(struct cluster_state *state);

/* Take a key that was put or deleted. One that makes no sense is logged, and counts as deleted. */
void cluster_state_take(struct cluster_state *state, const struct etcd_pair *pair);

/* Around a reading of everything: what is not taken in between is gone in the end. */
void cluster_state_begin_reading(struct cluster_state *state);
void cluster_state_end_reading(struct cluster_state *state);

/* Grows with every change to what is known. */
uint64_t cluster_state_version(const struct cluster_state *state);

unsigned cluster_state_count(const struct cluster_state *state, enum cluster_entry_kind kind);

/* A directory of what is known, the caller's; NULL without memory. */
struct directory *cluster_state_directory(const struct cluster_state *state);

/* Hand on every key. Ends, and returns what it got, when that is negative; or 0. */
int cluster_state_visit(const struct cluster_state *state,
	int (*visit)(void *context, const struct cluster_record *record), void *context);

#endif
