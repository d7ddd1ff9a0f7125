/* The programs on v0, and frames that pass them, with 100 bytes each. */
#ifndef SLUICE_TESTS_VNIC_FRAMES_H
#define SLUICE_TESTS_VNIC_FRAMES_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gatekeeper/netdev/bpf/vnic_programs.h"

#define FRAME_BYTES 100u

static struct vnic_programs *programs;

static inline void attach(void)
{
	struct error error;

	if (vnic_programs_attach("v0", 0x10010, &programs, &error) < 0)
		fail_msg("%s", error.message);
}

struct frame {
	struct ethhdr ethernet;
	struct iphdr ip;
	uint8_t rest[FRAME_BYTES - sizeof(struct ethhdr) - sizeof(struct iphdr)];
} __attribute__((packed));

struct frame_ipv6 {
	struct ethhdr ethernet;
	struct ip6_hdr ip;
	uint8_t rest[FRAME_BYTES - sizeof(struct ethhdr) - sizeof(struct ip6_hdr)];
} __attribute__((packed));

static inline struct frame frame_of(const char *source, const char *destination)
{
	return (struct frame){
		.ethernet = {.h_dest = {2, 0, 0, 0, 0, 1}, .h_proto = htons(ETH_P_IP)},
		.ip = {.version = 4,
			.ihl = 5,
			.tot_len = htons(FRAME_BYTES - ETH_HLEN),
			.saddr = inet_addr(source),
			.daddr = inet_addr(destination)},
	};
}

static inline struct frame_ipv6 frame_of_ipv6(const char *source, const char *destination)
{
	struct frame_ipv6 frame = {
		.ethernet = {.h_dest = {2, 0, 0, 0, 0, 1}, .h_proto = htons(ETH_P_IPV6)},
		.ip.ip6_vfc = 0x60,
	};

	inet_pton(AF_INET6, source, &frame.ip.ip6_src);
	inet_pton(AF_INET6, destination, &frame.ip.ip6_dst);
	return frame;
}

/* A socket from which frames go out of a netdev. */
static inline int open_sender(const char *netdev, bool has_vnet_header)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(netdev)};
	int sender = socket(AF_PACKET, SOCK_RAW, 0);
	const int vnet = has_vnet_header;

	assert_int_equal(bind(sender, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(setsockopt(sender, SOL_PACKET, PACKET_VNET_HDR, &vnet, sizeof vnet), 0);
	return sender;
}

/* Out of a netdev, so often, if nobody lacks the room: of v0, it is what the guest behind it receives; of v1, what the guest sends. */
static inline void send_frames(
	const char *netdev, const void *frame, size_t bytes, bool has_vnet_header, unsigned count)
{
	int sender = open_sender(netdev, has_vnet_header);

	while (count--)
		assert_true(send(sender, frame, bytes, 0) == (ssize_t)bytes || errno == ENOBUFS);
	close(sender);
}

static inline void send_frame(
	const char *netdev, const void *frame, size_t bytes, bool has_vnet_header)
{
	send_frames(netdev, frame, bytes, has_vnet_header, 1);
}

static inline void send_to_guest(const char *source)
{
	struct frame frame = frame_of(source, "10.0.0.1");

	send_frame("v0", &frame, sizeof frame, false);
}

static inline void send_from_guest(const char *source, const char *destination)
{
	struct frame frame = frame_of(source, destination);

	send_frame("v1", &frame, sizeof frame, false);
}

static inline void send_ipv6_from_guest(const char *source, const char *destination)
{
	struct frame_ipv6 frame = frame_of_ipv6(source, destination);

	send_frame("v1", &frame, sizeof frame, false);
}

static inline struct in6_addr address_of(const char *text)
{
	struct in6_addr address = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (inet_pton(AF_INET6, text, &address) != 1)
		inet_pton(AF_INET, text, address.s6_addr + 12);
	return address;
}

struct sum {
	struct in6_addr peer;
	uint64_t bytes, packets;
};

static inline void add(void *context, const struct in6_addr *peer, uint64_t bytes, uint64_t packets)
{
	struct sum *sum = context;

	if (memcmp(peer, &sum->peer, sizeof *peer) != 0)
		return;
	sum->bytes += bytes;
	sum->packets += packets;
}

static inline struct sum sum_of(enum vnic_direction direction, const char *peer)
{
	struct sum sum = {.peer = address_of(peer)};

	vnic_programs_visit(programs, direction, add, &sum);
	return sum;
}

static inline void assert_received(const char *source, uint64_t packets)
{
	struct sum sum = sum_of(VNIC_RECEIVES, source);

	assert_int_equal(sum.packets, packets);
	assert_int_equal(sum.bytes, packets * FRAME_BYTES);
}

static inline void assert_sent(const char *destination, uint64_t packets)
{
	struct sum sum = sum_of(VNIC_SENDS, destination);

	assert_int_equal(sum.packets, packets);
	assert_int_equal(sum.bytes, packets * FRAME_BYTES);
}

#endif
