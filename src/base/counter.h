/*
 * Counters that one thread writes and any thread reads, without locks: relaxed loads and stores,
 * which cost the writer nothing over plain ones. Not for counters with two writers.
 */
#ifndef SLUICE_BASE_COUNTER_H
#define SLUICE_BASE_COUNTER_H

#include <stdint.h>

static inline uint64_t counter_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void counter_add(uint64_t *counter, uint64_t amount)
{
	counter_set(counter, *counter + amount);
}

#endif
