/*
 * A vNIC of this host, as the agent keeps it: its promises, its netdev's programs and classes, those
 * who send to it, and the limits on those it sends to.
 *
 * Theory of operation. The netdev may not be there yet, vanish and come back. A vNIC is attached while
 * it is; otherwise only its promises remain.
 */
#ifndef SLUICE_GATEKEEPER_NIC_H
#define SLUICE_GATEKEEPER_NIC_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "base/error.h"
#include "gatekeeper/allocation/inbound.h"
#include "gatekeeper/netdev/bpf/vnic_programs.h"
#include "gatekeeper/nic_limits.h"
#include "gatekeeper/nic_outbound.h"
#include "gatekeeper/nic_peers.h"

#define NIC_NAME_BYTES DIRECTORY_NAME_BYTES
#define NIC_ADDRESSES_MAX DIRECTORY_ADDRESSES_MAX
#define NIC_SLOTS 256u

/* Bytes per second. */
struct nic_config {
	char name[NIC_NAME_BYTES];
	char netdev[IFNAMSIZ]; /* the host's end */
	struct in6_addr addresses[NIC_ADDRESSES_MAX];
	unsigned address_count;
	uint64_t send_min;
	uint64_t send_max; /* UINT64_MAX: as much as the link has */
	struct inbound_promise receive;
};

struct nic {
	struct nic_config config;
	struct directory_nic self;	  /* as others know it */
	struct inbound_nic inbound;	  /* its place in the division of the link */
	struct inbound_nic inbound_local; /* and of what neighbours send each other */
	struct nic_outbound outbound;
	double ceil_in_force; /* of its class on the uplink, bytes per second */
	unsigned slot;	      /* which of the uplink's classes are its own */
	bool is_attached;
	bool is_left_in_force;		   /* it is not, but its netdev is still as it was then */
	int ifindex;			   /* of the netdev that it is attached to */
	char trouble[ERROR_MESSAGE_BYTES]; /* why it is not, as was said last */
	struct vnic_programs *programs;
	struct shaper *towards_guest; /* the netdev's own classes */
	struct nic_limits sends;      /* to hosts, by way of the uplink */
	struct nic_limits receives;   /* from this host's other vNICs */
	struct nic_peers senders;
	struct nic_peers destinations;
	struct shaper_counters rest_sent; /* of what has no limit of its own; as seen last */
	struct shaper_counters rest_received;
	TAILQ_ENTRY(nic) link;
};

/* Where vNICs are: what all of a host share. */
struct nic_place {
	const struct directory_host *host; /* this one */
	struct shaper *uplink;
	uint64_t link;		     /* its bytes per second */
	struct inbound *inbound;     /* the division of the link; of what comes over it */
	struct inbound *local;	     /* of what stays on the host */
	const char *state_directory; /* as of shaper_open */
};

/*
 * A vNIC with its place in the division, not attached yet.
 *
 * @slot: below NIC_SLOTS; no two vNICs of a host have the same
 * @nic: receives what is to be given to nic_destroy
 * Returns 0, or -ENOMEM with words in `error`.
 */
int nic_create(const struct nic_config *config, unsigned slot, const struct nic_place *place,
	struct nic **nic, struct error *error);

/* Forget a vNIC that is not attached. */
void nic_destroy(struct nic *nic, const struct nic_place *place);

/*
 * Take charge of the netdev, which is there, and go on where a predecessor was. Returns 0 or a negative
 * errno with the reason in `error`; then nothing is taken.
 */
int nic_attach(struct nic *nic, const struct nic_place *place, struct error *error);

/*
 * Let go of the netdev, which may be gone; of what was left in force before, too.
 *
 * @is_final: put it back as it was found, and take the vNIC's classes off the uplink; otherwise leave
 *            all in force for a successor
 */
void nic_detach(struct nic *nic, const struct nic_place *place, bool is_final);

/* Whether all that was put on its netdev is still there; somebody may have taken it off. */
bool nic_is_in_force(struct nic *nic, const struct nic_place *place);

/*
 * Change promises and addresses; running traffic feels it at once. Name and netdev stay. Returns 0 or a
 * negative errno with the reason in `error`.
 */
int nic_change(struct nic *nic, const struct nic_config *config, const struct nic_place *place,
	struct error *error);

/*
 * Bring its class on the uplink up to date with what it may send there at most. Returns 0 or a
 * negative errno.
 */
int nic_apply_ceil(struct nic *nic, const struct nic_place *place);

/* Whose class on the uplink that is: a slot, or NIC_SLOTS for none. */
unsigned nic_slot_of_class(uint16_t minor);

/* Note what one of its classes has counted: on the uplink (VNIC_SENDS) or its netdev (VNIC_RECEIVES). */
void nic_note_class(struct nic *nic, enum vnic_direction direction, uint16_t minor,
	const struct shaper_counters *counters);

bool nic_has_address(const struct nic *nic, const struct in6_addr *address);

#endif
