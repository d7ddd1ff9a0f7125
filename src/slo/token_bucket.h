/*
 * A token bucket: fills at a rate, holds at most a burst. Time is an argument and never goes back.
 * Inline, because every request goes through several.
 *
 * The level may be driven below zero ("debt") by whoever takes more than there is; what the debt
 * means is the caller's business.
 */
#ifndef SLUICE_SLO_TOKEN_BUCKET_H
#define SLUICE_SLO_TOKEN_BUCKET_H

#include <math.h>
#include <stdint.h>

#include "base/clock.h"

struct token_bucket {
	double level;
	double burst;
	double rate_per_ns; /* 0: what is taken never comes back */
	uint64_t refilled_ns;
};

/* A full bucket. */
static inline void token_bucket_init(
	struct token_bucket *bucket, double rate_per_s, double burst, uint64_t now_ns)
{
	bucket->level = burst;
	bucket->burst = burst;
	bucket->rate_per_ns = rate_per_s / (double)NS_PER_S;
	bucket->refilled_ns = now_ns;
}

/* Bring the level up to date. */
static inline void token_bucket_refill(struct token_bucket *bucket, uint64_t now_ns)
{
	double level;

	if (now_ns <= bucket->refilled_ns)
		return;
	level = bucket->level + (double)(now_ns - bucket->refilled_ns) * bucket->rate_per_ns;
	bucket->level = level < bucket->burst ? level : bucket->burst;
	bucket->refilled_ns = now_ns;
}

/* The first time at which a refilled bucket will hold `level`; UINT64_MAX if it never will. */
static inline uint64_t token_bucket_reaches_ns(const struct token_bucket *bucket, double level)
{
	double wait_ns;

	if (bucket->level >= level)
		return bucket->refilled_ns;
	if (bucket->rate_per_ns <= 0 || level > bucket->burst)
		return UINT64_MAX;
	wait_ns = ceil((level - bucket->level) / bucket->rate_per_ns);
	if (wait_ns > 1e18)
		return UINT64_MAX;
	return bucket->refilled_ns + (wait_ns < 1 ? 1 : (uint64_t)wait_ns);
}

#endif
