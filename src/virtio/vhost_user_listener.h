/* The socket that a back end listens on. */
#ifndef SLUICE_VIRTIO_VHOST_USER_LISTENER_H
#define SLUICE_VIRTIO_VHOST_USER_LISTENER_H

#include "base/error.h"

/* Who may connect besides the owner, if there is such a group: VMs that run as users of their own. */
#define VHOST_USER_GROUP "sluice-vm"

/*
 * Listen on a Unix stream socket, readable and writable by owner and group. The file that a dead
 * process has left there is replaced.
 *
 * Returns the descriptor, owned by the caller; -EADDRINUSE if a live process listens there; -EEXIST
 * if something else than a socket is there; -ENAMETOOLONG; or another negative errno, with `error` set.
 */
int vhost_user_listen(const char *path, struct error *error);

#endif
