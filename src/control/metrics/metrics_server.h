/*
 * GET /metrics over HTTP.
 *
 * Theory of operation. libmicrohttpd without a thread of its own: the control thread polls one
 * descriptor and lets the library do what there is to do, none of which blocks. Connections are few
 * and time out, so a client that is stuck keeps a place for some seconds and nothing else.
 */
#ifndef SLUICE_CONTROL_METRICS_METRICS_SERVER_H
#define SLUICE_CONTROL_METRICS_METRICS_SERVER_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/error.h"

struct metrics_server;

/*
 * What /metrics is at this moment: text to be freed with free() and its length; NULL if there is no
 * memory.
 */
typedef char *metrics_source(void *context, size_t *length);

/*
 * Listen at an IPv4 or IPv6 address. Returns 0 or a negative errno with the reason in `error`.
 */
int metrics_server_open(const struct sockaddr_storage *address, metrics_source *source,
	void *context, struct metrics_server **server, struct error *error);

/* NULL is fine, here and below. */
void metrics_server_close(struct metrics_server *server);

/* Readable when metrics_server_run has something to do; -1 without a server. */
int metrics_server_fd(const struct metrics_server *server);

/* When it has something to do even if that stays silent, in ms from now; -1: never. */
int metrics_server_timeout_ms(struct metrics_server *server);

/* Do what there is to do. */
void metrics_server_run(struct metrics_server *server);

#endif
