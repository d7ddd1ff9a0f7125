/*
 * A vNIC of this host, as the agent keeps it: its promises, its netdev's programs, those who send to
 * it, and the limits on those it sends to.
 */
#ifndef SLUICE_GATEKEEPER_NIC_H
#define SLUICE_GATEKEEPER_NIC_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/key_map.h"
#include "gatekeeper/announcement.h"
#include "gatekeeper/bpf/vnic_programs.h"
#include "gatekeeper/inbound.h"
#include "gatekeeper/nic_limits.h"

#define NIC_NAME_BYTES 64
#define NIC_ADDRESSES_MAX 16u
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

/* Somebody who sends to the vNIC. */
struct nic_sender {
	struct in6_addr address;
	struct inbound_pair pair;
	struct announcement announcement;
	uint64_t bytes_before; /* counted until the last period */
	uint64_t heard_ns;     /* when it last sent anything */
	struct key_map_node node;
};

struct nic {
	struct nic_config config;
	struct inbound_nic inbound;
	struct vnic_programs *programs;
	struct shaper *towards_guest; /* the netdev's own classes */
	struct nic_limits sends;      /* to hosts, by way of the uplink */
	struct nic_limits receives;   /* from this host's other vNICs */
	struct key_map senders;	      /* by address */
	bool is_measured;	      /* at least once, so that what is new to us is new */
	unsigned slot;		      /* which of the uplink's classes are its own */
	TAILQ_ENTRY(nic) link;
};

/* Where vNICs are: what all of a host share. */
struct nic_place {
	struct shaper *uplink;
	uint64_t link; /* its bytes per second */
	struct inbound *inbound;
	const char *state_directory; /* as of shaper_open */
};

/*
 * Take charge of a vNIC: its netdev, its classes on the uplink, its place in the division.
 *
 * @slot: below NIC_SLOTS; no two vNICs of a host have the same
 * @nic: receives what is to be given to nic_close
 * Returns 0 or a negative errno with the reason in `error`.
 */
int nic_open(const struct nic_config *config, unsigned slot, const struct nic_place *place,
	struct nic **nic, struct error *error);

/*
 * Let go of a vNIC.
 *
 * @is_final: take everything off the netdev and the uplink; otherwise leave it for the next agent
 */
void nic_close(struct nic *nic, const struct nic_place *place, bool is_final);

/* The sender after one, or the first after NULL; NULL at the end. */
struct nic_sender *nic_next_sender(const struct nic *nic, const struct nic_sender *sender);

/*
 * Count what each sender has sent since the last call, and forget those that have been silent long.
 *
 * @period_ns: since the last call
 */
void nic_measure(struct nic *nic, struct inbound *inbound, uint64_t period_ns, uint64_t now_ns);

bool nic_has_address(const struct nic *nic, const struct in6_addr *address);

#endif
