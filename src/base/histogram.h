/*
 * A latency histogram of fixed size: HISTOGRAM_SUB_BUCKETS linear steps in every power of two, so a
 * quantile read from it is at most 1/32 too high, whatever its magnitude.
 *
 * One thread records; any thread may read at the same time (relaxed atomics: a reader may see one
 * request more in one bucket than in the total, and never a torn number).
 */
#ifndef SLUICE_BASE_HISTOGRAM_H
#define SLUICE_BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BUCKETS 32u
#define HISTOGRAM_BUCKETS (HISTOGRAM_SUB_BUCKETS * 37u) /* up to 2^41 ns, over half an hour */

struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Count one value (in any unit; nanoseconds here). Values beyond the range count in the last bucket. */
void histogram_record(struct histogram *histogram, uint64_t value);

/*
 * The smallest bucket limit that at least `fraction` (0 to 1) of the values do not exceed;
 * 0 for an empty histogram, and never more than the largest value recorded.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double fraction);

/* Mean of the values recorded, 0 if there are none. */
uint64_t histogram_mean(const struct histogram *histogram);

/* The largest value that bucket `index` counts: for printing distributions. */
uint64_t histogram_bucket_limit(unsigned index);

#endif
