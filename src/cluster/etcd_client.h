/*
 * Requests to an etcd of several members, by its HTTP gateway.
 *
 * Theory of operation. One thread owns a client. Requests go to one member at a time; whoever sees one
 * fail goes on to the next member (etcd_client_next_member). A call waits for its answer, for two
 * seconds at most and one to connect; meanwhile the client's one stream goes on delivering. Another
 * thread may wake the owner from its waiting, or tell it to stop, which ends a call, too.
 *
 * Where there is a user, the first request to a member asks for a token, and one that is refused for
 * its token asks for another.
 */
#ifndef SLUICE_CLUSTER_ETCD_CLIENT_H
#define SLUICE_CLUSTER_ETCD_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "cluster/etcd_config.h"

struct etcd_client;

/* Returns 0 or -ENOMEM. @config: outlives the client */
int etcd_client_create(const struct etcd_config *config, struct etcd_client **client);
void etcd_client_destroy(struct etcd_client *client);

/*
 * Ask, and wait for the answer.
 *
 * @path: of the gateway, after "/v3/": "kv/range"
 * @body: taken over; NULL counts as no memory
 * @answer: receives a new reference
 * Returns 0; -ENOENT or -EACCES if etcd says so; -EMSGSIZE for an answer beyond ETCD_OBJECT_BYTES_MAX;
 * -ECANCELED after etcd_client_stop; or another negative errno, with the reason in `error`.
 */
int etcd_client_call(struct etcd_client *client, const char *path, json_t *body, json_t **answer,
	struct error *error);

/* What has come of a stream. Returns 0, or a negative errno that ends it. */
typedef int etcd_stream_sink(void *context, const char *bytes, size_t count);

/*
 * Begin the stream; its bytes come while a call waits, or the client does. Returns 0 or a negative
 * errno.
 */
int etcd_client_open_stream(struct etcd_client *client, const char *path, json_t *body,
	etcd_stream_sink *sink, void *context, struct error *error);
void etcd_client_close_stream(struct etcd_client *client);

/* Has a stream been opened that has not ended? If it has ended, the reason is in `error`. */
bool etcd_client_has_stream(struct etcd_client *client, struct error *error);

/* Wait for the stream, for etcd_client_wake, or for so long. */
void etcd_client_wait(struct etcd_client *client, unsigned limit_ms);

/* From any thread: end the wait that is, or the next one. */
void etcd_client_wake(struct etcd_client *client);

/* From any thread: let calls end at once, from now on; or no longer. */
void etcd_client_stop(struct etcd_client *client, bool is_stopped);

/* Turn to another member, and close the stream. */
void etcd_client_next_member(struct etcd_client *client);

/* The member that is asked now: "http://10.0.0.1:2379". */
const char *etcd_client_member(const struct etcd_client *client);

#endif
