/*
 * The sender's side of an explicit rate: what one vNIC may send to one destination.
 *
 * The receiver's agent renews a limit while its link is contended, and lifts it afterwards. When it says
 * nothing any more, because it has died or its messages are lost, the limit holds for a while, then
 * doubles at every step until it is meaningless: a sender is neither held for ever by a receiver that
 * has died, nor let loose on one that lives by a few lost datagrams. Time is an argument.
 */
#ifndef SLUICE_GATEKEEPER_ALLOCATION_RATE_LIMIT_H
#define SLUICE_GATEKEEPER_ALLOCATION_RATE_LIMIT_H

#include <stdint.h>

#define RATE_LIMIT_HOLDS_NS 2000000000ull  /* without renewal */
#define RATE_LIMIT_DOUBLES_NS 250000000ull /* every so often after that */

struct rate_limit {
	double bytes_per_s; /* as told */
	uint64_t told_ns;
};

/* The receiver's agent has told a rate, or INFINITY, at `now_ns`. */
void rate_limit_tell(struct rate_limit *limit, double bytes_per_s, uint64_t now_ns);

/*
 * What may be sent now, in bytes per second.
 *
 * @most_bytes_per_s: what the sender could send without a limit (its link, its own maximum)
 * Returns INFINITY once the limit has grown to that: it can be forgotten.
 */
double rate_limit_at(const struct rate_limit *limit, double most_bytes_per_s, uint64_t now_ns);

#endif
