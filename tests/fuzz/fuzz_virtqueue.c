/*
 * The device's side of a ring against a driver and a front end that do anything. The first bytes choose
 * format, size, base and whether there are an in-flight region and a dirty log; the rest is a script of
 * operations on the ring's memory, the region and the queue.
 *
 * The memory is two regions with a hole between them. All rings lie in the first one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "script.h"
#include "virtio/inflight.h"
#include "virtio/virtqueue.h"

#define REGION_BYTES 32768u
#define SECOND_REGION (REGION_BYTES * 2) /* guest address */
#define DRIVER_AREA 4096u
#define DEVICE_AREA 8192u

static struct guest_memory guest;
static int log_fd;

static struct virtqueue_setup setup;
static struct virtqueue queue;
static bool is_attached;
static struct descriptor_chain chains[VIRTQUEUE_SIZE_MAX];
static unsigned popped;
static uint16_t next_offer;

/* Mostly addresses that exist. */
static uint64_t next_address(struct script *script)
{
	uint64_t address = next_u16(script);

	return address < REGION_BYTES ? address : address + REGION_BYTES - 64;
}

/* ---- the driver and the front end ---- */

static uint8_t *ring_memory(void)
{
	return guest.regions[0].host;
}

static void write_word(struct script *script)
{
	uint16_t where = next_u16(script) % (REGION_BYTES - 1);
	uint16_t value = next_u16(script);

	memcpy(ring_memory() + where, &value, sizeof value);
}

/* Into the ring or, at other offsets, where a table may be. */
static void write_descriptor(struct script *script)
{
	uint16_t where = next_u16(script) % (REGION_BYTES - DESCRIPTOR_BYTES);
	struct vring_desc descriptor = {.addr = next_address(script), .len = next_u16(script)};
	uint16_t flags = next_u8(script), next = next_u8(script);

	if (where % 4)
		where = (uint16_t)(where % setup.size * DESCRIPTOR_BYTES);
	descriptor.flags = setup.is_packed ? next : flags;
	descriptor.next = setup.is_packed ? (uint16_t)(flags | next << 8) : next;
	memcpy(ring_memory() + where, &descriptor, sizeof descriptor);
}

static void offer_packed(void)
{
	struct vring_packed_desc *descriptors = (void *)ring_memory();
	uint16_t slot = next_offer % setup.size;
	bool wrap = next_offer / setup.size % 2 == 0;

	descriptors[slot].flags &=
		(uint16_t) ~(1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED);
	descriptors[slot].flags |=
		(uint16_t)(1u << (wrap ? VRING_PACKED_DESC_F_AVAIL : VRING_PACKED_DESC_F_USED));
	next_offer++;
}

static void offer(struct script *script)
{
	struct vring_avail *available = (void *)(ring_memory() + DRIVER_AREA);
	uint8_t head = next_u8(script);

	if (setup.is_packed) {
		offer_packed();
	} else {
		available->ring[available->idx & (setup.size - 1)] = head;
		available->idx++;
	}
}

static void scribble(struct script *script)
{
	uint16_t where = next_u16(script);
	uint16_t value = next_u16(script);

	if (setup.inflight)
		memcpy((uint8_t *)setup.inflight +
				where % (inflight_queue_bytes(setup.is_packed, setup.size) - 1),
			&value, sizeof value);
}

/* ---- the device ---- */

static void attach(struct script *script)
{
	is_attached = virtqueue_attach(&queue, &setup, NULL) == 0;
	popped = 0;
}

static void touch(const struct descriptor_chain *chain)
{
	for (unsigned i = 0; i < chain->readable_count + chain->writable_count; i++) {
		volatile uint8_t *bytes = chain->segments[i].iov_base;

		if (chain->segments[i].iov_len == 0)
			abort();
		(void)bytes[0];
		(void)bytes[chain->segments[i].iov_len - 1];
	}
}

static void pop(struct script *script)
{
	if (virtqueue_pop(&queue, &chains[popped]) != 1)
		return;
	touch(&chains[popped++]);
	if (popped > setup.size || popped != queue.in_flight)
		abort();
}

static void push(struct script *script)
{
	uint8_t index = next_u8(script);

	if (popped == 0)
		return;
	index = (uint8_t)(index % popped);
	virtqueue_push(&queue, &chains[index], next_u16(script));
	chains[index] = chains[--popped];
}

static void publish(struct script *script)
{
	virtqueue_publish(&queue);
	virtqueue_needs_call(&queue);
	virtqueue_settle_call(&queue);
}

static void notify(struct script *script)
{
	virtqueue_disable_kicks(&queue);
	virtqueue_enable_kicks(&queue);
	(void)virtqueue_base(&queue);
}

static const struct {
	bool needs_queue;
	void (*run)(struct script *script);
} operations[] = {
	{false, write_word},
	{false, write_descriptor},
	{false, write_descriptor},
	{false, offer},
	{false, offer},
	{false, scribble},
	{false, attach},
	{true, pop},
	{true, pop},
	{true, push},
	{true, publish},
	{true, notify},
};

/* ---- one run ---- */

static void map_once(void)
{
	struct vhost_user_memory_region region = {.size_bytes = REGION_BYTES};
	int fd = memfd_create("fuzz", 0);

	log_fd = memfd_create("log", 0);
	if (ftruncate(fd, 2 * REGION_BYTES) < 0 || ftruncate(log_fd, 4096) < 0)
		abort();
	if (guest_memory_add(&guest, &region, fd, NULL) < 0)
		abort();
	region.guest_address = region.user_address = SECOND_REGION;
	region.mmap_offset = REGION_BYTES;
	if (guest_memory_add(&guest, &region, fd, NULL) < 0)
		abort();
	close(fd);
}

static void add_inflight_region(void)
{
	setup.inflight_bytes = inflight_queue_bytes(setup.is_packed, setup.size);
	setup.inflight = calloc(1, setup.inflight_bytes);
}

static void choose_setup(struct script *script)
{
	uint8_t options = next_u8(script);
	uint8_t size = next_u8(script);

	setup = (struct virtqueue_setup){
		.is_packed = options & 1,
		.has_event_index = options & 2,
		.logs_used_ring = options & 4,
		.size = options & 1 ? size % 100 + 1 : 1u << size % 8,
		.driver_address = DRIVER_AREA,
		.device_address = DEVICE_AREA,
		.base = options & 8 ? next_u16(script) | (uint32_t)next_u16(script) << 16
				    : (options & 1 ? 0x80008000 : 0),
		.log_address = options & 16 ? UINT64_MAX - 100 : DEVICE_AREA,
		.memory = &guest,
	};
	if (options & 32)
		add_inflight_region();
	if (options & 64)
		dirty_log_map(&guest.log, log_fd, 8, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script script = {data, size};

	if (!guest.region_count)
		map_once();
	memset(ring_memory(), 0, REGION_BYTES);
	next_offer = 0;
	choose_setup(&script);
	attach(&script);
	while (script.left) {
		unsigned i = next_u8(&script) % (sizeof operations / sizeof *operations);

		if (is_attached || !operations[i].needs_queue)
			operations[i].run(&script);
	}
	free(setup.inflight);
	dirty_log_unmap(&guest.log);
	return 0;
}
