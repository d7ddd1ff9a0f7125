/*
 * A NIC between a driver and a wire: in a network namespace of the test's own, the wire's end is a
 * packet socket on the tap.
 */
#ifndef SLUICE_TESTS_WIRE_H
#define SLUICE_TESTS_WIRE_H

#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../gatekeeper/own_network.h"
#include "net/net_device.h"
#include "virtio/vhost_user_frontend.h"

#define FEATURE(bit) (1ull << (bit))
#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define TEST_PROTOCOL 0x88b5 /* for experiments: nobody else's frames */
#define BUFFER_BYTES 2048u
#define TRANSMIT_OFFSET (1u << 20) /* of the driver's data: receive buffers come first */

struct wire {
	struct sidecore *sidecore;
	struct net_device_config config;
	struct net_device *device;
	struct vhost_user_frontend frontend;
	char state_directory[32];
	int socket;
	struct error error;
};

static inline void wire_create(struct wire *wire)
{
	if (net_device_create(wire->sidecore, &wire->config, &wire->device, &wire->error) < 0)
		fail_msg("%s", wire->error.message);
}

/* The packet socket must be opened anew when the tap is another one. */
static inline void wire_tap(struct wire *wire)
{
	const struct sockaddr_ll place = {.sll_family = AF_PACKET,
		.sll_protocol = htons(TEST_PROTOCOL),
		.sll_ifindex = (int)if_nametoindex(wire->config.netdev)};

	if (wire->socket >= 0)
		close(wire->socket);
	wire->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(TEST_PROTOCOL));
	assert_int_equal(bind(wire->socket, (const void *)&place, sizeof place), 0);
}

static inline void wire_open(struct wire *wire, unsigned pairs)
{
	const struct sidecore_config core = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};

	need_own_network();
	memset(wire, 0, sizeof *wire);
	snprintf(wire->state_directory, sizeof wire->state_directory, "/tmp/sluice-wire-XXXXXX");
	assert_non_null(mkdtemp(wire->state_directory));
	wire->config = (struct net_device_config){.name = "nic",
		.netdev = "tap0",
		.mac = {2, 0, 0, 0, 0, 1},
		.pair_count = pairs,
		.state_directory = wire->state_directory};
	snprintf(wire->config.socket_path, sizeof wire->config.socket_path, "%s/s",
		wire->state_directory);
	wire->socket = -1;
	assert_int_equal(sidecore_start(&core, &wire->sidecore, &wire->error), 0);
	wire_create(wire);
	wire_tap(wire);
}

static inline void wire_close(struct wire *wire)
{
	net_device_destroy(wire->device, true);
	sidecore_stop(wire->sidecore);
	close(wire->socket);
	assert_int_equal(rmdir(wire->state_directory), 0);
}

static inline void wire_attach(struct wire *wire, uint64_t features)
{
	const struct vhost_user_frontend_config front = {
		.socket_path = wire->config.socket_path,
		.features = features,
		.queue_count = 2 * wire->config.pair_count,
		.queue_size = 64,
		.segments_max = 16,
		.indirect_above = 2,
		.data_bytes = 2u << 20,
	};

	if (vhost_user_frontend_open(&wire->frontend, &front, &wire->error) < 0)
		fail_msg("%s", wire->error.message);
}

/* ---- the driver ---- */

static inline uint64_t wire_address(struct wire *wire, size_t offset)
{
	return vhost_user_frontend_address(&wire->frontend, wire->frontend.data + offset);
}

static inline void wire_kick(struct wire *wire, unsigned queue)
{
	const uint64_t one = 1;

	driver_ring_publish(&wire->frontend.queues[queue].ring);
	assert_int_equal(write(wire->frontend.queues[queue].kick_fd, &one, sizeof one), sizeof one);
}

/* Wait for the next chain to come back; false if none does. */
static inline bool wire_wait(struct wire *wire, unsigned queue, struct driver_completion *done)
{
	for (unsigned i = 0; i < 5000; i++) {
		int count = driver_ring_poll(&wire->frontend.queues[queue].ring, done, 1);

		assert_true(count >= 0);
		if (count == 1)
			return true;
		usleep(1000);
	}
	return false;
}

/* Buffer `number` of `size_bytes` for the first receive queue; its token is the buffer. */
static inline void wire_offer(struct wire *wire, unsigned number, uint32_t size_bytes)
{
	const struct driver_segment segment = {
		wire_address(wire, (size_t)number * BUFFER_BYTES), size_bytes};

	assert_int_equal(driver_ring_add(&wire->frontend.queues[0].ring, &segment, 0, 1,
				 wire->frontend.data + (size_t)number * BUFFER_BYTES),
		0);
}

/* Fill in a frame that only the test knows, marked with `mark`. */
static inline void wire_fill(uint8_t *frame, size_t size_bytes, uint8_t mark)
{
	struct ethhdr header = {.h_proto = htons(TEST_PROTOCOL)};

	memset(header.h_dest, 0xff, sizeof header.h_dest);
	memset(header.h_source, 2, sizeof header.h_source);
	memcpy(frame, &header, sizeof header);
	for (size_t i = sizeof header; i < size_bytes; i++)
		frame[i] = (uint8_t)(mark + i);
}

/* Transmit `size_bytes` from the driver's memory, cut in two at `cut`, and wait until it comes back. */
static inline void wire_transmit_raw(
	struct wire *wire, unsigned pair, uint32_t size_bytes, uint32_t cut)
{
	const struct driver_segment segments[] = {{wire_address(wire, TRANSMIT_OFFSET), cut},
		{wire_address(wire, TRANSMIT_OFFSET + cut), size_bytes - cut}};
	struct driver_completion done;

	assert_int_equal(driver_ring_add(&wire->frontend.queues[2 * pair + 1].ring, segments,
				 size_bytes > cut ? 2 : 1, 0, wire),
		0);
	wire_kick(wire, 2 * pair + 1);
	assert_true(wire_wait(wire, 2 * pair + 1, &done));
}

static inline void wire_transmit(struct wire *wire, size_t frame_bytes, uint8_t mark)
{
	memset(wire->frontend.data + TRANSMIT_OFFSET, 0, HEADER);
	wire_fill(wire->frontend.data + TRANSMIT_OFFSET + HEADER, frame_bytes, mark);
	wire_transmit_raw(wire, 0, (uint32_t)(HEADER + frame_bytes), HEADER);
}

/* ---- the wire ---- */

static inline void wire_send(struct wire *wire, size_t frame_bytes, uint8_t mark)
{
	static uint8_t frame[65536];

	wire_fill(frame, frame_bytes, mark);
	assert_int_equal(send(wire->socket, frame, frame_bytes, 0), frame_bytes);
}

/* The next frame on the wire: its size, or 0 if none comes. */
static inline size_t wire_hear(struct wire *wire, uint8_t *frame, size_t capacity)
{
	struct pollfd event = {.fd = wire->socket, .events = POLLIN};

	if (poll(&event, 1, 5000) != 1)
		return 0;
	return (size_t)recv(wire->socket, frame, capacity, MSG_TRUNC);
}

static inline struct net_device_statistics wire_statistics(const struct wire *wire)
{
	struct net_device_statistics statistics;

	net_device_statistics(wire->device, &statistics);
	return statistics;
}

/* Wait until a counter, of which `get` knows, has reached `value`. */
#define WIRE_WAIT(wire, member, value)                                                      \
	do {                                                                                \
		for (unsigned wire_i = 0;                                                   \
			wire_i < 5000 && wire_statistics(wire).member != (value); wire_i++) \
			usleep(1000);                                                       \
		assert_int_equal(wire_statistics(wire).member, value);                      \
	} while (0)

#endif
