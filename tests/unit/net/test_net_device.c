/* NICs as a driver and a wire meet them: through a vhost-user socket and a tap, on a real sidecore. */
#include "wire.h"

#include <sys/mman.h>

#include "base/counter.h"
#include "net/net_private.h"

#define SPLIT 0ull
#define PACKED FEATURE(VIRTIO_F_RING_PACKED)
#define EVENTS FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define MERGEABLE FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define LOG_BYTES 4096u /* a bit per page: 128 MiB */

static const uint64_t ring_kinds[] = {
	SPLIT, SPLIT | EVENTS | INDIRECT, PACKED, PACKED | EVENTS | INDIRECT};
#define RING_KINDS (sizeof ring_kinds / sizeof *ring_kinds)

static struct wire wire;
static uint8_t frame[65536];

static void assert_frame(const uint8_t *bytes, size_t size_bytes, uint8_t mark)
{
	wire_fill(frame, size_bytes, mark);
	assert_memory_equal(bytes, frame, size_bytes);
}

/* ---- transmitting ---- */

static void what_the_guest_transmits_is_on_the_wire_in_order(void **state)
{
	uint8_t heard[2048];

	wire_open(&wire, 1);
	for (unsigned kind = 0; kind < RING_KINDS; kind++) {
		wire_attach(&wire, ring_kinds[kind]);
		for (uint8_t i = 0; i < 200; i++) {
			wire_transmit(&wire, 60 + i, i);
			assert_int_equal(wire_hear(&wire, heard, sizeof heard), 60 + i);
			assert_frame(heard, 60 + i, i);
		}
		vhost_user_frontend_close(&wire.frontend);
	}
	assert_int_equal(wire_statistics(&wire).transmit_packets, 200 * RING_KINDS);
	wire_close(&wire);
}

static void what_is_no_packet_is_dropped_and_counted(void **state)
{
	uint8_t heard[2048];
	uint8_t *packet;

	wire_open(&wire, 1);
	wire_attach(&wire, SPLIT);
	packet = wire.frontend.data + TRANSMIT_OFFSET;
	memset(packet, 0, 128);
	wire_transmit_raw(&wire, 0, 1, 1);		  /* less than a header */
	wire_transmit_raw(&wire, 0, HEADER, HEADER);	  /* nothing behind it */
	wire_transmit_raw(&wire, 0, HEADER + 13, HEADER); /* less than Ethernet's */
	wire_transmit_raw(&wire, 0, 70000, HEADER);	  /* more than any packet */
	memset(packet, 0xff, HEADER);
	wire_transmit_raw(&wire, 0, HEADER + 60, HEADER); /* a header that makes no sense */
	assert_int_equal(wire_statistics(&wire).transmit_drops_malformed, 5);
	assert_false(wire_statistics(&wire).is_broken);
	wire_transmit(&wire, 60, 7);
	assert_int_equal(wire_hear(&wire, heard, sizeof heard), 60);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

/* ---- receiving ---- */

static void receive_some(unsigned count)
{
	struct driver_completion done;

	for (unsigned i = 0; i < count; i++)
		wire_offer(&wire, i, BUFFER_BYTES);
	wire_kick(&wire, 0);
	for (unsigned i = 0; i < count; i++)
		wire_send(&wire, 100 + i, (uint8_t)i);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *buffer;

		assert_true(wire_wait(&wire, 0, &done));
		buffer = done.token;
		assert_int_equal(done.size_bytes, HEADER + 100 + i);
		assert_int_equal(buffer[10] | buffer[11] << 8, 1);
		assert_frame(buffer + HEADER, 100 + i, (uint8_t)i);
	}
}

static void what_is_on_the_wire_is_received_in_order(void **state)
{
	wire_open(&wire, 1);
	for (unsigned kind = 0; kind < 2 * RING_KINDS; kind++) {
		wire_attach(&wire, ring_kinds[kind / 2] | (kind % 2 ? MERGEABLE : 0));
		for (unsigned round = 0; round < 10; round++)
			receive_some(40);
		vhost_user_frontend_close(&wire.frontend);
	}
	assert_int_equal(wire_statistics(&wire).receive_packets, 400 * 2 * RING_KINDS);
	wire_close(&wire);
}

/* A frame of 9000 bytes in buffers of 2048. */
static void receive_merged(void)
{
	static uint8_t whole[HEADER + 9000];
	struct driver_completion done;
	size_t offset = 0;

	for (unsigned i = 0; i < 5; i++) {
		assert_true(wire_wait(&wire, 0, &done));
		assert_true(offset + done.size_bytes <= sizeof whole);
		memcpy(whole + offset, done.token, done.size_bytes);
		offset += done.size_bytes;
	}
	assert_int_equal(offset, sizeof whole);
	assert_int_equal(whole[10] | whole[11] << 8, 5);
	assert_frame(whole + HEADER, 9000, 3);
}

static void a_large_packet_is_in_several_buffers_that_come_at_once(void **state)
{
	wire_open(&wire, 1);
	assert_true(run("ip link set tap0 mtu 9000"));
	for (unsigned kind = 0; kind < RING_KINDS; kind++) {
		wire_attach(&wire, ring_kinds[kind] | MERGEABLE);
		for (unsigned round = 0; round < 30; round++) {
			for (unsigned i = 0; i < 5; i++)
				wire_offer(&wire, i, BUFFER_BYTES);
			wire_kick(&wire, 0);
			wire_send(&wire, 9000, 3);
			receive_merged();
		}
		vhost_user_frontend_close(&wire.frontend);
	}
	wire_close(&wire);
}

static void a_packet_waits_for_the_buffers_that_it_lacks(void **state)
{
	wire_open(&wire, 1);
	assert_true(run("ip link set tap0 mtu 9000"));
	for (unsigned kind = 0; kind < RING_KINDS; kind++) {
		struct driver_completion done;

		wire_attach(&wire, ring_kinds[kind] | MERGEABLE);
		wire_send(&wire, 9000, 3);
		for (unsigned i = 0; i < 5; i++) {
			assert_int_equal(
				driver_ring_poll(&wire.frontend.queues[0].ring, &done, 1), 0);
			wire_offer(&wire, i, BUFFER_BYTES);
			wire_kick(&wire, 0);
		}
		receive_merged();
		vhost_user_frontend_close(&wire.frontend);
	}
	wire_close(&wire);
}

static uint8_t *share_log(void)
{
	const struct vhost_user_log log = {.size_bytes = LOG_BYTES};
	int fd = memfd_create("log", MFD_CLOEXEC);
	uint8_t *bits;

	assert_int_equal(ftruncate(fd, LOG_BYTES), 0);
	bits = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(bits, MAP_FAILED);
	assert_int_equal(vhost_user_tell(&wire.frontend.connection, VHOST_USER_SET_LOG_BASE, &log,
				 sizeof log, &fd, 1),
		0);
	close(fd);
	return bits;
}

/* Has the page of that buffer been written to since it was asked? */
static bool takes_dirt(uint8_t *bits, unsigned buffer)
{
	const uint64_t page = wire_address(&wire, (size_t)buffer * BUFFER_BYTES) / 4096;
	const uint8_t bit = (uint8_t)(1u << page % 8);

	return __atomic_fetch_and(&bits[page / 8], (uint8_t)~bit, __ATOMIC_ACQ_REL) & bit;
}

/* A migration copies the page with the header meanwhile; the count of buffers is written into it after that. */
static void a_packet_that_has_waited_for_buffers_is_copied_again(void **state)
{
	struct driver_completion done;
	bool is_dirty = false;
	uint8_t *bits;

	wire_open(&wire, 1);
	assert_true(run("ip link set tap0 mtu 9000"));
	wire_attach(&wire, SPLIT | MERGEABLE);
	bits = share_log();
	wire_offer(&wire, 0, BUFFER_BYTES);
	wire_kick(&wire, 0);
	wire_send(&wire, 3000, 3);
	for (unsigned i = 0; i < 5000 && !(is_dirty = takes_dirt(bits, 0)); i++)
		usleep(1000);
	assert_true(is_dirty);
	wire_offer(&wire, 2, BUFFER_BYTES);
	wire_kick(&wire, 0);
	assert_true(wire_wait(&wire, 0, &done));
	assert_true(takes_dirt(bits, 0));
	munmap(bits, LOG_BYTES);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

static void a_queue_that_waits_for_buffers_can_be_stopped_and_goes_on(void **state)
{
	struct driver_completion done;

	wire_open(&wire, 1);
	assert_true(run("ip link set tap0 mtu 9000"));
	for (unsigned kind = 0; kind < RING_KINDS; kind++) {
		wire_attach(&wire, ring_kinds[kind] | MERGEABLE);
		for (unsigned i = 0; i < 3; i++)
			wire_offer(&wire, i, BUFFER_BYTES);
		wire_kick(&wire, 0);
		wire_send(&wire, 9000, 3);
		usleep(20000);
		vhost_user_frontend_close(&wire.frontend);
	}
	wire_attach(&wire, SPLIT);
	wire_offer(&wire, 0, BUFFER_BYTES);
	wire_kick(&wire, 0);
	wire_send(&wire, 100, 1);
	assert_true(wire_wait(&wire, 0, &done));
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

static void a_packet_that_fits_no_buffer_is_dropped_and_counted(void **state)
{
	struct driver_completion done;

	wire_open(&wire, 1);
	wire_attach(&wire, SPLIT);
	wire_offer(&wire, 0, 200);
	wire_kick(&wire, 0);
	wire_send(&wire, 1000, 1);
	WIRE_WAIT(&wire, receive_drops_too_large, 1);
	wire_send(&wire, 100, 2);
	assert_true(wire_wait(&wire, 0, &done));
	assert_int_equal(done.size_bytes, HEADER + 100);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

static void a_buffer_without_room_for_the_header_breaks_its_ring_only(void **state)
{
	uint8_t heard[2048];

	wire_open(&wire, 1);
	wire_attach(&wire, SPLIT);
	wire_offer(&wire, 0, HEADER - 1);
	wire_kick(&wire, 0);
	wire_send(&wire, 100, 1);
	WIRE_WAIT(&wire, is_broken, true);
	wire_transmit(&wire, 60, 1);
	assert_int_equal(wire_hear(&wire, heard, sizeof heard), 60);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

static uint64_t rounds_of_the_sidecore(void)
{
	const struct sidecore_counters *counters = sidecore_counters(wire.sidecore);

	return counter_get(&counters->polls_idle) + counter_get(&counters->polls_busy);
}

static void a_guest_without_buffers_costs_nothing(void **state)
{
	uint64_t rounds;

	wire_open(&wire, 1);
	wire_attach(&wire, SPLIT);
	for (unsigned i = 0; i < 2000; i++)
		if (send(wire.socket, frame, 64, MSG_DONTWAIT) < 0)
			break;
	usleep(100000);
	rounds = rounds_of_the_sidecore();
	usleep(200000);
	assert_true(rounds_of_the_sidecore() - rounds < 1000);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

/* As on kernels without RWF_NOWAIT for taps. */
static void reads_that_wait_for_packets_cost_nothing_and_end_with_the_queue(void **state)
{
	uint64_t rounds;

	wire_open(&wire, 1);
	wire.device->tap.io_flags = 0;
	for (unsigned kind = 0; kind < RING_KINDS; kind++) {
		wire_attach(&wire, ring_kinds[kind]);
		for (unsigned round = 0; round < 10; round++)
			receive_some(40);
		usleep(100000);
		rounds = counter_get(&sidecore_counters(wire.sidecore)->polls_idle);
		usleep(200000);
		assert_true(
			counter_get(&sidecore_counters(wire.sidecore)->polls_idle) - rounds < 1000);
		vhost_user_frontend_close(&wire.frontend);
	}
	wire_close(&wire);
}

/* ---- several queues ---- */

static void only_pairs_that_are_served_get_packets(void **state)
{
	struct driver_completion done;
	unsigned received = 0;

	wire_open(&wire, 4);
	wire.config.pair_count = 1;
	wire_attach(&wire, SPLIT);
	for (unsigned i = 0; i < 32; i++)
		wire_offer(&wire, i, BUFFER_BYTES);
	wire_kick(&wire, 0);
	/* Different addresses are different flows, which a tap would divide among its queues. */
	for (uint8_t i = 0; i < 32; i++) {
		wire_fill(frame, 100, i);
		frame[6 + 5] = i;
		assert_int_equal(send(wire.socket, frame, 100, 0), 100);
	}
	while (received < 32 && wire_wait(&wire, 0, &done))
		received++;
	assert_int_equal(received, 32);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

static void every_pair_transmits(void **state)
{
	uint8_t heard[2048];

	wire_open(&wire, 4);
	wire_attach(&wire, PACKED | EVENTS);
	for (unsigned pair = 0; pair < 4; pair++) {
		memset(wire.frontend.data + TRANSMIT_OFFSET, 0, HEADER);
		wire_fill(wire.frontend.data + TRANSMIT_OFFSET + HEADER, 60, 1);
		wire_transmit_raw(&wire, pair, HEADER + 60, HEADER);
		assert_int_equal(wire_hear(&wire, heard, sizeof heard), 60);
	}
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

/* ---- hostile ---- */

static void memory_that_vanishes_breaks_the_ring_only(void **state)
{
	uint8_t heard[2048];

	wire_open(&wire, 1);
	wire_attach(&wire, SPLIT);
	wire_offer(&wire, 0, BUFFER_BYTES);
	wire_kick(&wire, 0);
	assert_int_equal(ftruncate(wire.frontend.memory_fd, 0), 0);
	wire_send(&wire, 100, 1);
	WIRE_WAIT(&wire, is_broken, true);
	/* The driver's own mapping is gone as well; nothing of it may be looked at. */
	for (unsigned i = 0; i < 2; i++) {
		close(wire.frontend.queues[i].kick_fd);
		close(wire.frontend.queues[i].call_fd);
		driver_ring_free(&wire.frontend.queues[i].ring);
	}
	close(wire.frontend.connection.socket);
	close(wire.frontend.memory_fd);
	munmap(wire.frontend.memory, wire.frontend.memory_bytes);
	wire_attach(&wire, SPLIT);
	wire_transmit(&wire, 60, 1);
	assert_int_equal(wire_hear(&wire, heard, sizeof heard), 60);
	vhost_user_frontend_close(&wire.frontend);
	wire_close(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: cmocka handles SIGBUS itself once what handles it here has been set up. */
		cmocka_unit_test(memory_that_vanishes_breaks_the_ring_only),
		cmocka_unit_test(what_the_guest_transmits_is_on_the_wire_in_order),
		cmocka_unit_test(what_is_no_packet_is_dropped_and_counted),
		cmocka_unit_test(what_is_on_the_wire_is_received_in_order),
		cmocka_unit_test(a_large_packet_is_in_several_buffers_that_come_at_once),
		cmocka_unit_test(a_packet_waits_for_the_buffers_that_it_lacks),
		cmocka_unit_test(a_packet_that_has_waited_for_buffers_is_copied_again),
		cmocka_unit_test(a_queue_that_waits_for_buffers_can_be_stopped_and_goes_on),
		cmocka_unit_test(a_packet_that_fits_no_buffer_is_dropped_and_counted),
		cmocka_unit_test(a_buffer_without_room_for_the_header_breaks_its_ring_only),
		cmocka_unit_test(a_guest_without_buffers_costs_nothing),
		cmocka_unit_test(reads_that_wait_for_packets_cost_nothing_and_end_with_the_queue),
		cmocka_unit_test(only_pairs_that_are_served_get_packets),
		cmocka_unit_test(every_pair_transmits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
