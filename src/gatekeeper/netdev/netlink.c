#include "gatekeeper/netdev/netlink.h"

#include <errno.h>
#include <netlink/errno.h>

/* How often to read a list again that has changed while it was read. */
#define ATTEMPTS 10u

/* libnl has error numbers of its own. */
int netlink_errno(int result)
{
	static const struct {
		int libnl;
		int code;
	} table[] = {
		{NLE_OBJ_NOTFOUND, -ENOENT},
		{NLE_NODEV, -ENODEV},
		{NLE_PERM, -EPERM},
		{NLE_NOMEM, -ENOMEM},
		{NLE_EXIST, -EEXIST},
		{NLE_BUSY, -EBUSY},
		{NLE_OPNOTSUPP, -EOPNOTSUPP},
		{NLE_DUMP_INTR, -EAGAIN},
	};

	if (result >= 0)
		return 0;
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		if (-result == table[i].libnl)
			return table[i].code;
	return -EINVAL;
}

int netlink_open(struct nl_sock **socket)
{
	struct nl_sock *created = nl_socket_alloc();
	int result;

	if (!created)
		return -ENOMEM;
	result = netlink_errno(nl_connect(created, NETLINK_ROUTE));
	if (result < 0)
		nl_socket_free(created);
	else
		*socket = created;
	return result;
}

int netlink_dump(struct nl_sock *socket, int type, const struct tcmsg *of,
	nl_recvmsg_msg_cb_t visit, void *context)
{
	struct nl_cb *callbacks = nl_cb_alloc(NL_CB_DEFAULT);
	int result = -NLE_DUMP_INTR;

	if (!callbacks)
		return -ENOMEM;
	nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, visit, context);
	for (unsigned i = 0; i < ATTEMPTS && result == -NLE_DUMP_INTR; i++) {
		result = nl_send_simple(socket, type, NLM_F_DUMP, (void *)of, sizeof *of);
		if (result >= 0)
			result = nl_recvmsgs(socket, callbacks);
	}
	nl_cb_put(callbacks);
	return netlink_errno(result);
}

int netlink_request(struct nl_sock *socket, struct nl_msg *message)
{
	return netlink_errno(nl_send_sync(socket, message));
}
