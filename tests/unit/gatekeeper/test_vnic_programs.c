/* The BPF programs on a real veth, in a network namespace of their own; skipped without the rights. */
#include "../cmocka_all.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gatekeeper/bpf/vnic_programs.h"
#include "own_network.h"

#define SOURCE "10.1.2.3"
#define FRAME_BYTES 100u

static struct vnic_programs *programs;

static void attach(void)
{
	struct error error;

	if (vnic_programs_attach("v0", 0x10010, &programs, &error) < 0)
		fail_msg("%s", error.message);
}

/* A frame out of v0: what the guest behind it receives. */
static void send_to_guest(const char *source)
{
	struct {
		struct ethhdr ethernet;
		struct iphdr ip;
		uint8_t rest[FRAME_BYTES - sizeof(struct ethhdr) - sizeof(struct iphdr)];
	} __attribute__((packed)) frame = {
		.ethernet.h_dest = {2, 0, 0, 0, 0, 1},
		.ethernet.h_proto = htons(ETH_P_IP),
		.ip = {.version = 4, .ihl = 5, .tot_len = htons(FRAME_BYTES - ETH_HLEN)},
	};
	struct sockaddr_ll address = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex("v0")};
	int packet_socket = socket(AF_PACKET, SOCK_RAW, 0);

	frame.ip.saddr = inet_addr(source);
	assert_int_equal(sendto(packet_socket, &frame, sizeof frame, 0, (struct sockaddr *)&address,
				 sizeof address),
		sizeof frame);
	close(packet_socket);
}

struct sum {
	const char *source;
	uint64_t bytes, packets;
};

static void add(void *context, const struct in6_addr *source, uint64_t bytes, uint64_t packets)
{
	struct sum *sum = context;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, source, text, sizeof text);
	if (strncmp(text, "::ffff:", 7) == 0 && strcmp(text + 7, sum->source) == 0) {
		sum->bytes += bytes;
		sum->packets += packets;
	}
}

static void assert_received(const char *source, uint64_t packets)
{
	struct sum sum = {.source = source};

	vnic_programs_visit(programs, add, &sum);
	assert_int_equal(sum.packets, packets);
	assert_int_equal(sum.bytes, packets * FRAME_BYTES);
}

static void what_the_guest_receives_is_counted_per_source(void **state)
{
	need_own_network();
	attach();
	for (unsigned i = 0; i < 5; i++)
		send_to_guest(SOURCE);
	send_to_guest("10.9.9.9");
	assert_received(SOURCE, 5);
	assert_received("10.9.9.9", 1);
	vnic_programs_detach(programs);
}

static void the_next_agent_takes_over_what_the_last_one_left(void **state)
{
	need_own_network();
	attach();
	send_to_guest(SOURCE);
	vnic_programs_close(programs);
	send_to_guest(SOURCE);
	attach();
	send_to_guest(SOURCE);
	assert_received(SOURCE, 3);
	vnic_programs_detach(programs);
}

static void classes_come_and_go(void **state)
{
	struct in6_addr destination = {.s6_addr = {1}};

	need_own_network();
	attach();
	assert_int_equal(vnic_programs_set_class(programs, VNIC_SENDS, &destination, 0x10020), 0);
	assert_int_equal(vnic_programs_set_class(programs, VNIC_SENDS, &destination, 0x10030), 0);
	assert_int_equal(vnic_programs_set_class(programs, VNIC_SENDS, &destination, 0), 0);
	assert_int_equal(vnic_programs_set_class(programs, VNIC_SENDS, &destination, 0), 0);
	vnic_programs_detach(programs);
}

static void detaching_leaves_no_program(void **state)
{
	need_own_network();
	attach();
	vnic_programs_detach(programs);
	assert_false(run("tc filter show dev v0 ingress | grep -q bpf"));
	assert_false(run("tc filter show dev v0 egress | grep -q bpf"));
}

static void a_netdev_that_has_gone_is_no_trouble(void **state)
{
	need_own_network();
	attach();
	assert_true(run("ip link del v0"));
	assert_received(SOURCE, 0);
	vnic_programs_detach(programs);
}

static void a_netdev_that_is_not_there_is_named(void **state)
{
	struct error error;

	assert_true(vnic_programs_attach("nowhere", 1, &programs, &error) < 0);
	assert_non_null(strstr(error.message, "nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_guest_receives_is_counted_per_source),
		cmocka_unit_test(the_next_agent_takes_over_what_the_last_one_left),
		cmocka_unit_test(classes_come_and_go),
		cmocka_unit_test(detaching_leaves_no_program),
		cmocka_unit_test(a_netdev_that_has_gone_is_no_trouble),
		cmocka_unit_test(a_netdev_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
