/* The BPF programs on a real veth, in a network namespace of their own; skipped without the rights. */
#include "../cmocka_all.h"

#include <linux/virtio_net.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "own_network.h"
#include "vnic_frames.h"

#define SOURCE "10.1.2.3"

/* ---- counting ---- */

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

/* It fills the link as well; the kernel's own frames may come along. */
static void what_is_not_ip_is_counted_as_nobodys(void **state)
{
	struct frame frame = frame_of(SOURCE, "10.0.0.1");

	need_own_network();
	attach();
	frame.ethernet.h_proto = htons(ETH_P_ARP);
	for (unsigned i = 0; i < 5; i++)
		send_frame("v0", &frame, sizeof frame, false);
	assert_true(sum_of(VNIC_RECEIVES, "::").packets >= 5);
	assert_received(SOURCE, 0);
	vnic_programs_detach(programs);
}

static void what_the_guest_sends_is_counted_per_destination(void **state)
{
	need_own_network();
	attach();
	for (unsigned i = 0; i < 5; i++)
		send_from_guest(SOURCE, "10.4.4.4");
	send_ipv6_from_guest("fd00::1", "fd00::2");
	assert_sent("10.4.4.4", 5);
	assert_sent("fd00::2", 1);
	assert_received("10.4.4.4", 0);
	vnic_programs_detach(programs);
}

/* A segment's worth of TCP that is still to be cut in three. */
static void what_is_to_be_segmented_is_counted_as_on_the_wire(void **state)
{
	struct {
		struct virtio_net_hdr offload;
		struct ethhdr ethernet;
		struct iphdr ip;
		struct tcphdr tcp;
		uint8_t payload[2500];
	} __attribute__((packed)) packet = {
		.offload = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			.gso_size = 1000,
			.hdr_len = 54,
			.csum_start = 34,
			.csum_offset = 16},
		.tcp = {.doff = 5},
	};
	struct frame frame = frame_of(SOURCE, "10.4.4.4");
	struct sum sum;

	need_own_network();
	attach();
	packet.ethernet = frame.ethernet;
	packet.ip = frame.ip;
	packet.ip.protocol = IPPROTO_TCP;
	packet.ip.tot_len = htons(sizeof packet.ip + sizeof packet.tcp + sizeof packet.payload);
	send_frame("v1", &packet, sizeof packet, true);
	sum = sum_of(VNIC_SENDS, "10.4.4.4");
	assert_int_equal(sum.packets, 3);
	assert_int_equal(sum.bytes, sizeof packet.payload + 3ul * 54);
	vnic_programs_detach(programs);
}

static void a_peer_that_is_forgotten_is_counted_anew(void **state)
{
	const struct in6_addr peer = address_of(SOURCE);

	need_own_network();
	attach();
	send_to_guest(SOURCE);
	send_from_guest("10.0.0.1", SOURCE);
	vnic_programs_forget(programs, VNIC_RECEIVES, &peer);
	send_to_guest(SOURCE);
	assert_received(SOURCE, 1);
	assert_sent(SOURCE, 1);
	vnic_programs_forget(programs, VNIC_SENDS, &peer);
	assert_sent(SOURCE, 0);
	vnic_programs_detach(programs);
}

static void count_visit(
	void *context, const struct in6_addr *peer, uint64_t bytes, uint64_t packets)
{
	uint8_t *visits = context;

	if (peer->s6_addr[12] == 10)
		visits[peer->s6_addr[14] << 8 | peer->s6_addr[15]]++;
}

static void every_peer_of_many_is_visited_once(void **state)
{
	static uint8_t visits[1 << 16];
	char source[INET_ADDRSTRLEN];

	need_own_network();
	attach();
	for (unsigned i = 0; i < 700; i++) {
		snprintf(source, sizeof source, "10.0.%u.%u", i >> 8, i & 0xff);
		send_to_guest(source);
	}
	vnic_programs_visit(programs, VNIC_RECEIVES, count_visit, visits);
	for (unsigned i = 0; i < 700; i++)
		assert_int_equal(visits[i], 1);
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

/* ---- the clsact ---- */

static bool has_clsact(void)
{
	return run("tc qdisc show dev v0 | grep -q clsact");
}

static void a_clsact_of_ours_goes(void **state)
{
	need_own_network();
	attach();
	assert_true(has_clsact());
	vnic_programs_detach(programs);
	assert_false(has_clsact());
}

static void a_clsact_of_our_predecessors_goes(void **state)
{
	need_own_network();
	attach();
	vnic_programs_close(programs);
	attach();
	vnic_programs_close(programs);
	attach();
	vnic_programs_detach(programs);
	assert_false(has_clsact());
}

static void a_clsact_that_was_there_stays(void **state)
{
	need_own_network();
	assert_true(run("tc qdisc add dev v0 clsact"));
	attach();
	vnic_programs_close(programs);
	attach();
	vnic_programs_detach(programs);
	assert_true(has_clsact());
}

static void a_clsact_with_anothers_filter_stays(void **state)
{
	static const char *const ways[] = {"ingress", "egress"};

	for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++) {
		char command[128];

		need_own_network();
		attach();
		snprintf(command, sizeof command,
			"tc filter add dev v0 %s protocol ip prio 9 u32 match u32 0 0 flowid 1:1",
			ways[i]);
		assert_true(run(command));
		vnic_programs_detach(programs);
		assert_true(has_clsact());
		snprintf(
			command, sizeof command, "tc filter show dev v0 %s | grep -q u32", ways[i]);
		assert_true(run(command));
	}
}

/* ---- netdevs that are not there ---- */

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
		cmocka_unit_test(what_is_not_ip_is_counted_as_nobodys),
		cmocka_unit_test(what_the_guest_sends_is_counted_per_destination),
		cmocka_unit_test(what_is_to_be_segmented_is_counted_as_on_the_wire),
		cmocka_unit_test(a_peer_that_is_forgotten_is_counted_anew),
		cmocka_unit_test(every_peer_of_many_is_visited_once),
		cmocka_unit_test(the_next_agent_takes_over_what_the_last_one_left),
		cmocka_unit_test(classes_come_and_go),
		cmocka_unit_test(detaching_leaves_no_program),
		cmocka_unit_test(a_clsact_of_ours_goes),
		cmocka_unit_test(a_clsact_of_our_predecessors_goes),
		cmocka_unit_test(a_clsact_that_was_there_stays),
		cmocka_unit_test(a_clsact_with_anothers_filter_stays),
		cmocka_unit_test(a_netdev_that_has_gone_is_no_trouble),
		cmocka_unit_test(a_netdev_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
