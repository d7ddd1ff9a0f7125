/* What the BPF programs on a vNIC's netdev share with the agent. Addresses as in rate_message.h. */
#ifndef SLUICE_GATEKEEPER_BPF_VNIC_H
#define SLUICE_GATEKEEPER_BPF_VNIC_H

#include <linux/types.h>

#define VNIC_PEERS_MAX \
	16384 /* per vNIC and direction; those that were silent longest are forgotten */

struct vnic_address {
	__u8 bytes[16];
};

/* What a vNIC has received from one source, since that was first seen. */
struct vnic_count {
	__u64 bytes; /* frames, with the headers of every segment */
	__u64 packets;
};

#endif
