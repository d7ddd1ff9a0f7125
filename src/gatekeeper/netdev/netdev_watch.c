#include "gatekeeper/netdev/netdev_watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <stdlib.h>
#include <string.h>

#include "gatekeeper/netdev/netlink.h"

/*
 * How often the kernel may say, while we read, that it had to drop events; then the rest waits for the
 * next call, as it might be us who are out of memory.
 */
#define LOSSES_MAX 8u

struct netdev_watch {
	struct nl_sock *socket;
	bool has_changed;
};

static int take_event(struct nl_msg *message, void *context)
{
	struct netdev_watch *watch = context;

	watch->has_changed = true;
	return NL_OK;
}

static int subscribe(struct netdev_watch *watch)
{
	int result = netlink_open(&watch->socket);

	if (result < 0)
		return result;
	nl_socket_disable_seq_check(watch->socket); /* events answer nothing */
	nl_socket_modify_cb(watch->socket, NL_CB_VALID, NL_CB_CUSTOM, take_event, watch);
	result = nl_socket_set_nonblocking(watch->socket);
	if (result >= 0)
		result = nl_socket_add_membership(watch->socket, RTNLGRP_LINK);
	return netlink_errno(result);
}

int netdev_watch_open(struct netdev_watch **watch, struct error *error)
{
	struct netdev_watch *created = calloc(1, sizeof *created);
	int result = created ? subscribe(created) : -ENOMEM;

	if (result < 0) {
		if (created)
			netdev_watch_close(created);
		return error_set(error, result, "netdevs cannot be watched: %s", strerror(-result));
	}
	*watch = created;
	return 0;
}

int netdev_watch_fd(const struct netdev_watch *watch)
{
	return nl_socket_get_fd(watch->socket);
}

bool netdev_watch_drain(struct netdev_watch *watch)
{
	unsigned losses = 0;
	int result;

	watch->has_changed = false;
	do {
		result = nl_recvmsgs_default(watch->socket);
		if (result == -NLE_NOMEM)
			watch->has_changed = true;
	} while (result >= 0 || (result == -NLE_NOMEM && losses++ < LOSSES_MAX));
	return watch->has_changed;
}

void netdev_watch_close(struct netdev_watch *watch)
{
	if (watch->socket)
		nl_socket_free(watch->socket);
	free(watch);
}
