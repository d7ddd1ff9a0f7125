/*
 * A guest's end of an exit ring. Freestanding: it needs no library, no operating system and no memory but what
 * it is given. For one context at a time: a vCPU with interrupts off, or a thread.
 */
#ifndef SLUICE_EXIT_RING_CLIENT_H
#define SLUICE_EXIT_RING_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice_exit_ring.h"

struct exit_ring_client {
	struct sluice_exit_ring *ring;
	uint32_t index; /* of the vCPU */
	/* Write `index` to SLUICE_EXIT_RING_PORT_DOORBELL. */
	void (*ring_doorbell)(uint32_t index);

	/* Its own. */
	uint32_t request_tail, request_shown;
	uint32_t request_head; /* as last seen */
	uint32_t completion_head;
	uint32_t completion_tail; /* as last seen */
	uint32_t synchronous;	  /* requests whose completion has not been taken */
};

/*
 * Begin, or go on where another kernel on this vCPU has stopped: waits for the server to take what is left in
 * the ring, and drops its completions. Returns false if the ring is not served.
 */
bool exit_ring_client_open(struct exit_ring_client *client, struct sluice_exit_ring *ring,
	uint32_t index, void (*ring_doorbell)(uint32_t index));

/*
 * Put a request in; the server sees it after exit_ring_client_show. Returns false if there is no room for it,
 * or for its completion: wait, or do without the ring.
 */
bool exit_ring_client_add(
	struct exit_ring_client *client, const struct sluice_exit_request *request);

/* Show the server what has been added, and wake it if it sleeps. */
void exit_ring_client_show(struct exit_ring_client *client);

/* The next completion, in the order of requests. Returns false if it is not there yet. */
bool exit_ring_client_take(
	struct exit_ring_client *client, struct sluice_exit_completion *completion);

/*
 * Ask for one interrupt at the next completion. Returns false if there is one already, and no interrupt
 * will come for it. Interrupts that come nevertheless are to be taken as a hint.
 */
bool exit_ring_client_want_interrupt(struct exit_ring_client *client);

/* Is the ring served? If not, requests wait for ever, and the guest has to do without it. */
bool exit_ring_client_is_served(const struct exit_ring_client *client);

/*
 * Add a synchronous request, show it, and wait for its completion; while no other is waited for.
 * Returns false if there was no room, or the ring is not served any more.
 */
bool exit_ring_client_call(struct exit_ring_client *client,
	const struct sluice_exit_request *request, struct sluice_exit_completion *completion);

#endif
