/*
 * Interrupts of a vCPU: exceptions, which are reported and end the guest, and one vector for completions of its
 * exit ring. They stay off but in wait_for_interrupt.
 */
#ifndef SLUICE_BARE_INTERRUPTS_H
#define SLUICE_BARE_INTERRUPTS_H

#include <stdint.h>

#define VECTOR_COMPLETION 0x40u

/* On each vCPU, before anything can go wrong. */
void interrupts_set_up(void);

/* How many came by VECTOR_COMPLETION, to any vCPU. */
uint32_t interrupts_count(void);

/* Start vCPU `apic_id`, at other_main. */
void start_vcpu(uint32_t apic_id);

#endif
