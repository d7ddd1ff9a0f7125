/* What the BPF programs on a vNIC's netdev share with the agent. Addresses as in rate_message.h. */
#ifndef SLUICE_GATEKEEPER_NETDEV_BPF_VNIC_H
#define SLUICE_GATEKEEPER_NETDEV_BPF_VNIC_H

#include <linux/types.h>

/* Per vNIC and direction; those that were silent longest are forgotten. */
#define VNIC_PEERS_MAX 4096

/* What a vNIC may have of its own; while they are replaced, there are twice as many. */
#define VNIC_ADDRESSES_MAX 16

/*
 * What a vNIC that has addresses may send under none, ARP and the like and from link-local ones, in
 * a window of 2^24 ns: a megabyte per second, which no link feels.
 */
#define VNIC_NAMELESS_BYTES (16u << 10)
#define VNIC_NAMELESS_WINDOW_SHIFT 24

struct vnic_address {
	union {
		__u8 bytes[16];
		__u32 words[4];
	};
};

/* What a vNIC has received from one source, or sent to one destination, since that was first seen. */
struct vnic_count {
	__u64 bytes; /* frames, with the headers of every segment */
	__u64 packets;
};

/* What else is to outlive an agent: numbers of 64 bits, which start with 0. */
enum vnic_state {
	VNIC_IS_BOUND,	  /* whether the guest may send from its own addresses only */
	VNIC_FORGED,	  /* packets from others' addresses, or too many from none, dropped */
	VNIC_MADE_CLSACT, /* whether the clsact qdisc was not there before us */
	VNIC_STATES
};

#endif
