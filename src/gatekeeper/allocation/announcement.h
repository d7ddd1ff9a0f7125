/*
 * When to tell a sender's host a limit (again). Time is an argument.
 *
 * Theory of operation. A large change that somebody waits for is told at once: more for a sender,
 * or less than it sends, which guarantees of others wait for. What is left is gathered for a while.
 * Any datagram may be lost, so what was told is told again, first soon, then after twice as long each
 * time, until steady traffic costs a few datagrams a second; that goes on, since a limit without
 * renewal loses its hold (rate_limit.h). That there is no limit any more is told in the same way, but
 * not for ever: it needs no renewal.
 */
#ifndef SLUICE_GATEKEEPER_ALLOCATION_ANNOUNCEMENT_H
#define SLUICE_GATEKEEPER_ALLOCATION_ANNOUNCEMENT_H

#include <stdbool.h>
#include <stdint.h>

/* What was told last; zeroes: nothing yet. */
struct announcement {
	double told; /* bytes per second; INFINITY: that there is no limit */
	uint64_t told_ns;
	uint64_t repeat_ns; /* to be told again after so long */
};

/*
 * Whether to tell a limit now; if true, it counts as told.
 *
 * @allowed: the limit, in bytes per second; INFINITY: none
 * @used: what the sender sends at present
 */
bool announcement_is_due(
	struct announcement *announcement, double allowed, double used, uint64_t now_ns);

/* The limit that the sender's host has been told: INFINITY if none. */
double announcement_told(const struct announcement *announcement);

#endif
