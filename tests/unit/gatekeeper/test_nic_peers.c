/* Addresses summed up by vNIC, with real programs on a veth; skipped without the rights. */
#include "../cmocka_all.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "gatekeeper/netdev/bpf/vnic.h"
#include "gatekeeper/nic_outbound.h"
#include "gatekeeper/nic_peers.h"
#include "own_network.h"
#include "vnic_frames.h"

#define PERIOD_NS (5 * NS_PER_MS)

static struct directory *directory;
static struct inbound inbound;
static struct inbound_nic nic, near; /* what comes from other hosts, and from neighbours */
static const struct directory_host here = {.name = "here"};
static struct nic_peers peers;
static struct nic_census census;

static const struct directory_nic *who_has(void *context, const struct in6_addr *address)
{
	return directory_nic_at(directory, address);
}

/* A host with a vNIC of two addresses. */
static struct directory *directory_with(const char *host, const char *first, const char *second)
{
	struct directory *created = directory_create();
	struct directory_host one = {.id = directory_id(host)};
	struct directory_nic web = {.name = "web",
		.addresses = {address_of(first), address_of(second)},
		.address_count = 2};

	snprintf(one.name, sizeof one.name, "%s", host);
	assert_int_equal(directory_add_host(created, &one), 0);
	assert_int_equal(directory_add_nic(created, host, &web), 0);
	return created;
}

static void measure(void)
{
	census.now_ns += PERIOD_NS;
	nic_peers_measure(&peers, programs, &census);
}

static void set_up(void)
{
	const struct inbound_promise promise = {.max = INFINITY, .weight = 1};

	need_own_network();
	attach();
	directory = directory_with("h2", "10.0.0.2", "10.0.0.3");
	inbound_init(&inbound, 1e9, 0, 0);
	assert_int_equal(inbound_add_nic(&inbound, &nic, &promise), 0);
	assert_int_equal(inbound_add_nic(&inbound, &near, &promise), 0);
	nic_peers_init(&peers, VNIC_RECEIVES, &here, (struct nic_part){&inbound, &nic},
		(struct nic_part){&inbound, &near});
	census =
		(struct nic_census){.who_has = who_has, .period_ns = PERIOD_NS, .now_ns = NS_PER_S};
	measure();
}

static void release(void)
{
	nic_peers_clear(&peers);
	inbound_destroy(&inbound);
	directory_destroy(directory);
	vnic_programs_detach(programs);
}

static void assert_peer(const char *address, unsigned frames)
{
	struct in6_addr identity = address_of(address);
	const struct nic_peer *peer = nic_peers_find(&peers, &identity);

	assert_non_null(peer);
	assert_int_equal(peer->bytes, frames * FRAME_BYTES);
	assert_int_equal(peer->packets, frames);
}

static void a_vnics_addresses_are_one_sender(void **state)
{
	set_up();
	send_to_guest("10.0.0.2");
	send_to_guest("10.0.0.3");
	send_to_guest("10.0.0.3");
	measure();
	assert_peer("10.0.0.2", 3);
	assert_int_equal(nic.pair_count, 1);
	assert_true(nic_peers_next(&peers, NULL)->pair.used == 3 * FRAME_BYTES / 0.005);
	assert_string_equal(nic_peers_next(&peers, NULL)->host, "h2");
	measure();
	assert_true(nic_peers_next(&peers, NULL)->pair.used == 0);
	release();
}

static void addresses_that_are_nobodys_are_one_sender(void **state)
{
	set_up();
	send_to_guest("10.9.0.1");
	send_to_guest("10.9.0.2");
	send_to_guest("10.9.0.3");
	measure();
	assert_peer("::", 3);
	assert_int_equal(nic.pair_count, 1);
	release();
}

static void what_was_there_before_us_is_not_this_periods(void **state)
{
	set_up();
	nic_peers_clear(&peers);
	send_to_guest("10.0.0.2");
	measure();
	assert_true(nic_peers_next(&peers, NULL)->pair.used == 0);
	release();
}

static void who_moves_in_the_directory_is_another_sender_from_then_on(void **state)
{
	set_up();
	send_to_guest("10.0.0.2");
	send_to_guest("10.0.0.3");
	measure();
	directory_destroy(directory);
	directory = directory_with("h3", "10.0.0.3", "10.0.0.4");
	census.generation++;
	send_to_guest("10.0.0.2");
	send_to_guest("10.0.0.3");
	measure();
	assert_peer("::", 1);
	assert_peer("10.0.0.3", 1);
	assert_int_equal(nic.pair_count, 2);
	release();
}

static void who_moves_to_this_host_becomes_a_neighbour(void **state)
{
	set_up();
	send_to_guest("10.0.0.2");
	measure();
	assert_int_equal(near.pair_count, 0);
	directory_destroy(directory);
	directory = directory_with("here", "10.0.0.2", "10.0.0.3");
	census.generation++;
	send_to_guest("10.0.0.2");
	measure();
	assert_peer("10.0.0.2", 2);
	assert_int_equal(nic.pair_count, 0);
	assert_int_equal(near.pair_count, 1);
	release();
}

static void the_silent_are_forgotten(void **state)
{
	set_up();
	send_to_guest("10.0.0.2");
	measure();
	census.now_ns += 11 * NS_PER_S;
	measure();
	assert_int_equal(nic.pair_count, 0);
	assert_received("10.0.0.2", 0);
	send_to_guest("10.0.0.2");
	measure();
	assert_peer("10.0.0.2", 1);
	release();
}

/* One frame from each of as many addresses as the programs can count, other ones each time. */
static void send_from_many(unsigned round)
{
	struct frame frame = frame_of("10.9.9.9", "10.0.0.1");
	int sender = open_sender("v0", false);

	for (unsigned i = 0; i < VNIC_PEERS_MAX; i++) {
		frame.ip.saddr = htonl(11u << 24 | round << 16 | i);
		(void)send(sender, &frame, sizeof frame, 0); /* counted, and perhaps lost then */
	}
	close(sender);
}

static void who_invents_addresses_takes_no_memory(void **state)
{
	set_up();
	send_to_guest("10.0.0.2");
	measure();
	for (unsigned round = 0; round < 8; round++) {
		send_from_many(round);
		measure();
		assert_true(key_map_count(&peers.addresses) <= 3 * VNIC_PEERS_MAX);
	}
	release();
}

/* Two neighbours and one elsewhere, who all take what they can get. */
static void a_maximum_covers_neighbours_and_the_uplink(void **state)
{
	struct in6_addr neighbours[2] = {address_of("10.0.0.1"), address_of("10.0.0.2")};
	struct nic_peer *peer = NULL;
	struct nic_outbound outbound;
	double sum = 0;

	set_up();
	nic_peers_clear(&peers);
	assert_int_equal(nic_outbound_init(&outbound, 300, 0), 0);
	nic_peers_init(&peers, VNIC_SENDS, &here,
		(struct nic_part){&outbound.division, &outbound.nic},
		(struct nic_part){&outbound.division, &outbound.nic});
	send_from_guest("10.9.9.9", "10.0.0.1");
	send_from_guest("10.9.9.9", "10.0.0.2");
	send_from_guest("10.9.9.9", "10.0.0.3");
	directory_destroy(directory);
	directory = directory_with("here", "10.0.0.1", "10.0.0.9");
	assert_int_equal(
		directory_add_nic(directory, "here",
			&(struct directory_nic){.addresses = {neighbours[1]}, .address_count = 1}),
		0);
	measure();
	for (unsigned period = 0; period < 100; period++) {
		while ((peer = nic_peers_next(&peers, peer)))
			peer->pair.used = fmin(peer->pair.allowed, 250);
		nic_outbound_divide(&outbound, &peers);
	}
	for (unsigned i = 0; i < 2; i++)
		sum += nic_peers_find(&peers, &neighbours[i])->pair.allowed;
	assert_true(fabs(sum - 200) < 2);
	assert_true(fabs(outbound.ceil - 100) < 2);
	nic_peers_clear(&peers);
	nic_outbound_destroy(&outbound);
	release();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vnics_addresses_are_one_sender),
		cmocka_unit_test(addresses_that_are_nobodys_are_one_sender),
		cmocka_unit_test(what_was_there_before_us_is_not_this_periods),
		cmocka_unit_test(who_moves_in_the_directory_is_another_sender_from_then_on),
		cmocka_unit_test(who_moves_to_this_host_becomes_a_neighbour),
		cmocka_unit_test(the_silent_are_forgotten),
		cmocka_unit_test(who_invents_addresses_takes_no_memory),
		cmocka_unit_test(a_maximum_covers_neighbours_and_the_uplink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
