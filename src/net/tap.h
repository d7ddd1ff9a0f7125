/*
 * A tap as the kernel's end of a NIC: opening, making and removing it. For control threads.
 *
 * A tap that is made here is persistent: it outlives the daemon, killed or stopped, since what others
 * have put on it (its place in a bridge, addresses, queueing disciplines) would go with it, and would
 * not come back with a daemon that does. A note in the state directory says which ones these are; they
 * are taken away when their NIC is removed.
 */
#ifndef SLUICE_NET_TAP_H
#define SLUICE_NET_TAP_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define TAP_QUEUES_MAX 8u
#define TAP_NO_FD (-1)

/* Beyond the frame of the largest packet: the header of virtio, of Ethernet, and two VLAN tags. */
#define TAP_FRAME_BYTES_MAX (65536u + 64u)

struct tap_config {
	const char *name;
	const char *state_directory;
	unsigned queue_count;
	unsigned mtu; /* 0: as it is */
};

struct tap {
	struct tap_config config;
	int fds[TAP_QUEUES_MAX]; /* nonblocking; TAP_NO_FD: the tap is not open */
	bool is_attached[TAP_QUEUES_MAX];
	bool is_new;	   /* it was made just now */
	bool is_made_here; /* now or before */
	unsigned ifindex;
	int io_flags;	  /* RWF_NOWAIT, where the kernel has it for taps */
	unsigned offload; /* TUN_F_*: all that the kernel can do */
};

/*
 * Open a tap with a vnet header; make it if there is none of that name. All queues but the first are
 * detached: they get no packets before tap_attach_queue.
 *
 * Returns 0, or a negative errno with the reason and the mend in `error`: -EPERM for a tap of others, or
 * to make one; -EBUSY if it is in use; -EINVAL for a netdev that is no tap, or has too few queues or
 * too small an MTU.
 */
int tap_open(struct tap *tap, const struct tap_config *config, struct error *error);

/* Close it; `removes`: and take it away, if it was made here. One that is not open is left alone. */
void tap_close(struct tap *tap, bool removes);

/* Let a queue have packets, or not. The first always has them. */
void tap_attach_queue(struct tap *tap, unsigned index, bool is_attached);

/* Say what whoever reads packets can take (TUN_F_*), and how long the header before each is. */
void tap_set_offload(const struct tap *tap, unsigned offload, int header_bytes);

/* Is the tap there, as it was opened, and up? */
bool tap_is_up(const struct tap *tap);

/* Is there a netdev of its name which is not the one that was opened? */
bool tap_is_replaced(const struct tap *tap);

/* Has it vanished? */
bool tap_is_gone(const struct tap *tap);

/* Its MTU; 0 if it is not there. */
unsigned tap_mtu(const struct tap *tap);

#endif
