/*
 * What this guest can be asked to do, by the first word of its command line. Each job prints lines, and the
 * last line of all is "done".
 */
#ifndef SLUICE_BARE_JOBS_H
#define SLUICE_BARE_JOBS_H

#include <stdint.h>

#define JOB_ARGUMENTS_MAX 2u

/* Numbers that follow the word; 0 if there are fewer. */
typedef void job(const uint64_t arguments[JOB_ARGUMENTS_MAX]);

/*
 * test [REQUESTS]: "ok NAME" or "FAILED NAME" for each thing that an exit ring must do; then "requests N
 * doorbells M" for as many requests in a row.
 */
job job_test;

/*
 * hostile SEED COUNT: so many random things to ports, to what may be devices' registers, to PCI configuration
 * and to exit rings, from all vCPUs.
 */
job job_hostile;

/* bench: "bench KIND NAME CYCLES" lines; see bench.c. */
job job_bench;

/* off: have the exit ring turn the machine off. */
job job_off;

/* What the second vCPU does once started; the argument is job_hostile's. */
void hostile_other(void);

#endif
