/*
 * The BPF programs on one vNIC's netdev: they count what the guest receives per source, and tell what
 * it sends its class (bpf/vnic.bpf.c).
 *
 * Theory of operation. The netdev is the host's end: a tap, a veth, a port of a bridge. Programs hang on
 * its clsact qdisc and stay when the agent dies; the next agent finds them, takes over their maps and
 * replaces them in one step, so that nothing is lost or let loose in between.
 */
#ifndef SLUICE_GATEKEEPER_VNIC_PROGRAMS_H
#define SLUICE_GATEKEEPER_VNIC_PROGRAMS_H

#include <netinet/in.h>
#include <stdint.h>

#include "base/error.h"

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

/* Leave the programs where they are, for the next agent. */
void vnic_programs_close(struct vnic_programs *programs);

/* Take the programs off the netdev, which may be gone, and close. */
void vnic_programs_detach(struct vnic_programs *programs);

/* Which of two tables of classes: what the guest sends, by destination; what it receives, by source. */
enum vnic_direction { VNIC_SENDS, VNIC_RECEIVES };

/*
 * Put what goes to, or comes from, `peer` into a class of its own; with 0, into the class that all
 * else has. Returns 0 or a negative errno.
 */
int vnic_programs_set_class(struct vnic_programs *programs, enum vnic_direction direction,
	const struct in6_addr *peer, uint32_t classid);

/* Count what comes from `source` from 0 again, when it comes again. */
void vnic_programs_forget(struct vnic_programs *programs, const struct in6_addr *source);

/*
 * Call `visit` for every source that has been seen, with the bytes and packets received from it in all
 * (since it was last forgotten: numbers may start anew).
 */
void vnic_programs_visit(const struct vnic_programs *programs,
	void (*visit)(
		void *context, const struct in6_addr *source, uint64_t bytes, uint64_t packets),
	void *context);

#endif
