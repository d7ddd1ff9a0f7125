#include "sidecore/message_ring.h"

#define CELL_MASK (MESSAGE_RING_CELLS - 1)

void message_ring_init(struct message_ring *ring)
{
	ring->head = 0;
	ring->tail = 0;
	for (uint64_t i = 0; i < MESSAGE_RING_CELLS; i++)
		ring->cells[i].sequence = i;
}

/* A cell is free for turn t when its sequence is t, and full for the receiver when it is t + 1. */
bool message_ring_send(struct message_ring *ring, struct message message)
{
	uint64_t turn = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);

	for (;;) {
		uint64_t *sequence = &ring->cells[turn & CELL_MASK].sequence;
		int64_t lag = (int64_t)(__atomic_load_n(sequence, __ATOMIC_ACQUIRE) - turn);

		if (lag < 0)
			return false;
		if (lag > 0)
			turn = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
		else if (__atomic_compare_exchange_n(&ring->tail, &turn, turn + 1, true,
				 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			break;
	}
	ring->cells[turn & CELL_MASK].message = message;
	__atomic_store_n(&ring->cells[turn & CELL_MASK].sequence, turn + 1, __ATOMIC_RELEASE);
	return true;
}

bool message_ring_pending(const struct message_ring *ring)
{
	const uint64_t *sequence = &ring->cells[ring->head & CELL_MASK].sequence;

	return __atomic_load_n(sequence, __ATOMIC_ACQUIRE) == ring->head + 1;
}

bool message_ring_receive(struct message_ring *ring, struct message *message)
{
	if (!message_ring_pending(ring))
		return false;
	*message = ring->cells[ring->head & CELL_MASK].message;
	__atomic_store_n(&ring->cells[ring->head & CELL_MASK].sequence,
		ring->head + MESSAGE_RING_CELLS, __ATOMIC_RELEASE);
	ring->head++;
	return true;
}
