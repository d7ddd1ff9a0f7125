#include "base/histogram.h"

#include "base/counter.h"

#define SUB_BITS 5u /* log2(HISTOGRAM_SUB_BUCKETS) */

static unsigned bucket_of(uint64_t value)
{
	unsigned exponent, index;

	if (value < HISTOGRAM_SUB_BUCKETS)
		return (unsigned)value;
	exponent = 63u - (unsigned)__builtin_clzll(value);
	index = (exponent - SUB_BITS + 1) * HISTOGRAM_SUB_BUCKETS +
		(unsigned)((value >> (exponent - SUB_BITS)) & (HISTOGRAM_SUB_BUCKETS - 1));
	return index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1;
}

uint64_t histogram_bucket_limit(unsigned index)
{
	unsigned magnitude = index / HISTOGRAM_SUB_BUCKETS;
	uint64_t step = index % HISTOGRAM_SUB_BUCKETS;

	if (magnitude == 0)
		return step;
	return ((HISTOGRAM_SUB_BUCKETS + step + 1) << (magnitude - 1)) - 1;
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
	counter_add(&histogram->buckets[bucket_of(value)], 1);
	counter_add(&histogram->count, 1);
	counter_add(&histogram->sum, value);
	if (value > histogram->max)
		counter_set(&histogram->max, value);
}

uint64_t histogram_quantile(const struct histogram *histogram, double fraction)
{
	uint64_t max = counter_get(&histogram->max);
	uint64_t total = 0, seen = 0;
	double wanted;
	unsigned index;

	for (index = 0; index < HISTOGRAM_BUCKETS; index++)
		total += counter_get(&histogram->buckets[index]);
	wanted = fraction * (double)total;
	for (index = 0; index < HISTOGRAM_BUCKETS && total; index++) {
		seen += counter_get(&histogram->buckets[index]);
		if (seen && (double)seen >= wanted)
			break;
	}
	if (!total || histogram_bucket_limit(index) > max)
		return max;
	return histogram_bucket_limit(index);
}

uint64_t histogram_mean(const struct histogram *histogram)
{
	uint64_t count = counter_get(&histogram->count);

	return count ? counter_get(&histogram->sum) / count : 0;
}
