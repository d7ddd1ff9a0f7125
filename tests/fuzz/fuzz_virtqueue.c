/*
 * The device's side of a ring against arbitrary guest memory. The first bytes choose the format and
 * whether there is an in-flight region; the rest is a script that writes into the ring's memory and
 * the region, and pops, pushes, publishes and attaches again in between.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/inflight.h"
#include "virtio/virtqueue.h"

#define MEMORY_BYTES 65536u
#define RING_SIZE 16u

static struct guest_memory guest;
static uint8_t *memory;
static struct virtqueue queue;
static struct descriptor_chain chains[VIRTQUEUE_SIZE_MAX];

static void map_once(void)
{
	int fd = memfd_create("fuzz", 0);
	struct vhost_user_memory_region region = {.size_bytes = MEMORY_BYTES};

	if (ftruncate(fd, MEMORY_BYTES) < 0 || guest_memory_add(&guest, &region, fd, NULL) < 0)
		abort();
	memory = guest.regions[0].host;
	close(fd);
}

static void touch(const struct descriptor_chain *chain)
{
	for (unsigned i = 0; i < chain->readable_count + chain->writable_count; i++) {
		volatile uint8_t *bytes = chain->segments[i].iov_base;

		(void)bytes[0];
		(void)bytes[chain->segments[i].iov_len - 1];
	}
}

/* One step: a byte that says what, two bytes of where, one of value. */
static void step(const uint8_t *bytes, const struct virtqueue_setup *setup, unsigned *popped)
{
	uint16_t where = (uint16_t)(bytes[1] | bytes[2] << 8);
	size_t region_bytes = inflight_queue_bytes(setup->is_packed, setup->size);

	if (bytes[0] < 96) {
		memory[where] = bytes[3];
	} else if (bytes[0] < 128 && setup->inflight) {
		((uint8_t *)setup->inflight)[where % region_bytes] = bytes[3];
	} else if (bytes[0] < 192) {
		if (virtqueue_pop(&queue, &chains[*popped]) == 1)
			touch(&chains[(*popped)++]);
	} else if (bytes[0] < 240 && *popped) {
		virtqueue_push(&queue, &chains[--*popped], where);
	} else if (bytes[0] < 252) {
		virtqueue_publish(&queue);
		virtqueue_needs_call(&queue);
		virtqueue_enable_kicks(&queue);
	} else if (virtqueue_attach(&queue, setup, NULL) == 0) {
		*popped = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct virtqueue_setup setup = {.size = RING_SIZE,
		.descriptor_address = 0,
		.driver_address = 1024,
		.device_address = 2048,
		.memory = &guest};
	unsigned popped = 0;

	if (!memory)
		map_once();
	if (size < 5)
		return 0;
	memset(memory, 0, MEMORY_BYTES);
	setup.is_packed = data[0] & 1;
	setup.has_event_index = data[0] & 2;
	memcpy(&setup.base, data + 1, sizeof setup.base);
	if (data[0] & 4)
		setup.inflight = calloc(1, inflight_queue_bytes(setup.is_packed, RING_SIZE));
	if (virtqueue_attach(&queue, &setup, NULL) == 0)
		for (size_t at = 5; at + 4 <= size && popped < VIRTQUEUE_SIZE_MAX; at += 4)
			step(data + at, &setup, &popped);
	free(setup.inflight);
	return 0;
}
