/* Taking a Unix socket's path for this process, and only for it. */
#ifndef SLUICE_CONTROL_SOCKET_CONTROL_LISTEN_H
#define SLUICE_CONTROL_SOCKET_CONTROL_LISTEN_H

#include "base/error.h"

struct control_listener {
	int socket; /* non-blocking */
	int lock;   /* of PATH.lock: says that the owner lives */
	char path[108];
};

/* As control_server_open. */
int control_listen(const char *path, const char *group, struct control_listener *listener,
	struct error *error);

/* Close and remove the socket. */
void control_listener_close(struct control_listener *listener);

#endif
