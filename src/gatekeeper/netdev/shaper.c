#include "gatekeeper/netdev/shaper.h"

#include <errno.h>
#include <net/if.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/fifo.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/tc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gatekeeper/netdev/netlink.h"
#include "gatekeeper/netdev/root_note.h"
#include "gatekeeper/netdev/root_qdisc.h"

/* What a class may send at once, in time at its rate; a timer tick and a few large packets. */
#define BURST_PER_RATE (1. / 1000)
#define BURST_BYTES_MIN (64u << 10)

/* What may wait in a class, in time at its ceiling; and at least a few large packets. */
#define QUEUE_PER_RATE (15. / 1000)
#define QUEUE_BYTES_MIN (256u << 10)
#define QUEUE_BYTES_MAX (64u << 20)

#define QUANTUM_BYTES_MIN (64u << 10)
#define QUANTUM_BYTES_MAX (8u << 20)

struct shaper {
	struct nl_sock *socket;
	char netdev[IFNAMSIZ];
	int ifindex;
	uint64_t link_bytes_per_s;
	char *note_path;
	struct root_qdisc before; /* what to put back */
};

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

static bool is_ours(const struct root_qdisc *root)
{
	return root->handle == TC_HANDLE(SHAPER_MAJOR, 0) && strcmp(root->kind, "htb") == 0;
}

static int create_root(struct shaper *shaper, struct error *error)
{
	struct rtnl_qdisc *qdisc = describe_root(shaper);
	int result;

	if (!qdisc)
		return error_set(error, -ENOMEM, "no memory");
	rtnl_tc_set_kind(TC_CAST(qdisc), "htb");
	rtnl_htb_set_defcls(qdisc, SHAPER_HOST);
	result = rtnl_qdisc_add(shaper->socket, qdisc, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_qdisc_put(qdisc);
	result = netlink_errno(result);
	return result ? error_set(error, result, "an HTB cannot be its root: %s", strerror(-result))
		      : 0;
}

static int check_found(struct shaper *shaper, struct error *error)
{
	const char *obstacle;
	int result = root_qdisc_check(shaper->socket, &shaper->before, &obstacle);

	if (result == -EBUSY)
		return error_set(error, result,
			"its qdisc '%s' %s, and could not be put back afterwards; if it is not "
			"needed, remove it: tc qdisc del dev %s root",
			shaper->before.kind, obstacle, shaper->netdev);
	return result ? error_set(error, result, "its qdisc '%s' cannot be examined: %s",
				shaper->before.kind, strerror(-result))
		      : 0;
}

/*
 * The note comes before the deed, and without anything to note there is no note: so whenever the root
 * is ours, the note that is there is about what was before.
 */
static int note_found(struct shaper *shaper, struct error *error)
{
	int result = shaper->before.handle ? root_note_write(shaper->note_path, &shaper->before)
					   : root_note_remove(shaper->note_path);

	return result ? error_set(error, result, "its qdisc cannot be noted in '%s': %s",
				shaper->note_path, strerror(-result))
		      : 0;
}

static void delete_root(struct shaper *shaper)
{
	struct rtnl_qdisc *qdisc = describe_root(shaper);

	if (!qdisc)
		return;
	(void)rtnl_qdisc_delete(shaper->socket, qdisc); /* the netdev may be gone */
	rtnl_qdisc_put(qdisc);
}

static void put_back(struct shaper *shaper)
{
	int result = shaper->before.handle ? root_qdisc_put(shaper->socket, &shaper->before) : 0;

	if (result < 0)
		log_warning("netdev '%s': its former qdisc '%s' cannot be put back: %s; it gets "
			    "the kernel's default",
			shaper->netdev, shaper->before.kind, strerror(-result));
	if (result < 0 || !shaper->before.handle)
		delete_root(shaper);
}

/* Another netdev may have got the name, and the note be about that. */
static void remove_note(struct shaper *shaper)
{
	struct root_qdisc noted;

	if (root_note_read(shaper->note_path, shaper->ifindex, &noted) == 0)
		(void)root_note_remove(shaper->note_path);
}

/* Our root is a predecessor's, who may have left a note. */
static void recall_found(struct shaper *shaper)
{
	int result = root_note_read(shaper->note_path, shaper->ifindex, &shaper->before);

	if (result == 0)
		return;
	shaper->before = (struct root_qdisc){.ifindex = shaper->ifindex};
	if (result != -ENOENT)
		log_warning("netdev '%s': the note of its former qdisc, '%s', is not used: %s; it "
			    "will get the kernel's default",
			shaper->netdev, shaper->note_path, strerror(-result));
}

static int take_root(struct shaper *shaper, struct error *error)
{
	int result = shaper->before.handle ? check_found(shaper, error) : 0;

	if (result == 0)
		result = note_found(shaper, error);
	return result ? result : create_root(shaper, error);
}

int shaper_set_link(struct shaper *shaper, uint64_t link_bytes_per_s)
{
	const struct shaper_class link = {
		.minor = SHAPER_LINK, .rate = link_bytes_per_s, .ceil = link_bytes_per_s};
	const struct shaper_class host = {.minor = SHAPER_HOST,
		.parent = SHAPER_LINK,
		.rate = link_bytes_per_s / 100 + 1,
		.ceil = link_bytes_per_s,
		.queue_bytes = shaper_queue_bytes(link_bytes_per_s)};
	int result = shaper_set(shaper, &link);

	return result ? result : shaper_set(shaper, &host);
}

static int set_first_classes(struct shaper *shaper, struct error *error)
{
	int result = shaper_set_link(shaper, shaper->link_bytes_per_s);

	return result ? error_set(error, result, "its classes: %s", strerror(-result)) : 0;
}

static int set_up(struct shaper *shaper, struct error *error)
{
	int result = root_qdisc_find(shaper->socket, shaper->ifindex, &shaper->before);

	if (result < 0)
		return error_set(error, result, "its qdisc cannot be read: %s", strerror(-result));
	if (is_ours(&shaper->before)) {
		recall_found(shaper);
		return set_first_classes(shaper, error);
	}
	result = take_root(shaper, error);
	if (result < 0)
		return result;
	result = set_first_classes(shaper, error);
	if (result < 0) {
		put_back(shaper);
		remove_note(shaper);
	}
	return result;
}

static int open_netdev(
	struct shaper *shaper, const char *netdev, const char *state_directory, struct error *error)
{
	int result;

	shaper->ifindex = (int)if_nametoindex(netdev);
	if (!shaper->ifindex)
		return error_set(error, -ENODEV, "%s", strerror(ENODEV));
	snprintf(shaper->netdev, sizeof shaper->netdev, "%s", netdev);
	shaper->note_path = root_note_path(state_directory, netdev);
	result = shaper->note_path ? netlink_open(&shaper->socket) : -ENOMEM;
	return result ? error_set(error, result, "netlink: %s", strerror(-result)) : 0;
}

int shaper_open(const char *netdev, uint64_t link_bytes_per_s, const char *state_directory,
	struct shaper **shaper, struct error *error)
{
	struct shaper *created = calloc(1, sizeof *created);
	int result;

	if (!created)
		return error_set(error, -ENOMEM, "netdev '%s': no memory", netdev);
	created->link_bytes_per_s = link_bytes_per_s;
	result = open_netdev(created, netdev, state_directory, error);
	if (result == 0)
		result = set_up(created, error);
	if (result < 0) {
		shaper_close(created);
		return error_prefix(error, result, "netdev '%s': cannot be shaped: ", netdev);
	}
	*shaper = created;
	return 0;
}

void shaper_close(struct shaper *shaper)
{
	if (shaper->socket)
		nl_socket_free(shaper->socket);
	free(shaper->note_path);
	free(shaper);
}

void shaper_remove(struct shaper *shaper)
{
	struct root_qdisc root;

	/* What somebody else has put there meanwhile is none of ours. */
	if (root_qdisc_find(shaper->socket, shaper->ifindex, &root) == 0 && is_ours(&root))
		put_back(shaper);
	remove_note(shaper);
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

/* What a class may send in a turn of its siblings: less than the largest packet would make all alike. */
static uint32_t quantum_bytes(double weight)
{
	double bytes = QUANTUM_BYTES_MIN * (weight > 0 ? weight : 1);

	return (uint32_t)(bytes < QUANTUM_BYTES_MAX ? bytes : QUANTUM_BYTES_MAX);
}

uint32_t shaper_queue_bytes(uint64_t bytes_per_s)
{
	uint32_t bytes = QUEUE_BYTES_MIN;

	while (bytes < QUEUE_BYTES_MAX && bytes < (double)bytes_per_s * QUEUE_PER_RATE)
		bytes *= 2;
	return bytes;
}

static int set_queue(struct shaper *shaper, const struct shaper_class *class)
{
	struct rtnl_qdisc *qdisc = rtnl_qdisc_alloc();
	int result;

	if (!qdisc)
		return -ENOMEM;
	rtnl_tc_set_ifindex(TC_CAST(qdisc), shaper->ifindex);
	rtnl_tc_set_parent(TC_CAST(qdisc), TC_HANDLE(SHAPER_MAJOR, class->minor));
	rtnl_tc_set_kind(TC_CAST(qdisc), "bfifo");
	rtnl_qdisc_fifo_set_limit(qdisc, (int)class->queue_bytes);
	result = rtnl_qdisc_add(shaper->socket, qdisc, NLM_F_CREATE | NLM_F_REPLACE);
	rtnl_qdisc_put(qdisc);
	return netlink_errno(result);
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
	rtnl_htb_set_quantum(described, quantum_bytes(class->weight));
	result = netlink_errno(
		rtnl_class_add(shaper->socket, described, NLM_F_CREATE | NLM_F_REPLACE));
	rtnl_class_put(described);
	if (result == 0 && class->queue_bytes)
		result = set_queue(shaper, class);
	return result;
}

int shaper_unset(struct shaper *shaper, uint16_t minor)
{
	struct rtnl_class *class = describe_class(shaper, minor);
	int result;

	if (!class)
		return -ENOMEM;
	result = netlink_errno(rtnl_class_delete(shaper->socket, class));
	rtnl_class_put(class);
	return result == -ENOENT ? 0 : result;
}

struct class_visit {
	shaper_visitor *visit;
	void *context;
};

static void visit_class(struct nl_object *object, void *argument)
{
	struct rtnl_class *class = (struct rtnl_class *)object;
	const struct class_visit *visit = argument;
	const struct shaper_counters counters = {
		.bytes = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_BYTES),
		.packets = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_PACKETS),
		.drops = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_DROPS),
		.backlog_bytes = rtnl_tc_get_stat(TC_CAST(class), RTNL_TC_BACKLOG),
	};
	uint32_t handle = rtnl_tc_get_handle(TC_CAST(class));
	uint64_t ceil = 0;

	if (TC_H_MAJ(handle) == SHAPER_MAJOR << 16 && rtnl_htb_get_ceil64(class, &ceil) == 0)
		visit->visit(visit->context, (uint16_t)TC_H_MIN(handle), ceil, &counters);
}

int shaper_visit(struct shaper *shaper, shaper_visitor *visit, void *context)
{
	struct class_visit argument = {visit, context};
	struct nl_cache *cache;
	int result = rtnl_class_alloc_cache(shaper->socket, shaper->ifindex, &cache);

	if (result < 0)
		return netlink_errno(result);
	nl_cache_foreach(cache, visit_class, &argument);
	nl_cache_free(cache);
	return 0;
}
