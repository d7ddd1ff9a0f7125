#include "control_ring.h"

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "../cmocka_all.h"

#define DATA_OFFSET 0x6000u
#define ANSWER_OFFSET 0x1000u /* from the data */
#define PARTS_MAX 8u

static bool has(uint64_t features, unsigned bit)
{
	return features >> bit & 1;
}

void control_ring_init(struct control_ring *control, const struct vm_memory *memory, uint64_t at,
	uint64_t features)
{
	const struct driver_ring_config config = {.size = CONTROL_RING_SIZE,
		.segments_max = PARTS_MAX + 1,
		.indirect_above =
			has(features, VIRTIO_RING_F_INDIRECT_DESC) ? 2 : DRIVER_RING_NEVER_INDIRECT,
		.is_packed = has(features, VIRTIO_F_RING_PACKED),
		.has_event_index = has(features, VIRTIO_RING_F_EVENT_IDX)};

	assert_true(driver_ring_memory_bytes(&config) <= DATA_OFFSET);
	memset(memory->host + at, 0, CONTROL_RING_BYTES);
	*control = (struct control_ring){.memory = memory, .at = at, .data_at = at + DATA_OFFSET};
	assert_int_equal(driver_ring_init(&control->ring, &config, memory->host + at, at), 0);
	driver_ring_enable_calls(&control->ring);
}

void control_ring_free(struct control_ring *control)
{
	driver_ring_free(&control->ring);
	*control = (struct control_ring){0};
}

uint64_t control_ring_address(const struct control_ring *control, const void *area)
{
	return (uint64_t)((const uint8_t *)area - control->memory->host);
}

/*
 * A packed ring's descriptor is shown by one store of eight bytes and found by two of them, an order that the
 * thread sanitizer does not see.
 */
#define ORDERED_BY_RING __attribute__((no_sanitize_thread))

static uint8_t *answer_of(const struct control_ring *control)
{
	return control->memory->host + control->data_at + ANSWER_OFFSET;
}

ORDERED_BY_RING static void forget_answer(const struct control_ring *control)
{
	*answer_of(control) = NO_ANSWER;
}

ORDERED_BY_RING static uint8_t read_answer(const struct control_ring *control)
{
	return *answer_of(control);
}

void control_ring_send(
	struct control_ring *control, const void *command, size_t bytes, size_t part_bytes)
{
	struct driver_segment segments[PARTS_MAX + 1];
	unsigned count = 0;

	memcpy(control->memory->host + control->data_at, command, bytes);
	for (size_t at = 0; at < bytes; at += part_bytes) {
		size_t part = bytes - at < part_bytes ? bytes - at : part_bytes;

		assert_true(count < PARTS_MAX);
		segments[count++] = (struct driver_segment){control->data_at + at, (uint32_t)part};
	}
	segments[count] = (struct driver_segment){control->data_at + ANSWER_OFFSET, 1};
	forget_answer(control);
	assert_int_equal(driver_ring_add(&control->ring, segments, count, 1, control), 0);
	driver_ring_publish(&control->ring);
}

void control_ring_send_pairs(struct control_ring *control, uint16_t count)
{
	const uint8_t command[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
		(uint8_t)count, (uint8_t)(count >> 8)};

	control_ring_send(control, command, sizeof command, 2);
}

uint8_t control_ring_answer(struct control_ring *control)
{
	struct driver_completion done;
	int count = driver_ring_poll(&control->ring, &done, 1);

	assert_true(count >= 0);
	if (count == 0)
		return NO_ANSWER;
	assert_int_equal(done.size_bytes, 1);
	return read_answer(control);
}
