/*
 * Whether etcd is away, and when to try again, from how attempts at its members have ended.
 *
 * Theory of operation. Members are asked in turn. That one fails is nobody's business; nor is it that all
 * do for a while: when etcd's leader dies, the others refuse to serve until one of them is elected. So
 * etcd is away when each has failed in a row, and for longer than an election takes. Who was not
 * served yet has no election to wait for, and is told as soon as each has failed: then it is mostly the
 * configuration that is wrong.
 *
 * The pause before another attempt doubles with each round, not with each attempt: after an election, the
 * member that serves again is soon asked.
 *
 * For one thread. Times are clock_now_ns's.
 */
#ifndef SLUICE_CLUSTER_OUTAGE_H
#define SLUICE_CLUSTER_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/*
 * By default a member waits one second to two for a sign of the leader before it stands for election, and
 * as long again when votes were split: this is enough for a second vote, and some for hosts that are busy.
 */
#define OUTAGE_ELECTION_NS_MAX (5 * NS_PER_S)

#define OUTAGE_PAUSE_NS_MIN (100 * NS_PER_MS)
#define OUTAGE_PAUSE_NS_MAX (3 * NS_PER_S)

struct outage {
	unsigned members; /* that are asked in turn, 1 or more; set by the caller */

	/* Its own; zeroes at first. */
	unsigned failures;    /* in a row */
	uint64_t began_ns;    /* when the first of them was */
	uint64_t retry_ns;    /* not to try anything before */
	bool has_been_served; /* ever */
	bool is_away;
};

/* An attempt has failed; the next is for the next member. Returns whether etcd is away since this one. */
bool outage_note_failure(struct outage *outage, uint64_t now_ns);

/* Etcd serves. */
void outage_note_success(struct outage *outage);

#endif
