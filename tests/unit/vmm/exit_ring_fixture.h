/*
 * A ring with both its ends, and a machine that notes what is done to it: accesses of registers go to a few
 * bytes, guest memory is an array, interrupts and doorbells are counted.
 */
#ifndef SLUICE_TESTS_EXIT_RING_FIXTURE_H
#define SLUICE_TESTS_EXIT_RING_FIXTURE_H

#include <stdint.h>

#include "exit-ring/exit_ring_client.h"
#include "vmm/exits/exit_ring.h"

#define FIXTURE_MEMORY_ADDRESS 0x10000u
#define FIXTURE_MEMORY_BYTES 4096u
#define FIXTURE_REGISTERS 16u /* ports, from 0x100; and bytes of memory, from 0xc0000000 */

struct fixture {
	struct sluice_exit_ring shared;
	struct exit_ring server;
	struct exit_ring_client client;

	uint8_t ports[FIXTURE_REGISTERS], registers[FIXTURE_REGISTERS];
	uint8_t memory[FIXTURE_MEMORY_BYTES]; /* of the guest, at FIXTURE_MEMORY_ADDRESS */
	uint8_t console[512];
	unsigned console_bytes, console_room; /* written, and left */
	unsigned accesses;

	unsigned caught_up; /* how often the ring asked for that */
	unsigned accesses_when_caught_up;
	unsigned posts_when_caught_up; /* requests that the guest posts meanwhile */

	unsigned doorbells, interrupts;
	uint64_t message_address;
	uint32_t message_data;
	int set_interrupt_result;
};

extern struct fixture fixture;

/* All anew, client open. */
int fixture_set_up(void **state);

/* The request that most tests need. */
struct sluice_exit_request fixture_nothing(uint64_t cookie, uint16_t flags);

/* Send a synchronous request, have it served, and take its completion. */
struct sluice_exit_completion fixture_call(struct sluice_exit_request request);

#endif
