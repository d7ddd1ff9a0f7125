/* Time, in nanoseconds; since an arbitrary start (CLOCK_MONOTONIC), where nothing else is said. */
#ifndef SLUICE_BASE_CLOCK_H
#define SLUICE_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* The time now; a few tens of nanoseconds, no system call. */
uint64_t clock_now_ns(void);

/* The time of day, in nanoseconds since 1970 (CLOCK_REALTIME): comparable between hosts. It may jump. */
uint64_t clock_real_ns(void);

/* CPU time that the calling thread has used. */
uint64_t clock_thread_cpu_ns(void);

#endif
