#include "gatekeeper/shaper.h"

#include <errno.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/tc.h>
#include <stdlib.h>
#include <string.h>

/* What a class may send at once, in time at its rate; a timer tick and a few large packets. */
#define BURST_PER_RATE (1. / 1000)
#define BURST_BYTES_MIN (64u << 10)

struct shaper {
	struct nl_sock *socket;
	int ifindex;
	uint64_t link;
};

/* libnl has error numbers of its own. */
static int errno_of(int result)
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
	};

	if (result >= 0)
		return 0;
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		if (-result == table[i].libnl)
			return table[i].code;
	return -EINVAL;
}

/* ---- the root ---- */

static struct rtnl_qdisc *describe_root(const struct shaper *shaper)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();

	if (!qdisc)
		return NULL;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), shaper->ifindex);
	rtnl_tc_set_parent(TC_CAST(qdisc), TC_H_ROOT);
	rtnl_tc_set_handle(TC_CAST(qdisc), TC_HANDLE(SHAPER_MAJOR, 0));
	return qdisc;
}

/* Whether a predecessor has left its root there. */
static bool finds_root(struct shaper *shaper)
{
	struct rtnl_qdisc *qdisc;
	struct nl_cache *cache;
	bool is_found;

	if (rtnl_qdisc_alloc_cache(shaper->socket, &cache) < 0)
		return false;
	qdisc = rtnl_qdisc_get(cache, shaper->ifindex, TC_HANDLE(SHAPER_MAJOR, 0));
	is_found = qdisc && rtnl_tc_get_parent(TC_CAST(qdisc)) == TC_H_ROOT;
	if (qdisc)
		rtnl_qdisc_put(qdisc);
	nl_cache_free(cache);
	return is_found;
}

static int create_root(struct shaper *shaper)
{
	struct rtnl_qdisc *qdisc = describe_root(shaper);
	int result;

	if (!qdisc)
		return -ENOMEM;
	rtnl_tc_set_kind(TC_CAST(qdisc), "htb");
	rtnl_htb_set_defcls(qdisc, SHAPER_HOST);
	result = rtnl_qdisc_add(shaper->socket, qdisc, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_qdisc_put(qdisc);
	return errno_of(result);
}

static int set_up(struct shaper *shaper)
{
	const struct shaper_class link = {
		.minor = SHAPER_LINK, .rate = shaper->link, .ceil = shaper->link};
	const struct shaper_class host = {.minor = SHAPER_HOST,
		.parent = SHAPER_LINK,
		.rate = shaper->link / 100 + 1,
		.ceil = shaper->link};
	int result = finds_root(shaper) ? 0 : create_root(shaper);

	if (result == 0)
		result = shaper_set(shaper, &link);
	return result ? result : shaper_set(shaper, &host);
}

int shaper_open(const char *netdev, uint64_t link, struct shaper **shaper, struct error *error)
{
	struct shaper *created = calloc(1, sizeof *created);
	int result = -ENOMEM;

	if (!created || !(created->socket = nl_socket_alloc()))
		goto fail;
	created->link = link;
	created->ifindex = (int)if_nametoindex(netdev);
	result = -ENODEV;
	if (!created->ifindex)
		goto fail;
	result = errno_of(nl_connect(created->socket, NETLINK_ROUTE));
	if (result == 0)
		result = set_up(created);
	if (result < 0)
		goto fail;
	*shaper = created;
	return 0;

fail:
	if (created)
		shaper_close(created);
	return error_set(
		error, result, "netdev '%s': cannot be shaped: %s", netdev, strerror(-result));
}

void shaper_close(struct shaper *shaper)
{
	nl_socket_free(shaper->socket);
	free(shaper);
}

void shaper_remove(struct shaper *shaper)
{
	struct rtnl_qdisc *qdisc = describe_root(shaper);

	if (qdisc) {
		(void)rtnl_qdisc_delete(shaper->socket, qdisc); /* the netdev may be gone */
		rtnl_qdisc_put(qdisc);
	}
	shaper_close(shaper);
}

/* ---- classes ---- */

static struct rtnl_class *describe_class(const struct shaper *shaper, uint16_t minor)
{
	struct rtnl_class *class = rtnl_class_alloc();

	if (!class)
		return NULL;
	rtnl_tc_set_ifindex(TC_CAST(class), shaper->ifindex);
	rtnl_tc_set_handle(TC_CAST(class), TC_HANDLE(SHAPER_MAJOR, minor));
	return class;
}

static uint32_t burst_bytes(uint64_t rate)
{
	double bytes = (double)rate * BURST_PER_RATE;

	return bytes > BURST_BYTES_MIN ? (uint32_t)bytes : BURST_BYTES_MIN;
}

int shaper_set(struct shaper *shaper, const struct shaper_class *class)
{
	struct rtnl_class *described = describe_class(shaper, class->minor);
	int result;

	if (!described)
		return -ENOMEM;
	rtnl_tc_set_kind(TC_CAST(described), "htb");
	rtnl_tc_set_parent(TC_CAST(described), TC_HANDLE(SHAPER_MAJOR, class->parent));
	rtnl_htb_set_rate64(described, class->rate);
	rtnl_htb_set_ceil64(described, class->ceil);
	rtnl_htb_set_rbuffer(described, burst_bytes(class->rate));
	rtnl_htb_set_cbuffer(described, burst_bytes(class->ceil));
	result = rtnl_class_add(shaper->socket, described, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_class_put(described);
	return errno_of(result);
}

int shaper_unset(struct shaper *shaper, uint16_t minor)
{
	struct rtnl_class *class = describe_class(shaper, minor);
	int result;

	if (!class)
		return -ENOMEM;
	result = errno_of(rtnl_class_delete(shaper->socket, class));
	rtnl_class_put(class);
	return result == -ENOENT ? 0 : result;
}

int shaper_counters(struct shaper *shaper, uint16_t minor, struct shaper_counters *counters)
{
	struct rtnl_class *class;
	struct nl_cache *cache;

	if (rtnl_class_alloc_cache(shaper->socket, shaper->ifindex, &cache) < 0)
		return -ENOMEM;
	class = rtnl_class_get(cache, shaper->ifindex, TC_HANDLE(SHAPER_MAJOR, minor));
	if (class) {
		*counters = (struct shaper_counters){
			.bytes = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_BYTES),
			.packets = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_PACKETS),
			.drops = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_DROPS),
			.backlog_bytes = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_BACKLOG),
		};
		rtnl_class_put(class);
	}
	nl_cache_free(cache);
	return class ? 0 : -ENOENT;
}
