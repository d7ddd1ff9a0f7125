/* A vCPU's exit ring, as CPUID tells of it. */
#ifndef SLUICE_BARE_RING_H
#define SLUICE_BARE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "exit-ring/exit_ring_client.h"

/* How many rings there are; 0 if this machine has none that this guest knows. */
unsigned ring_count(void);

/* Where ring `index` is. */
struct sluice_exit_ring *ring_at(unsigned index);

/* Begin to use it. */
bool ring_open(struct exit_ring_client *client, unsigned index);

/* How many doorbells have been rung. */
uint32_t ring_doorbells(void);

#endif
