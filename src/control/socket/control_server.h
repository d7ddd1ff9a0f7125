/*
 * The control socket: JSON-RPC requests, one per line, over a Unix stream socket.
 *
 * Theory of operation. One thread polls; nothing here blocks. A connection's request is read up to
 * RPC_LINE_BYTES_MAX and no further request of it is looked at until the answer has been taken, so a
 * slow or hostile client holds one buffer each way and nothing else. When all places are taken the
 * connection that has been silent longest is closed for the new one.
 */
#ifndef SLUICE_CONTROL_SOCKET_CONTROL_SERVER_H
#define SLUICE_CONTROL_SOCKET_CONTROL_SERVER_H

#include <poll.h>

#include "control/socket/rpc.h"

#define CONTROL_CONNECTIONS_MAX 64u
#define CONTROL_OTHERS_MAX 4u
#define CONTROL_GROUP_DEFAULT "sluice"

struct control_server;

/*
 * Listen at `path`, for the owner and `group` (NULL: "sluice" if there is such a group).
 *
 * Returns 0; -EADDRINUSE if a live daemon has the socket (a dead one's is replaced), or another
 * negative errno, with `error` set.
 */
int control_server_open(const char *path, const char *group, const struct rpc_method *methods,
	void *context, struct control_server **server, struct error *error);

void control_server_close(struct control_server *server);

/*
 * Wait until clients, or some of `others`, have something for us, or for `timeout_ms` (-1: for ever);
 * serve the clients.
 *
 * @others: at most CONTROL_OTHERS_MAX, whose `revents` are set
 */
void control_server_wait(
	struct control_server *server, struct pollfd *others, unsigned count, int timeout_ms);

#endif
