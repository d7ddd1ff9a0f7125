#include "gatekeeper/netdev/root_qdisc.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "gatekeeper/netdev/netlink.h"

/*
 * What these are asked for they tell again. Missing are those with classes; red, gred and choke, which
 * keep a table to themselves; and netem, which does not tell its distribution of delays.
 */
static const char *const kinds_told_whole[] = {"bfifo", "cake", "codel", "fq", "fq_codel", "fq_pie",
	"hhf", "mq", "noqueue", "pfifo", "pfifo_fast", "pfifo_head_drop", "pie", "sfq", "skbprio",
	"tbf"};

static bool is_told_whole(const char *kind)
{
	for (unsigned i = 0; i < sizeof kinds_told_whole / sizeof *kinds_told_whole; i++)
		if (strcmp(kind, kinds_told_whole[i]) == 0)
			return true;
	return false;
}

/* ---- messages ---- */

static void take_options(struct root_qdisc *qdisc, const struct nlattr *options)
{
	if (!options)
		return;
	if ((unsigned)nla_len(options) > sizeof qdisc->options) {
		qdisc->is_told_whole = false;
		return;
	}
	qdisc->options_type = options->nla_type; /* with its flags, which some kinds ask for */
	qdisc->options_bytes = (uint16_t)nla_len(options);
	memcpy(qdisc->options, nla_data(options), qdisc->options_bytes);
}

int root_qdisc_parse(const void *message, size_t bytes, struct root_qdisc *qdisc)
{
	static struct nla_policy policy[TCA_MAX + 1] = {
		[TCA_KIND] = {.type = NLA_STRING, .minlen = 1, .maxlen = IFNAMSIZ}};
	struct nlmsghdr *header = (struct nlmsghdr *)message;
	struct nlattr *attributes[TCA_MAX + 1];
	const struct tcmsg *about;

	if (bytes > INT32_MAX || !nlmsg_ok(header, (int)bytes) || header->nlmsg_len != bytes ||
		header->nlmsg_type != RTM_NEWQDISC || !nlmsg_valid_hdr(header, sizeof *about))
		return -EBADMSG;
	if (nlmsg_parse(header, sizeof *about, attributes, TCA_MAX, policy) < 0 ||
		!attributes[TCA_KIND])
		return -EBADMSG;
	about = nlmsg_data(header);
	if (about->tcm_parent != TC_H_ROOT)
		return -ENOENT;
	memset(qdisc, 0, sizeof *qdisc);
	qdisc->ifindex = about->tcm_ifindex;
	qdisc->handle = about->tcm_handle;
	snprintf(qdisc->kind, sizeof qdisc->kind, "%s", nla_get_string(attributes[TCA_KIND]));
	qdisc->is_told_whole = is_told_whole(qdisc->kind) && !attributes[TCA_STAB];
	take_options(qdisc, attributes[TCA_OPTIONS]);
	return 0;
}

struct nl_msg *root_qdisc_describe(const struct root_qdisc *qdisc)
{
	struct tcmsg about = {.tcm_ifindex = qdisc->ifindex,
		.tcm_parent = TC_H_ROOT,
		.tcm_handle = qdisc->handle};
	struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);

	if (!message)
		return NULL;
	if (nlmsg_append(message, &about, sizeof about, NLMSG_ALIGNTO) < 0 ||
		nla_put_string(message, TCA_KIND, qdisc->kind) < 0)
		goto fail;
	if (qdisc->options_type &&
		nla_put(message, qdisc->options_type, qdisc->options_bytes, qdisc->options) < 0)
		goto fail;
	return message;

fail:
	nlmsg_free(message);
	return NULL;
}

/* ---- the kernel's ---- */

struct search {
	int ifindex;
	struct root_qdisc *root;
};

static int visit_qdisc(struct nl_msg *message, void *context)
{
	const struct search *search = context;
	const struct nlmsghdr *header = nlmsg_hdr(message);
	struct root_qdisc qdisc;

	if (root_qdisc_parse(header, header->nlmsg_len, &qdisc) == 0 &&
		qdisc.ifindex == search->ifindex)
		*search->root = qdisc;
	return NL_OK;
}

int root_qdisc_find(struct nl_sock *socket, int ifindex, struct root_qdisc *qdisc)
{
	struct search search = {.ifindex = ifindex, .root = qdisc};
	const struct tcmsg of = {.tcm_ifindex = ifindex};

	*qdisc = (struct root_qdisc){.ifindex = ifindex};
	return netlink_dump(socket, RTM_GETQDISC, &of, visit_qdisc, &search);
}

/* What somebody has hung on a root. */
struct appendages {
	const struct root_qdisc *root;
	bool has_qdiscs;
	bool has_filters;
};

static int visit_child(struct nl_msg *message, void *context)
{
	struct appendages *appendages = context;
	const struct tcmsg *about = nlmsg_data(nlmsg_hdr(message));

	if (nlmsg_valid_hdr(nlmsg_hdr(message), sizeof *about) &&
		about->tcm_ifindex == appendages->root->ifindex &&
		TC_H_MAJ(about->tcm_parent) == appendages->root->handle && about->tcm_handle)
		appendages->has_qdiscs = true;
	return NL_OK;
}

static int visit_filter(struct nl_msg *message, void *context)
{
	struct appendages *appendages = context;

	appendages->has_filters = true;
	return NL_OK;
}

static int find_appendages(struct nl_sock *socket, struct appendages *appendages)
{
	const struct tcmsg of = {
		.tcm_ifindex = appendages->root->ifindex, .tcm_parent = appendages->root->handle};
	int result = netlink_dump(socket, RTM_GETQDISC, &of, visit_child, appendages);

	return result ? result
		      : netlink_dump(socket, RTM_GETTFILTER, &of, visit_filter, appendages);
}

int root_qdisc_check(struct nl_sock *socket, const struct root_qdisc *qdisc, const char **obstacle)
{
	struct appendages appendages = {.root = qdisc};
	int result;

	*obstacle = "has classes, or does not tell all of itself";
	if (!qdisc->is_told_whole)
		return -EBUSY;
	result = find_appendages(socket, &appendages);
	if (result < 0)
		return result;
	*obstacle = appendages.has_qdiscs ? "has other qdiscs below it" : "has filters";
	return appendages.has_qdiscs || appendages.has_filters ? -EBUSY : 0;
}

int root_qdisc_put(struct nl_sock *socket, const struct root_qdisc *qdisc)
{
	struct nl_msg *message = root_qdisc_describe(qdisc);

	return message ? netlink_request(socket, message) : -ENOMEM;
}
