/*
 * A bounded ring of messages from any number of threads to one.
 *
 * Theory of operation: every cell carries a sequence number that says whose turn it is (Vyukov's
 * bounded queue). A sender claims a cell by advancing `tail`, fills it, and publishes it by setting
 * its sequence; the receiver alone advances `head`. No locks, no allocation, and a sender that is
 * descheduled between claiming and publishing delays only the messages behind its own.
 */
#ifndef SLUICE_SIDECORE_MESSAGE_RING_H
#define SLUICE_SIDECORE_MESSAGE_RING_H

#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_RING_CELLS 256u /* a power of two */

/* "Call this function with this argument": all that one thread needs to say to another. */
struct message {
	void (*function)(void *argument);
	void *argument;
};

struct message_ring {
	_Alignas(64) uint64_t tail;
	_Alignas(64) uint64_t head;
	_Alignas(64) struct {
		uint64_t sequence;
		struct message message;
	} cells[MESSAGE_RING_CELLS];
};

void message_ring_init(struct message_ring *ring);

/* From any thread. Returns false if the ring is full. */
bool message_ring_send(struct message_ring *ring, struct message message);

/* From the receiving thread only. Returns false if the ring is empty. */
bool message_ring_receive(struct message_ring *ring, struct message *message);

/* From the receiving thread only: is there something to receive? */
bool message_ring_pending(const struct message_ring *ring);

#endif
