/*
 * The stream of changes below a prefix, from a revision on, on a client's stream.
 */
#ifndef SLUICE_CLUSTER_ETCD_WATCH_H
#define SLUICE_CLUSTER_ETCD_WATCH_H

#include "cluster/etcd_answer.h"
#include "cluster/etcd_client.h"
#include "cluster/etcd_lines.h"

struct etcd_watch {
	etcd_pair_handler *handler;
	void *context;
	int64_t revision;     /* all changes up to it have been handed on */
	bool is_created;      /* the cluster has said so */
	bool is_history_gone; /* what follows the revision is not known any more: read everything */
	struct etcd_lines lines;
	char reason[256]; /* why it has ended, in the cluster's words, or ours; empty: unknown */
};

/* Watch from `watch->revision` + 1 on; handler, context and revision are set by the caller. */
int etcd_watch_open(struct etcd_watch *watch, struct etcd_client *client, const char *prefix,
	struct error *error);

/* Take some of the stream; what the client does with what it receives. `context` is the watch. */
int etcd_watch_take(void *context, const char *bytes, size_t count);

/* Forget a stream that has ended, but for the revision. */
void etcd_watch_close(struct etcd_watch *watch, struct etcd_client *client);

#endif
