/*
 * The receiving side of a host: how its link is divided among its vNICs, and each vNIC's part among
 * those who send to it. Pure logic: nothing here knows packets, sockets or clocks.
 *
 * Theory of operation. Once per period the caller sets what every pair (a sender and a vNIC) has
 * used, and calls `inbound_divide`. While nobody is short of anything there are no limits. Otherwise
 * the link is divided among the vNICs (weighted max-min over their appetites, floored at `min`,
 * capped at `max`), and each part among the vNIC's senders; the caller tells each sender's host the
 * pair's limit. See docs/gatekeeper.md for the control law and why it converges.
 */
#ifndef SLUICE_GATEKEEPER_ALLOCATION_INBOUND_H
#define SLUICE_GATEKEEPER_ALLOCATION_INBOUND_H

#include <stdbool.h>
#include <sys/queue.h>

#include "gatekeeper/allocation/appetite.h"
#include "gatekeeper/allocation/fair_share.h"

/* All rates in bytes per second. */

/* A sender's traffic to one vNIC. Owned by the caller, who embeds it. */
struct inbound_pair {
	double used;	/* set by the caller before each division */
	double allowed; /* the limit to tell; INFINITY: none */
	double want;	/* see appetite.h */
	struct appetite appetite;
	TAILQ_ENTRY(inbound_pair) link;
};

/* What a vNIC may receive. */
struct inbound_promise {
	double min; /* guaranteed */
	double max; /* INFINITY: as much as the link has */
	double weight;
};

/* One vNIC. Owned by the caller, who embeds it. */
struct inbound_nic {
	struct inbound_promise promise; /* may be changed between divisions */
	double used;			/* by all its pairs, in the last period */
	double want;			/* of all its pairs */
	double allowed;			/* its share; INFINITY: not limited */
	unsigned pair_count;
	TAILQ_HEAD(, inbound_pair) pairs;
	TAILQ_ENTRY(inbound_nic) link;
};

struct inbound {
	double capacity; /* of the link, without the headroom that keeps its queue empty */
	double target;	 /* what is divided: less than the capacity after traffic exceeded that */
	double used;	 /* by all vNICs, over the last few periods */
	double grain;	 /* what one of the largest packets makes of a period's measure */
	bool is_contended;
	unsigned calm_periods; /* in a row in which nobody was short */
	unsigned nic_count;
	TAILQ_HEAD(, inbound_nic) nics;
	struct fair_claim *claims; /* room for dividing */
	struct fair_edge *edges;
	unsigned room;
};

/*
 * @link: the link's bandwidth
 * @headroom: the part of it that is not given away, 0 to 1
 * @grain: what one of the largest packets makes of a period's measure
 */
void inbound_init(struct inbound *inbound, double link, double headroom, double grain);

/* Change the link. What is divided follows at once. */
void inbound_set_link(struct inbound *inbound, double link, double headroom);

/* Frees what dividing needed. Pairs and vNICs are the caller's and stay as they are. */
void inbound_destroy(struct inbound *inbound);

/* Add a vNIC without senders. Returns 0 or -ENOMEM. */
int inbound_add_nic(
	struct inbound *inbound, struct inbound_nic *nic, const struct inbound_promise *promise);

/* Remove a vNIC that has no pairs. */
void inbound_remove_nic(struct inbound *inbound, struct inbound_nic *nic);

/* Add a sender, as yet without a limit. Returns 0 or -ENOMEM. */
int inbound_add_pair(struct inbound *inbound, struct inbound_nic *nic, struct inbound_pair *pair);

void inbound_remove_pair(struct inbound_nic *nic, struct inbound_pair *pair);

/* Set the limits for the next period. O(n log n) in vNICs and in each vNIC's senders. */
void inbound_divide(struct inbound *inbound);

#endif
