#include "slo/limiter.h"

#define BURST_DEFAULT_S 0.1

static double burst_of(uint64_t burst, uint64_t rate_per_s)
{
	return burst ? (double)burst : (double)rate_per_s * BURST_DEFAULT_S;
}

void limiter_init(struct limiter *limiter, const struct slo_limit *limit, uint64_t now_ns)
{
	limiter->limits_operations = limit->operations_per_s > 0;
	limiter->limits_bytes = limit->bytes_per_s > 0;
	token_bucket_init(&limiter->operations, (double)limit->operations_per_s,
		burst_of(limit->operations_burst, limit->operations_per_s), now_ns);
	token_bucket_init(&limiter->bytes, (double)limit->bytes_per_s,
		burst_of(limit->bytes_burst, limit->bytes_per_s), now_ns);
}

static void carry_over(struct token_bucket *bucket, struct token_bucket *old, uint64_t now_ns)
{
	token_bucket_refill(old, now_ns);
	bucket->level -= old->burst - old->level;
}

void limiter_change(struct limiter *limiter, const struct slo_limit *limit, uint64_t now_ns)
{
	struct limiter old = *limiter;

	limiter_init(limiter, limit, now_ns);
	if (old.limits_operations && limiter->limits_operations)
		carry_over(&limiter->operations, &old.operations, now_ns);
	if (old.limits_bytes && limiter->limits_bytes)
		carry_over(&limiter->bytes, &old.bytes, now_ns);
}

/* When the bucket holds `amount`, or is full if that is more than it can hold. */
static uint64_t bucket_passes_ns(struct token_bucket *bucket, double amount, uint64_t now_ns)
{
	uint64_t passes_ns;

	token_bucket_refill(bucket, now_ns);
	passes_ns =
		token_bucket_reaches_ns(bucket, amount < bucket->burst ? amount : bucket->burst);
	return passes_ns > now_ns ? passes_ns : now_ns;
}

uint64_t limiter_passes_ns(struct limiter *limiter, uint64_t bytes, uint64_t now_ns)
{
	uint64_t passes_ns = now_ns, bytes_ns;

	if (limiter->limits_operations)
		passes_ns = bucket_passes_ns(&limiter->operations, 1, now_ns);
	if (!limiter->limits_bytes)
		return passes_ns;
	bytes_ns = bucket_passes_ns(&limiter->bytes, (double)bytes, now_ns);
	return bytes_ns > passes_ns ? bytes_ns : passes_ns;
}

void limiter_charge(struct limiter *limiter, uint64_t bytes)
{
	limiter->operations.level -= 1;
	limiter->bytes.level -= (double)bytes;
}
