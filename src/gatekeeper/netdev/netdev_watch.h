/*
 * Tells when netdevs of this network namespace come, go or change.
 *
 * Theory of operation. The kernel announces each such event on a netlink socket. Events are not told
 * one by one, as some are lost when there are many: whoever is told that something has changed looks
 * at what is there.
 */
#ifndef SLUICE_GATEKEEPER_NETDEV_NETDEV_WATCH_H
#define SLUICE_GATEKEEPER_NETDEV_NETDEV_WATCH_H

#include <stdbool.h>

#include "base/error.h"

struct netdev_watch;

/*
 * @watch: receives what is to be given to netdev_watch_close
 * Returns 0 or a negative errno with the reason in `error`.
 */
int netdev_watch_open(struct netdev_watch **watch, struct error *error);

/* Readable when there is something to drain; the watch's own. */
int netdev_watch_fd(const struct netdev_watch *watch);

/* Read all that has been announced, without waiting. Returns whether any netdev may have changed. */
bool netdev_watch_drain(struct netdev_watch *watch);

void netdev_watch_close(struct netdev_watch *watch);

#endif
