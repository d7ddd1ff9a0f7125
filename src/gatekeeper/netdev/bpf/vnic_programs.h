/*
 * The BPF programs on one vNIC's netdev: they count what the guest receives per source and what it
 * sends per destination, tell both their classes, and drop what it sends under a foreign address
 * (bpf/vnic.bpf.c).
 *
 * Theory of operation. The netdev is the host's end: a tap, a veth, a port of a bridge. Programs hang on
 * its clsact qdisc and stay when the agent dies; the next agent finds them, takes over their maps and
 * replaces them in one step, so that nothing is lost or let loose in between. One of the maps
 * remembers whether the clsact was made by us, and goes with the programs.
 */
#ifndef SLUICE_GATEKEEPER_NETDEV_BPF_VNIC_PROGRAMS_H
#define SLUICE_GATEKEEPER_NETDEV_BPF_VNIC_PROGRAMS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define VNIC_PROGRAMS_ADDRESSES_MAX 16u

struct vnic_programs;

/*
 * Attach to a netdev, or take over what hangs there.
 *
 * @netdev: its name
 * @classid: of what the guest sends to destinations without a limit of their own
 * @programs: receives what the caller is to give to vnic_programs_close or _detach
 * Returns 0 or a negative errno with the reason in `error`.
 */
int vnic_programs_attach(
	const char *netdev, uint32_t classid, struct vnic_programs **programs, struct error *error);

/* Whether they still hang there: somebody may have taken them off. */
bool vnic_programs_are_attached(const struct vnic_programs *programs);

/* Leave the programs where they are, for the next agent. */
void vnic_programs_close(struct vnic_programs *programs);

/*
 * Take the programs off the netdev, which may be gone, and close. A clsact that was not there before us
 * goes as well, unless somebody else's filter hangs on it.
 */
void vnic_programs_detach(struct vnic_programs *programs);

/* Which way: what the guest sends, by destination; what it receives, by source. */
enum vnic_direction { VNIC_SENDS, VNIC_RECEIVES };

/*
 * Put what goes to, or comes from, `peer` into a class of its own; with 0, into the class that all
 * else has. Returns 0 or a negative errno.
 */
int vnic_programs_set_class(struct vnic_programs *programs, enum vnic_direction direction,
	const struct in6_addr *peer, uint32_t classid);

typedef void vnic_class_visitor(void *context, const struct in6_addr *peer, uint32_t classid);

/* Visit every peer that is in a class of its own, put there by our predecessors as well. */
void vnic_programs_visit_classes(const struct vnic_programs *programs,
	enum vnic_direction direction, vnic_class_visitor *visit, void *context);

/*
 * Have everything dropped that the guest sends over IP from addresses that are not its own; unspecified
 * and link-local ones may always send. Nothing is dropped meanwhile that is allowed before and after.
 *
 * @addresses: all of them, IPv4 as IPv4-mapped
 * @count: at most VNIC_PROGRAMS_ADDRESSES_MAX; 0: nothing is dropped
 * Returns 0 or a negative errno; then what was allowed still is.
 */
int vnic_programs_set_addresses(
	struct vnic_programs *programs, const struct in6_addr *addresses, unsigned count);

/* How many packets have been dropped for their source, by our predecessors as well. */
uint64_t vnic_programs_forged(const struct vnic_programs *programs);

/* Count what goes to, or comes from, `peer` from 0 again, when it comes again. */
void vnic_programs_forget(
	struct vnic_programs *programs, enum vnic_direction direction, const struct in6_addr *peer);

/*
 * One peer, with the bytes and packets sent to it or received from it in all (since it was last
 * forgotten: numbers may start anew).
 */
typedef void vnic_peer_visitor(
	void *context, const struct in6_addr *peer, uint64_t bytes, uint64_t packets);

/* Visit every peer that has been seen. Returns whether that were all of them for certain. */
bool vnic_programs_visit(const struct vnic_programs *programs, enum vnic_direction direction,
	vnic_peer_visitor *visit, void *context);

#endif
