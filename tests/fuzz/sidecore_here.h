/*
 * A sidecore without a thread, in place of sidecore/sidecore_thread.c: it runs on the fuzzer's thread, when
 * the fuzzer says so and whenever somebody waits. So a run depends on its input alone.
 *
 * Who waits for the sidecore does it with sem_wait, which the linker wraps (-Wl,--wrap=sem_wait).
 */
#ifndef SLUICE_TESTS_SIDECORE_HERE_H
#define SLUICE_TESTS_SIDECORE_HERE_H

#include "disk/backend.h"

/* Run rounds until there is nothing to do. */
void sidecore_here_run(void);

/* A disk of `size_bytes` with `queue_count` queues on a back end, and the only sidecore that there is. */
struct disk *sidecore_here_disk(
	const struct backend_ops *backend, uint64_t size_bytes, unsigned queue_count);

#endif
