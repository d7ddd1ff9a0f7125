/* Two CPUs for a guest and its hypervisor: on cores of their own, where there are any. */
#ifndef SLUICE_CLI_CORE_PAIR_H
#define SLUICE_CLI_CORE_PAIR_H

#include <stdbool.h>

#include "base/error.h"

struct core_pair {
	int guest_cpu, hypervisor_cpu;
};

/*
 * Replace each that is negative by a CPU that this process may use. Returns 0, or -ENODEV with `error` set if
 * it may use only one.
 */
int core_pair_choose(struct core_pair *pair, struct error *error);

/* Are both threads of one core? They then share what the guest's exits would evict. */
bool core_pair_is_one_core(const struct core_pair *pair);

#endif
