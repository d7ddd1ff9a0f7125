/*
 * A flow's ceiling: operations and bytes per second, each a token bucket. A request larger than a
 * bucket passes when that is full and leaves it in debt, so that it is late and not stuck.
 */
#ifndef SLUICE_SLO_LIMITER_H
#define SLUICE_SLO_LIMITER_H

#include <stdbool.h>
#include <stdint.h>

#include "slo/slo.h"
#include "slo/token_bucket.h"

struct limiter {
	bool limits_operations;
	bool limits_bytes;
	struct token_bucket operations;
	struct token_bucket bytes;
};

/* Buckets full. */
void limiter_init(struct limiter *limiter, const struct slo_limit *limit, uint64_t now_ns);

/* Another limit; what has been used of the old bursts, debt included, is used of the new ones. */
void limiter_change(struct limiter *limiter, const struct slo_limit *limit, uint64_t now_ns);

static inline bool limiter_is_active(const struct limiter *limiter)
{
	return limiter->limits_operations || limiter->limits_bytes;
}

/* When an operation of `bytes` may pass: `now_ns` if it may now. */
uint64_t limiter_passes_ns(struct limiter *limiter, uint64_t bytes, uint64_t now_ns);

/* An operation passes. */
void limiter_charge(struct limiter *limiter, uint64_t bytes);

#endif
