/*
 * Whether an authentic datagram is new. One per sending host.
 *
 * Theory of operation. Within an epoch (a run of the sender's agent) a sliding window remembers which
 * of the last REPLAY_WINDOW_BITS sequence numbers have come, as in IPsec (RFC 4303, section 3.4.3): later and
 * reordered datagrams pass once, older ones not at all. An earlier epoch than the latest is over. What
 * remains is a receiver that has just started and remembers nothing: a datagram that is not fresh is
 * refused whoever asks, so only what was sent in the last moments could come twice, once.
 */
#ifndef SLUICE_GATEKEEPER_DATAGRAM_REPLAY_WINDOW_H
#define SLUICE_GATEKEEPER_DATAGRAM_REPLAY_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "gatekeeper/datagram/envelope.h"

#define REPLAY_WINDOW_BITS 1024u
#define REPLAY_FRESH_NS 2000000000ull /* the hosts' clocks may differ by so much */

/* Starts as zeroes: nothing has come yet. */
struct replay_window {
	uint64_t epoch_ns;
	uint64_t highest;			/* sequence number */
	uint64_t seen[REPLAY_WINDOW_BITS / 64]; /* bit n % REPLAY_WINDOW_BITS: number n has come */
};

enum replay_verdict {
	REPLAY_NEW, /* and now remembered */
	REPLAY_STALE, /* sent too long ago, or in the future, or by an agent that starts in the future */
	REPLAY_OLD_EPOCH,
	REPLAY_REPEATED, /* or older than the window reaches */
};

/*
 * Judge a datagram that envelope_open has accepted, and remember it.
 *
 * @now_ns: real time
 */
enum replay_verdict replay_window_judge(
	struct replay_window *window, const struct envelope *envelope, uint64_t now_ns);

#endif
