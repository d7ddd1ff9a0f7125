/*
 * A NIC as the files of this room know it.
 *
 * Theory of operation. A pair of queues has a queue of the tap to itself. What the guest transmits is
 * written to the tap from where it lies in the guest's memory. What the tap has is read into buffers of
 * ours, and copied into the guest's as soon as there are some. Reading into the guest's at once would
 * save the copy for the largest packets, but cost the others: the size of a packet is not known before,
 * so each read would have to be given 64 KiB of the guest's buffers, 44 or so with mergeable ones,
 * and that costs a small packet more than twice what its copy does.
 *
 * Both are bounded per poll, in packets and in bytes: a write runs the host's network stack, on the
 * sidecore's thread, and a queue is a bulk poller (sidecore/sidecore.h), so that one such poll is what
 * others wait for at most.
 */
#ifndef SLUICE_NET_NET_PRIVATE_H
#define SLUICE_NET_NET_PRIVATE_H

#include <pthread.h>

#include "device/served_queue.h"
#include "net/net_device.h"
#include "net/tap.h"
#include "virtio/vhost_user_backend.h"

#define NET_TRANSMITS_PER_POLL 32u
#define NET_READS_PER_POLL 16u
#define NET_BYTES_PER_POLL (128u << 10)

/* Of one packet received: they become visible at once, so no more than are published at once. */
#define NET_CHAINS_MAX VIRTQUEUE_BATCH_MAX

_Static_assert(NET_PAIRS_MAX <= TAP_QUEUES_MAX, "a queue of the tap for each pair");

struct net_device;

/* ---- transmitting ---- */

struct net_packet {
	struct sidecore_operation operation;
	struct net_transmit *queue;
	struct net_packet *next_free;
	uint64_t size_bytes; /* with the header */
	struct descriptor_chain chain;
};

struct net_transmit {
	struct served_queue served;
	struct net_device *device;
	unsigned pair;
	struct net_packet *packets; /* NET_TRANSMITS_PER_POLL */
	struct net_packet *free_packets;
};

/* ---- receiving ---- */

/* A packet of the tap, or the wish for one. */
struct net_read {
	struct sidecore_operation operation;
	struct net_receive *queue;
	uint8_t *bytes; /* TAP_FRAME_BYTES_MAX */
	int result;	/* its size with the header, or a negative errno */
	bool is_done;
};

/* A chain that has part of a packet. */
struct net_filled {
	uint16_t id;
	uint16_t ring_slots;
	uint32_t size_bytes;
};

struct net_receive {
	struct served_queue served;
	struct net_device *device;
	unsigned pair;
	struct doorbell tap_doorbell;
	bool is_readable; /* the tap may have packets */

	/* Reads are begun together, and delivered in their order; then come the next. */
	struct net_read reads[NET_READS_PER_POLL];
	unsigned read_count; /* begun */
	unsigned delivered;
	unsigned window;	/* how many to begin next */
	uint32_t largest_bytes; /* of those of the last time */

	/* The packet that is being delivered. */
	bool lacks_buffers;
	uint32_t done_bytes;
	unsigned filled_count;
	struct net_filled filled[NET_CHAINS_MAX];
	uint8_t *buffer_count
		[2]; /* the two bytes of its header that say how many buffers it is in */

	uint8_t *memory; /* of all reads */
	struct descriptor_chain chain;
};

/* ---- the device ---- */

struct net_pair {
	struct net_receive receive;
	struct net_transmit transmit;
	unsigned running; /* how many of the two */

	/* Written by the sidecore, read by others. */
	uint64_t transmit_packets, transmit_bytes;
	uint64_t receive_packets, receive_bytes;
};

struct net_device {
	struct net_device_config config;
	struct tap tap;
	pthread_mutex_t tap_lock; /* who opens it anew, and who looks at it from another thread */
	struct netdev_watch *watch;
	struct vhost_user_backend *vhost;
	struct served_device served;

	/* The device's thread only. */
	unsigned offload; /* TUN_F_*: what the driver has accepted */

	/* Set while no queue runs. */
	uint32_t header_bytes; /* of virtio, before each packet */
	bool is_mergeable;

	/* Written by one thread, read by others. */
	uint32_t is_connected;
	uint32_t is_link_up;
	uint64_t connections;

	/* Written by the sidecore, read by others. */
	uint64_t transmit_drops_malformed, transmit_drops_link, transmit_drops_refused;
	uint64_t receive_drops_too_large, receive_drops_malformed;

	struct net_pair pairs[NET_PAIRS_MAX];
};

extern const struct vhost_user_operations net_operations;

/* Look whether the tap's link is up, and tell the guest if that has changed. On the device's thread. */
void net_device_look_at_link(struct net_device *device);

/* ---- net_queue.c: the operations of vhost_user_backend.h on queue `index` ---- */

int net_queue_start(struct net_device *device, unsigned index, const struct virtqueue_setup *setup,
	const struct vhost_user_bells *bells, struct error *error);
uint32_t net_queue_stop(struct net_device *device, unsigned index);
void net_queue_set_call(struct net_device *device, unsigned index, int call_fd);

/* What is particular to each of the two. */
extern const struct served_queue_kind net_transmit_kind, net_receive_kind;

/* Memory for a queue that starts. Return 0 or -ENOMEM; what they got is given back by `free`. */
int net_transmit_allocate(struct net_transmit *queue);
void net_transmit_free(struct net_transmit *queue);
int net_receive_allocate(struct net_receive *queue);
void net_receive_free(struct net_receive *queue);

/* On the sidecore: break the ring if its memory is not the guest's any more. */
void net_check_memory(struct served_queue *queue);

#endif
