/*
 * A guest that writes over its rings while a NIC works on them, and packets come and go. Fuzzers write
 * in between what the device does; here it may happen between any two of its loads. What must not happen
 * is seen by the sanitizers, and by queues that do not stop.
 */
#include "wire.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "net/net_private.h"

#define RING_SIZE 64u
#define DRIVER_AREA 4096u
#define DEVICE_AREA 8192u
#define TABLE_AT 12288u
#define DATA_AT 16384u
#define MEMORY_BYTES (256u << 10)
#define STARTS 600u

static struct wire wire;
static struct guest_memory guest;
/* As the guest maps it, and as the front end does: for the thread sanitizer, which would object. */
static uint8_t *memory, *front_end_memory;
static int kick_fd;
static uint32_t is_over;

static uint8_t *map(int fd)
{
	uint8_t *mapped = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_ptr_not_equal(mapped, MAP_FAILED);
	return mapped;
}

static void share_memory(void)
{
	const struct vhost_user_memory_region region = {.size_bytes = MEMORY_BYTES};
	int fd = memfd_create("guest", 0);

	assert_int_equal(ftruncate(fd, MEMORY_BYTES), 0);
	memory = map(fd);
	front_end_memory = map(fd);
	guest_memory_init(&guest);
	assert_int_equal(guest_memory_add(&guest, &region, fd, &wire.error), 0);
	close(fd);
}

/* ---- what the guest does ---- */

static void write_descriptor(uint8_t *at, unsigned seed)
{
	const uint16_t flags = (uint16_t)(seed % 8 | (seed >> 3 & 1) << 7 | (seed >> 4 & 1) << 15);
	const struct vring_desc split = {DATA_AT + seed % (MEMORY_BYTES - DATA_AT + 4096),
		seed >> 5 & 4095, flags, (uint16_t)(seed >> 7 & (2 * RING_SIZE - 1))};
	const struct vring_packed_desc packed = {split.addr, split.len, split.next, flags};

	memcpy(at, seed >> 17 & 1 ? (const void *)&split : &packed, sizeof split);
}

static void scribble_on_ring(unsigned place, unsigned seed)
{
	write_descriptor(memory + place % RING_SIZE * 16, seed);
}

static void scribble_on_table(unsigned place, unsigned seed)
{
	write_descriptor(memory + TABLE_AT + place % 64 * 16, seed);
}

static void offer_more(unsigned place, unsigned seed)
{
	struct vring_avail *available = (void *)(memory + DRIVER_AREA);

	available->ring[place % RING_SIZE] = (uint16_t)(seed % RING_SIZE);
	__atomic_fetch_add(&available->idx, 1 + seed % 3, __ATOMIC_RELEASE);
}

static void kick(unsigned place, unsigned seed)
{
	const uint64_t one = 1;

	/* A full eventfd is as good as one that has been rung. */
	if (write(kick_fd, &one, sizeof one) < 0)
		return;
}

static void send_frame(unsigned place, unsigned seed)
{
	static uint8_t frame[1500];

	/* A full queue is fine. */
	if (send(wire.socket, frame, 60 + place % 1400, MSG_DONTWAIT) < 0)
		return;
}

static void rest(unsigned place, unsigned seed)
{
	usleep(20);
}

static void *scribble(void *argument)
{
	static void (*const ways[])(unsigned place, unsigned seed) = {scribble_on_ring,
		scribble_on_ring, scribble_on_table, offer_more, offer_more, kick, send_frame,
		rest};
	unsigned seed = 1;

	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		unsigned way = (unsigned)rand_r(&seed) % (sizeof ways / sizeof *ways);
		unsigned place = (unsigned)rand_r(&seed);

		ways[way](place, (unsigned)rand_r(&seed));
	}
	return NULL;
}

/* ---- the front end ---- */

/* Each bit of `variant` is another thing to choose. */
static void serve_for_a_while(unsigned variant)
{
	const struct virtqueue_setup setup = {.size = RING_SIZE,
		.is_packed = variant & 1,
		.has_event_index = variant & 2,
		.driver_address = DRIVER_AREA,
		.device_address = DEVICE_AREA,
		.base = variant & 1 ? 0x80008000 : 0,
		.memory = &guest};
	const struct vhost_user_bells bells = {variant & 4 ? -1 : kick_fd, -1, -1};
	const unsigned queue = variant >> 3 & 1;
	struct error error;

	memset(front_end_memory, 0, variant & 16 ? 64 : TABLE_AT);
	for (unsigned i = 0; i < RING_SIZE; i++)
		write_descriptor(front_end_memory + i * 16,
			DATA_AT + 4096 * (i % 8) + (queue ? 0 : 2) + 8 + (200u << 5));
	wire.device->is_mergeable = variant & 32;
	if (net_queue_start(wire.device, queue, &setup, &bells, &error) < 0)
		return;
	usleep(variant * 37 % 1000);
	net_queue_stop(wire.device, queue);
}

static void a_guest_that_changes_everything_at_any_time_harms_nobody(void **state)
{
	pthread_t thread;

	wire_open(&wire, 1);
	share_memory();
	kick_fd = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(pthread_create(&thread, NULL, scribble, NULL), 0);
	for (unsigned variant = 0; variant < STARTS; variant++)
		serve_for_a_while(variant);
	__atomic_store_n(&is_over, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(wire_statistics(&wire).receive_packets > 0);
	assert_true(wire_statistics(&wire).transmit_packets +
			    wire_statistics(&wire).transmit_drops_malformed >
		    0);
	close(kick_fd);
	guest_memory_clear(&guest);
	munmap(memory, MEMORY_BYTES);
	munmap(front_end_memory, MEMORY_BYTES);
	wire_close(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_changes_everything_at_any_time_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
