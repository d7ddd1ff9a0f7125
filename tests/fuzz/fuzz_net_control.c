/*
 * A hostile driver of a NIC's control queue: the first byte chooses the ring's format, the rest is a script that
 * sends commands, sound ones or any, in any segments, and scribbles over the ring.
 *
 * Whatever it is, there is a number of pairs that can be, a command is answered with one byte which says whether it
 * was obeyed, and nothing of the guest's memory changes but that byte and what is the device's of the ring.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "virtio/driver_ring.h"
#include "vmm/pci/net_control.h"

#define MEMORY_BYTES (2u << 20)
#define PAIRS 3u
#define RING_SIZE 16u
#define RING_BYTES 0x4000u
#define DATA_AT RING_BYTES
#define DATA_BYTES 0x1000u /* beyond it nothing is the driver's to point at, or so it says */
#define SEGMENTS_MAX 6u
#define ACTIONS_MAX 100u

static struct vm_memory memory;
static struct driver_ring ring;
static struct net_control control;
static uint8_t before[DATA_BYTES];

/* ---- the driver ---- */

static void open_ring(uint8_t options)
{
	const struct driver_ring_config config = {.size = RING_SIZE,
		.segments_max = SEGMENTS_MAX,
		.indirect_above = options & 1 ? 1 : DRIVER_RING_NEVER_INDIRECT,
		.is_packed = options & 2,
		.has_event_index = options & 4};

	memset(memory.host, 0, RING_BYTES + DATA_BYTES);
	if (driver_ring_memory_bytes(&config) > RING_BYTES ||
		driver_ring_init(&ring, &config, memory.host, 0) < 0)
		abort();
}

static void begin(uint8_t options)
{
	struct virtio_pci_ring rings[2 * PAIRS + 1] = {0};
	const struct net_control_setup setup = {
		.features = 1ull << VIRTIO_NET_F_CTRL_VQ |
			    (options & 2 ? 1ull << VIRTIO_F_RING_PACKED : 0) |
			    (options & 4 ? 1ull << VIRTIO_RING_F_EVENT_IDX : 0) |
			    (options & 8 ? 0 : 1ull << VIRTIO_NET_F_MQ),
		.pair_count_max = PAIRS,
		.rings = rings,
		.memory = &memory};
	struct error error;

	open_ring(options);
	rings[net_control_index(setup.features, PAIRS)] = (struct virtio_pci_ring){
		.is_enabled = true,
		.size = RING_SIZE,
		.descriptors = ring.descriptor_area,
		.driver = ring.driver_area,
		.device = ring.device_area,
		.kick_fd = -1,
	};
	if (net_control_begin(&control, &setup, &error) < 0 || control.pair_count != 1)
		abort();
}

static void fill_in(struct script *script)
{
	const uint8_t command[] = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET,
		(uint8_t)next_choice(script, PAIRS + 2), 0};

	memcpy(memory.host + DATA_AT, command, sizeof command);
	if (next_u8(script) % 4 == 0)
		memory.host[DATA_AT + next_choice(script, 8)] = next_u8(script);
}

static void send(struct script *script)
{
	struct driver_segment segments[SEGMENTS_MAX];
	const unsigned readable = next_choice(script, SEGMENTS_MAX);
	const unsigned writable = next_choice(script, SEGMENTS_MAX - readable) + 1;

	fill_in(script);
	for (unsigned i = 0; i < readable + writable && i < SEGMENTS_MAX; i++)
		segments[i] = (struct driver_segment){
			DATA_AT + next_u8(script) % 16, next_u8(script) % 8};
	if (readable + writable <= SEGMENTS_MAX)
		driver_ring_add(&ring, segments, readable, writable, &ring);
	driver_ring_publish(&ring);
}

static void send_sound_command(struct script *script)
{
	const struct driver_segment segments[] = {
		{DATA_AT, 2}, {DATA_AT + 2, 2}, {DATA_AT + 64, 1}};

	fill_in(script);
	driver_ring_add(&ring, segments, 2, 1, &ring);
	driver_ring_publish(&ring);
}

static void collect(struct script *script)
{
	struct driver_completion done[RING_SIZE];

	driver_ring_poll(&ring, done, RING_SIZE);
}

static void scribble(struct script *script)
{
	memory.host[next_u16(script) % RING_BYTES] = next_u8(script);
}

/* ---- the device ---- */

static void check_answer(const struct iovec *answer)
{
	const uint64_t at = (uint64_t)((uint8_t *)answer->iov_base - memory.host);

	if (at >= MEMORY_BYTES || answer->iov_len > MEMORY_BYTES - at)
		abort();
	/* What a scribbled descriptor puts into the ring, the ring writes over when it says that it is used. */
	if (at >= RING_BYTES && *(uint8_t *)answer->iov_base > VIRTIO_NET_ERR)
		abort();
	if (at >= DATA_AT && at < DATA_AT + DATA_BYTES)
		before[at - DATA_AT] = memory.host[at];
}

static void serve(struct script *script)
{
	int taken = 0;

	memcpy(before, memory.host + DATA_AT, DATA_BYTES);
	for (unsigned i = 0; i < 2 * RING_SIZE && (taken = net_control_take(&control)) == 1; i++) {
		if (control.pair_count == 0 || control.pair_count > PAIRS)
			abort();
		if (control.pair_count_max == 0 && control.pair_count != 1)
			abort();
		net_control_answer(&control);
		check_answer(&control.chain.segments[control.chain.readable_count]);
	}
	if (taken < 0 && !control.queue.broken)
		abort();
	net_control_wait(&control);
	net_control_needs_call(&control);
	if (memcmp(before, memory.host + DATA_AT, DATA_BYTES) != 0)
		abort();
}

static void (*const actions[])(struct script *script) = {
	send,
	send_sound_command,
	send_sound_command,
	collect,
	scribble,
	serve,
	serve,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vm_memory_config config = {
		.size_bytes = MEMORY_BYTES, .huge_pages = HUGE_PAGES_NEVER};
	struct script script = {data, size};
	struct error error;

	if (!memory.host && vm_memory_create(&memory, &config, &error) < 0)
		abort();
	begin(next_u8(&script));
	for (unsigned i = 0; i < ACTIONS_MAX && script.left; i++)
		actions[next_choice(&script, sizeof actions / sizeof *actions)](&script);
	serve(&script);
	driver_ring_free(&ring);
	return 0;
}
