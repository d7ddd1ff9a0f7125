/* A driver's end of a NIC's control queue: one command at a time, in the guest's memory from `at` on. */
#ifndef SLUICE_TESTS_CONTROL_RING_H
#define SLUICE_TESTS_CONTROL_RING_H

#include "virtio/driver_ring.h"
#include "vmm/vm_memory.h"

#define CONTROL_RING_SIZE 16u
#define CONTROL_RING_BYTES 0x8000u /* of the guest's memory */
#define NO_ANSWER 0xeeu

struct control_ring {
	struct driver_ring ring;
	const struct vm_memory *memory;
	uint64_t at, data_at;
};

/* An empty one; `features` of virtio's decide its format. */
void control_ring_init(struct control_ring *control, const struct vm_memory *memory, uint64_t at,
	uint64_t features);
void control_ring_free(struct control_ring *control);

uint64_t control_ring_address(const struct control_ring *control, const void *area);

/* Make a command available, as segments of `part_bytes` and a byte for the answer. */
void control_ring_send(
	struct control_ring *control, const void *command, size_t bytes, size_t part_bytes);
void control_ring_send_pairs(struct control_ring *control, uint16_t count);

/* What it was answered with; NO_ANSWER: with nothing yet. */
uint8_t control_ring_answer(struct control_ring *control);

#endif
