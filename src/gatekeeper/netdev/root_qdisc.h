/*
 * The qdisc at the root of a netdev that somebody has configured, as something that can be put back.
 *
 * Theory of operation. The kernel tells a qdisc as a message that is nearly the one that creates it:
 * kind, handle and options. We keep those as they came, without knowing what the options mean, and say
 * them again. For the kinds in a table that is enough; others have classes, or do not tell all that
 * they were given, so that nothing could bring them back. A root with handle 0 is the kernel's own
 * choice, which returns by itself.
 */
#ifndef SLUICE_GATEKEEPER_NETDEV_ROOT_QDISC_H
#define SLUICE_GATEKEEPER_NETDEV_ROOT_QDISC_H

#include <net/if.h>
#include <netlink/msg.h>
#include <stdbool.h>
#include <stdint.h>

#define ROOT_QDISC_OPTIONS_BYTES_MAX 1024u

struct root_qdisc {
	int ifindex;
	uint32_t handle; /* 0: the kernel's choice, and the rest means nothing */
	char kind[IFNAMSIZ];
	bool is_told_whole; /* options and kind are all that there is to it */
	uint16_t options_type;
	uint16_t options_bytes;
	uint8_t options[ROOT_QDISC_OPTIONS_BYTES_MAX] __attribute__((aligned(4)));
};

/*
 * Read a message that tells or creates a root's qdisc.
 *
 * @message: aligned to 4; anything at all
 * Returns 0; -EBADMSG if it is no such message; -ENOENT if it is about a qdisc that is not at the root.
 */
int root_qdisc_parse(const void *message, size_t bytes, struct root_qdisc *qdisc);

/* The message that creates it in the place of another; NULL without memory. */
struct nl_msg *root_qdisc_describe(const struct root_qdisc *qdisc);

/* What a netdev has at its root. Returns 0 or a negative errno. */
int root_qdisc_find(struct nl_sock *socket, int ifindex, struct root_qdisc *qdisc);

/*
 * Whether it could be put back after another has taken its place: it is of a kind that tells all about
 * itself, and nobody has hung filters or qdiscs on it.
 *
 * @obstacle: receives, with -EBUSY, what it is or has that stands against it
 * Returns 0, -EBUSY, or another negative errno.
 */
int root_qdisc_check(struct nl_sock *socket, const struct root_qdisc *qdisc, const char **obstacle);

/* Put it in the place of what is at the root now. Returns 0 or a negative errno. */
int root_qdisc_put(struct nl_sock *socket, const struct root_qdisc *qdisc);

#endif
