/*
 * What a hostile guest puts into the sound rings of a NIC, and packets that come meanwhile: the first
 * byte chooses the rings; the rest is a script. The tap is a pair of sockets, which keep packets apart
 * as a tap does.
 *
 * Whatever they are, every chain comes back once, what the tap gets is what the guest has sent, what the
 * guest gets is what the tap has sent, and nothing else of the guest's memory changes but buffers that it has lent.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_private.h"
#include "script.h"
#include "sidecore_here.h"
#include "virtio/driver_ring.h"

#define RING_SIZE 32u
#define SEGMENTS_MAX 8u
#define RING_BYTES (64u << 10) /* of each */
#define DATA_AT (2 * RING_BYTES)
#define DATA_BYTES (128u << 10)
#define HEADER_BYTES (uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define RECEIVE 0u
#define TRANSMIT 1u

static struct net_device device;
static struct guest_memory guest;
static uint8_t *memory;
static uint8_t expected[DATA_BYTES];
static int wire = -1; /* the tap's other end */
static struct driver_ring rings[2];
static struct virtqueue_setup setups[2];
static bool is_started[2];

/* A chain that is on its way. */
struct plan {
	struct driver_segment segments[SEGMENTS_MAX];
	unsigned count;
	bool is_lent; /* the device has it */
};
static struct plan plans[2][RING_SIZE];
static unsigned next_plan[2];

/* ---- the rings ---- */

static void open_ring(unsigned queue, uint8_t options)
{
	const struct driver_ring_config config = {.size = RING_SIZE,
		.segments_max = SEGMENTS_MAX,
		.indirect_above = options & 1 ? 1 : DRIVER_RING_NEVER_INDIRECT,
		.is_packed = options & 2,
		.has_event_index = options & 4};
	uint8_t *start = memory + queue * RING_BYTES;

	if (driver_ring_memory_bytes(&config) > RING_BYTES ||
		driver_ring_init(&rings[queue], &config, start, queue * RING_BYTES) < 0)
		abort();
	setups[queue] = (struct virtqueue_setup){
		.size = RING_SIZE,
		.is_packed = options & 2,
		.has_event_index = options & 4,
		.memory = &guest,
		.descriptor_address = (uint64_t)((uint8_t *)rings[queue].descriptor_area - memory),
		.driver_address = (uint64_t)((uint8_t *)rings[queue].driver_area - memory),
		.device_address = (uint64_t)((uint8_t *)rings[queue].device_area - memory),
		.base = driver_ring_base(&rings[queue]),
	};
}

static void start(unsigned queue)
{
	const struct vhost_user_bells no_bells = {-1, -1, -1};

	is_started[queue] = net_queue_start(&device, queue, &setups[queue], &no_bells, NULL) == 0;
	if (!is_started[queue])
		abort();
}

/* A stopped queue has let go of everything: its base is where the driver's completions are. */
static void stop(unsigned queue)
{
	setups[queue].base = net_queue_stop(&device, queue);
	is_started[queue] = false;
}

/* ---- the guest ---- */

/* Copies its own memory as it is now, which is what is expected of it from then on. */
static void take_over(const struct plan *plan, uint32_t size_bytes)
{
	for (unsigned i = 0; i < plan->count && size_bytes; i++) {
		uint64_t at = plan->segments[i].guest_address - DATA_AT;
		uint32_t part = plan->segments[i].size_bytes;

		if (part > size_bytes)
			part = size_bytes;
		memcpy(expected + at, memory + DATA_AT + at, part);
		size_bytes -= part;
	}
}

static void collect(unsigned queue)
{
	struct driver_completion done[RING_SIZE];
	struct plan *plan;
	int count = driver_ring_poll(&rings[queue], done, RING_SIZE);

	if (count < 0)
		abort();
	for (int i = 0; i < count; i++) {
		if (queue == TRANSMIT && done[i].size_bytes)
			abort();
		plan = done[i].token;
		plan->is_lent = false;
		take_over(plan, done[i].size_bytes);
	}
}

/* A packet that waits for more buffers, or that turned out too large, may have been put into these already. */
static void take_over_what_is_lent(void)
{
	for (unsigned i = 0; i < RING_SIZE; i++)
		if (plans[RECEIVE][i].is_lent)
			take_over(&plans[RECEIVE][i], UINT32_MAX);
}

static void run(void)
{
	sidecore_here_run();
	take_over_what_is_lent();
	collect(RECEIVE);
	collect(TRANSMIT);
	if (memcmp(memory + DATA_AT, expected, DATA_BYTES) != 0)
		abort();
}

/* Chains have the memory of their place in the ring to themselves. */
static void add(struct script *script, unsigned queue)
{
	const unsigned number = next_plan[queue];
	struct plan *plan = &plans[queue][number];
	uint64_t at = DATA_AT + (queue * RING_SIZE + number) * (DATA_BYTES / 2 / RING_SIZE);
	uint32_t left_bytes = DATA_BYTES / 2 / RING_SIZE;

	if (rings[queue].in_flight == RING_SIZE || rings[queue].free_descriptors < SEGMENTS_MAX)
		return;
	plan->count = 1 + next_choice(script, SEGMENTS_MAX);
	for (unsigned i = 0; i < plan->count; i++) {
		uint32_t size_bytes = 1 + next_u16(script) % (left_bytes / 2);

		plan->segments[i] = (struct driver_segment){at, size_bytes};
		at += size_bytes;
		left_bytes -= size_bytes;
	}
	if (driver_ring_add(&rings[queue], plan->segments, queue == TRANSMIT ? plan->count : 0,
		    queue == TRANSMIT ? 0 : plan->count, plan) < 0)
		return;
	plan->is_lent = true;
	next_plan[queue] = (number + 1) % RING_SIZE;
}

static void add_receive(struct script *script)
{
	if (rings[RECEIVE].in_flight < RING_SIZE / 2)
		add(script, RECEIVE);
}

static void add_transmit(struct script *script)
{
	if (rings[TRANSMIT].in_flight < RING_SIZE / 2)
		add(script, TRANSMIT);
}

static void write_header(struct script *script)
{
	size_t at = DATA_BYTES / 2 + next_u8(script) % RING_SIZE * (DATA_BYTES / 2 / RING_SIZE);

	for (unsigned i = 0; i < HEADER_BYTES; i++)
		memory[DATA_AT + at + i] = expected[at + i] = next_u8(script);
}

static void publish(struct script *script)
{
	for (unsigned queue = 0; queue < 2; queue++) {
		driver_ring_publish(&rings[queue]);
		/* What would be a kick. */
		served_queue_wake(queue == TRANSMIT ? &device.pairs[0].transmit.served
						    : &device.pairs[0].receive.served);
	}
	run();
}

/* ---- the wire ---- */

static void send_packet(struct script *script)
{
	static uint8_t packet[TAP_FRAME_BYTES_MAX];
	size_t size_bytes = next_u16(script) % 4000;

	memset(packet, next_u8(script), size_bytes);
	/* A full socket is a full tap. */
	if (send(wire, packet, size_bytes, MSG_DONTWAIT) < 0)
		return;
	run();
}

static void hear(struct script *script)
{
	static uint8_t packet[TAP_FRAME_BYTES_MAX];
	ssize_t size_bytes;

	while ((size_bytes = recv(wire, packet, sizeof packet, MSG_DONTWAIT)) >= 0)
		if (size_bytes < (ssize_t)(HEADER_BYTES + ETH_HLEN))
			abort();
}

static void restart(struct script *script)
{
	unsigned queue = next_choice(script, 2);
	bool is_broken = (queue == TRANSMIT ? &device.pairs[0].transmit.served
					    : &device.pairs[0].receive.served)
				 ->virtqueue.broken;

	stop(queue);
	run();
	if (rings[queue].in_flight && queue == TRANSMIT && !is_broken && !rings[queue].added)
		abort();
	start(queue);
}

/* ---- one run ---- */

static void set_up_once(void)
{
	const struct sidecore_config config = {.name = "here", .cpu = SIDECORE_NOT_PINNED};
	const struct vhost_user_memory_region region = {.size_bytes = DATA_AT + DATA_BYTES};
	int file = memfd_create("fuzz", 0);
	struct sidecore *sidecore;
	uint64_t available_bytes;

	if (sidecore_start(&config, &sidecore, NULL) < 0 ||
		ftruncate(file, DATA_AT + DATA_BYTES) < 0 ||
		guest_memory_add(&guest, &region, file, NULL) < 0)
		abort();
	close(file);
	memory = guest_memory_span(&guest, 0, &available_bytes);
	served_device_init(&device.served, sidecore);
	device.tap.io_flags = RWF_NOWAIT;
	device.header_bytes = HEADER_BYTES;
	device.config.pair_count = 1;
}

static void reset(uint8_t options)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		abort();
	device.tap.fds[0] = ends[0];
	wire = ends[1];
	device.is_mergeable = options & 8;
	memset(memory, 0, DATA_AT + DATA_BYTES);
	memset(expected, 0, DATA_BYTES);
	memset(plans, 0, sizeof plans);
	next_plan[RECEIVE] = next_plan[TRANSMIT] = 0;
	for (unsigned queue = 0; queue < 2; queue++) {
		open_ring(queue, options);
		start(queue);
	}
}

static void finish(void)
{
	for (unsigned queue = 0; queue < 2; queue++) {
		stop(queue);
		run();
		driver_ring_free(&rings[queue]);
	}
	close(device.tap.fds[0]);
	close(wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static void (*const operations[])(struct script * script) = {add_receive, add_receive,
		add_transmit, add_transmit, write_header, publish, send_packet, hear, restart};
	struct script script = {bytes, size};

	if (!memory)
		set_up_once();
	reset(next_u8(&script));
	while (script.left)
		operations[next_choice(&script, sizeof operations / sizeof *operations)](&script);
	publish(&script);
	hear(&script);
	finish();
	return 0;
}
