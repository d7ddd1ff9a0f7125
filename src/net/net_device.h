/*
 * A NIC: a virtio-net device (virtio 1.2, section 5.1) served over vhost-user, with a tap at its other
 * end. The functions here are for control threads, serialized by the control plane.
 *
 * Each NIC has a listening socket and a thread that answers vhost-user messages on it, one front end
 * at a time, for ever; the thread sleeps in between. Packets never touch that thread: a sidecore moves
 * them between the rings and the tap.
 *
 * Packets may be lost, as on any network: those in flight when the daemon is killed, or while nobody
 * serves. Nothing else is: rings are taken up where they stand.
 */
#ifndef SLUICE_NET_NET_DEVICE_H
#define SLUICE_NET_NET_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "sidecore/sidecore.h"

#define NET_NAME_BYTES 64
#define NET_MAC_BYTES 6
#define NET_PAIRS_MAX 8u
#define NET_MTU_MIN 68u
#define NET_MTU_MAX 65521u /* what Linux lets a tap have */

struct net_device_config {
	char name[NET_NAME_BYTES];
	char netdev[IFNAMSIZ]; /* the tap */
	char socket_path[108];
	uint8_t mac[NET_MAC_BYTES]; /* what the guest is told, unless its front end knows better */
	unsigned pair_count;	    /* of a receive and a transmit queue: 1 to NET_PAIRS_MAX */
	unsigned mtu;		    /* 0: what the tap has, and the guest is not told */
	const char
		*state_directory; /* where is noted which taps were made here; outlives the NIC */
};

struct net_device;

/*
 * Open the tap, and begin to listen. A tap that is not there is made, and brought up; one that is, has
 * to be given to the daemon (`ip tuntap add ... user`) if it does not run as root, and is left as it is.
 *
 * Returns 0, or a negative errno with `error` set: -EADDRINUSE if another process serves the socket,
 * what tap_open says.
 */
int net_device_create(struct sidecore *sidecore, const struct net_device_config *config,
	struct net_device **device, struct error *error);

/*
 * Disconnect the front end, remove the socket, and let go of the tap.
 *
 * @removes_tap: if it was made here, take it away; otherwise it stays for a successor, with its address,
 *               its place in a bridge, and all that was put on it
 */
void net_device_destroy(struct net_device *device, bool removes_tap);

const struct net_device_config *net_device_config(const struct net_device *device);

/* "Transmit" is what the guest sends. Bytes are frames, without the header that virtio adds. */
struct net_device_statistics {
	bool is_connected; /* a front end is there */
	bool is_link_up;
	bool is_broken; /* its driver broke the protocol; that ring is stopped */
	bool is_tap_made_here;
	uint64_t transmit_packets, transmit_bytes;
	uint64_t receive_packets, receive_bytes;
	uint64_t transmit_drops_malformed; /* no packet, or with a header that makes no sense */
	uint64_t transmit_drops_link;	   /* the tap was down, or gone */
	uint64_t transmit_drops_refused;   /* the host had no memory for it */
	uint64_t receive_drops_too_large;  /* for the driver's buffers */
	uint64_t receive_drops_malformed;  /* the tap gave what is no packet */
	uint64_t kicks;			   /* from the guest: each cost it an exit */
	uint64_t calls;			   /* interrupts sent to it */
	uint64_t reconnects;

	/* Of each pair of queues: how the packets are divided among the guest's CPUs. */
	struct net_pair_statistics {
		uint64_t transmit_packets, receive_packets;
	} pairs[NET_PAIRS_MAX];
};
void net_device_statistics(
	const struct net_device *device, struct net_device_statistics *statistics);

#endif
