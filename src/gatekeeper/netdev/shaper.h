/*
 * The classes of one netdev: an HTB (hierarchical token bucket) as its root, by way of libnl.
 *
 * Theory of operation. Under the root is one class with the link's rate; under that are a class for
 * traffic that is nobody's (the host's own), and one per vNIC, which has at least its `rate` and borrows
 * up to its `ceil` what others leave. A class may have children of its own. Everything is set by name
 * of class (a minor number that the caller chooses), created or changed as needed, so that an agent that
 * finds its predecessor's classes goes on with them; traffic is told its class by BPF programs.
 *
 * The qdisc that somebody had configured before is noted in a file before ours takes its place, and is
 * put back when we let go, or a successor does: killed at any time, we leave either that or ours with
 * the note. A netdev whose qdisc could not be put back is not taken.
 */
#ifndef SLUICE_GATEKEEPER_NETDEV_SHAPER_H
#define SLUICE_GATEKEEPER_NETDEV_SHAPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define SHAPER_MAJOR 0x5157u
#define SHAPER_LINK 0x1u    /* the class with the link's rate: parent of all others */
#define SHAPER_HOST 0xfffeu /* what no program has classified */

/* What skb->priority must be for a packet to go into class `minor`. */
#define SHAPER_CLASSID(minor) (SHAPER_MAJOR << 16 | (minor))

struct shaper;

/* Rates in bytes per second. */
struct shaper_class {
	uint16_t minor;
	uint16_t parent;      /* SHAPER_LINK or another class's minor */
	uint64_t rate;	      /* guaranteed; at least 1 */
	uint64_t ceil;	      /* with what can be borrowed; at least `rate` */
	double weight;	      /* of what it borrows, beside its siblings; 0: 1 */
	uint32_t queue_bytes; /* what may wait in it, without children; 0: as it is */
};

struct shaper_counters {
	uint64_t bytes;
	uint64_t packets;
	uint64_t drops;
	uint64_t backlog_bytes;
};

/*
 * Take charge of a netdev, or go on where a predecessor was.
 *
 * @netdev: its name
 * @link_bytes_per_s: its rate
 * @state_directory: where notes about netdevs are kept as long as the host is up; need not exist if
 *                   nobody has configured a qdisc
 * Returns 0; -EBUSY if there is a qdisc that could not be put back; or another negative errno; with
 * the reason in `error`.
 */
int shaper_open(const char *netdev, uint64_t link_bytes_per_s, const char *state_directory,
	struct shaper **shaper, struct error *error);

/* Leave everything as it is, for a successor. */
void shaper_close(struct shaper *shaper);

/* Let the netdev have the qdisc that it had before us, and close. */
void shaper_remove(struct shaper *shaper);

/* Change the netdev's rate. Returns 0; -ENOENT if somebody has taken our qdisc away; or another negative errno. */
int shaper_set_link(struct shaper *shaper, uint64_t link_bytes_per_s);

/*
 * What should be able to wait in a class at most, in powers of two so that it seldom changes: bytes of
 * some tens of milliseconds. A guest's packets are of up to 64 KiB, and the kernel's default is a
 * thousand of whatever size, which can be seconds.
 */
uint32_t shaper_queue_bytes(uint64_t bytes_per_s);

/* Create or change a class; running traffic stays in it. Returns 0 or a negative errno. */
int shaper_set(struct shaper *shaper, const struct shaper_class *class);

/*
 * Remove a class without children; what waits in it is lost. Returns 0, also if there is none, or a
 * negative errno.
 */
int shaper_unset(struct shaper *shaper, uint16_t minor);

/* One class, with its ceiling in bytes per second. */
typedef void shaper_visitor(
	void *context, uint16_t minor, uint64_t ceil, const struct shaper_counters *counters);

/* Look at all classes at once. Returns 0 or a negative errno. */
int shaper_visit(struct shaper *shaper, shaper_visitor *visit, void *context);

#endif
