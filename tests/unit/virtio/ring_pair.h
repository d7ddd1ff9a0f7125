/* Both sides of a virtqueue over one shared memory, as a driver and a device have it. */
#ifndef SLUICE_TESTS_RING_PAIR_H
#define SLUICE_TESTS_RING_PAIR_H

#include "../cmocka_all.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "virtio/driver_ring.h"
#include "virtio/inflight.h"
#include "virtio/virtqueue.h"

#define PAIR_MEMORY_BYTES (1u << 20)
#define PAIR_BUFFERS (512u << 10) /* from here on: buffers */

struct ring_pair {
	int fd;
	uint8_t *memory; /* the driver's mapping */
	struct guest_memory guest;
	struct driver_ring driver;
	struct virtqueue device;
	struct virtqueue_setup setup;
	void *inflight;
};

static inline void pair_open(struct ring_pair *pair, uint16_t size, bool is_packed,
	bool has_event_index, bool is_indirect)
{
	const struct driver_ring_config config = {.size = size,
		.segments_max = size < 8 ? size : 8,
		.indirect_above = is_indirect ? 0 : DRIVER_RING_NEVER_INDIRECT,
		.is_packed = is_packed,
		.has_event_index = has_event_index};
	struct vhost_user_memory_region region = {.size_bytes = PAIR_MEMORY_BYTES};
	struct error error;

	memset(pair, 0, sizeof *pair);
	pair->fd = memfd_create("pair", 0);
	assert_int_equal(ftruncate(pair->fd, PAIR_MEMORY_BYTES), 0);
	pair->memory =
		mmap(NULL, PAIR_MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, pair->fd, 0);
	region.user_address = (uint64_t)(uintptr_t)pair->memory;
	guest_memory_init(&pair->guest);
	assert_int_equal(guest_memory_add(&pair->guest, &region, pair->fd, &error), 0);
	assert_int_equal(driver_ring_init(&pair->driver, &config, pair->memory, 0), 0);
	pair->setup = (struct virtqueue_setup){
		.size = size,
		.is_packed = is_packed,
		.has_event_index = has_event_index,
		.descriptor_address = (uint64_t)(uintptr_t)pair->driver.descriptor_area,
		.driver_address = (uint64_t)(uintptr_t)pair->driver.driver_area,
		.device_address = (uint64_t)(uintptr_t)pair->driver.device_area,
		.base = driver_ring_base(&pair->driver),
		.memory = &pair->guest,
	};
}

static inline void pair_attach(struct ring_pair *pair)
{
	struct error error;

	pair->setup.inflight = pair->inflight;
	pair->setup.inflight_bytes = inflight_queue_bytes(pair->setup.is_packed, pair->setup.size);
	assert_int_equal(virtqueue_attach(&pair->device, &pair->setup, &error), 0);
}

static inline void pair_track(struct ring_pair *pair)
{
	pair->inflight = calloc(1, inflight_queue_bytes(pair->setup.is_packed, pair->setup.size));
}

static inline void pair_close(struct ring_pair *pair)
{
	guest_memory_clear(&pair->guest);
	driver_ring_free(&pair->driver);
	free(pair->inflight);
	munmap(pair->memory, PAIR_MEMORY_BYTES);
	close(pair->fd);
}

/* Make a chain of one readable and one writable buffer available; its token is `number`. */
static inline int pair_add(struct ring_pair *pair, uintptr_t number)
{
	const struct driver_segment segments[] = {{PAIR_BUFFERS + number % 256 * 64, 16},
		{PAIR_BUFFERS + 65536 + number % 256 * 64, 8}};

	memcpy(pair->memory + segments[0].guest_address, &number, sizeof number);
	return driver_ring_add(&pair->driver, segments, 1, 1, (void *)(number + 1));
}

/* The number that a popped chain carries. */
static inline uintptr_t pair_number(const struct descriptor_chain *chain)
{
	uintptr_t number;

	memcpy(&number, chain->segments[0].iov_base, sizeof number);
	return number;
}

#endif
