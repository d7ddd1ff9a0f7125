/*
 * What libnl leaves to those who use it: a socket in one step, errno instead of its own numbers,
 * raw dumps.
 */
#ifndef SLUICE_GATEKEEPER_NETDEV_NETLINK_H
#define SLUICE_GATEKEEPER_NETDEV_NETLINK_H

#include <netlink/msg.h>
#include <netlink/netlink.h>

/* What libnl returned, as 0 or a negative errno. */
int netlink_errno(int result);

/*
 * A socket for links, qdiscs, classes and filters.
 *
 * @socket: receives what is to be given to nl_socket_free
 * Returns 0 or a negative errno.
 */
int netlink_open(struct nl_sock **socket);

/*
 * Ask for all objects of a type.
 *
 * @type: RTM_GETQDISC, RTM_GETTFILTER
 * @visit: called for each with `context`, and returns NL_OK; as the list may change while it is read,
 *         it may see one twice
 * Returns 0 or a negative errno.
 */
int netlink_dump(struct nl_sock *socket, int type, const struct tcmsg *of,
	nl_recvmsg_msg_cb_t visit, void *context);

/* Send a request that is acknowledged, and free it. Returns 0 or a negative errno. */
int netlink_request(struct nl_sock *socket, struct nl_msg *message);

#endif
