/*
 * What a guest may call itself: the BPF programs on a real veth, in a network namespace of their own;
 * skipped without the rights.
 */
#include "../cmocka_all.h"

#include <errno.h>

#include "own_network.h"
#include "vnic_frames.h"

/* Frames, one after the other: more than may pass under no name. */
#define MANY 5000u

static void set_addresses(const char *first, const char *second)
{
	const struct in6_addr addresses[] = {address_of(first), address_of(second)};

	assert_int_equal(vnic_programs_set_addresses(programs, addresses, 2), 0);
}

static void what_is_sent_from_foreign_addresses_is_dropped(void **state)
{
	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fd00::1");
	send_from_guest("10.0.0.1", "10.4.4.4");
	send_ipv6_from_guest("fd00::1", "fd00::2");
	assert_int_equal(vnic_programs_forged(programs), 0);
	send_from_guest("10.0.0.2", "10.4.4.4");
	send_ipv6_from_guest("fd00::3", "fd00::2");
	assert_int_equal(vnic_programs_forged(programs), 2);
	assert_sent("10.4.4.4", 1);
	assert_sent("fd00::2", 1);
	vnic_programs_detach(programs);
}

static void unspecified_and_link_local_addresses_may_send(void **state)
{
	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fd00::1");
	send_from_guest("0.0.0.0", "10.4.4.4");
	send_from_guest("169.254.1.2", "10.4.4.4");
	send_ipv6_from_guest("::", "fd00::2");
	send_ipv6_from_guest("fe80::1", "fd00::2");
	send_ipv6_from_guest("febf::1", "fd00::2");
	assert_int_equal(vnic_programs_forged(programs), 0);
	send_ipv6_from_guest("fec0::1", "fd00::2");
	send_from_guest("169.253.1.2", "10.4.4.4");
	send_ipv6_from_guest("::1", "fd00::2");
	assert_int_equal(vnic_programs_forged(programs), 3);
	vnic_programs_detach(programs);
}

static void what_is_not_ip_is_not_dropped(void **state)
{
	struct frame frame = frame_of("10.9.9.9", "10.4.4.4");

	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fd00::1");
	frame.ethernet.h_proto = htons(ETH_P_ARP);
	send_frame("v1", &frame, sizeof frame, false);
	assert_int_equal(vnic_programs_forged(programs), 0);
	vnic_programs_detach(programs);
}

/* Nobody could be told to send less of it. */
static void of_what_has_no_name_only_a_little_passes(void **state)
{
	struct frame frame = frame_of("10.9.9.9", "10.4.4.4");

	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fd00::1");
	frame.ethernet.h_proto = htons(ETH_P_ARP);
	send_frames("v1", &frame, sizeof frame, false, MANY);
	assert_true(vnic_programs_forged(programs) > 0);
	vnic_programs_detach(programs);
}

static void of_what_is_nobodys_only_a_little_passes(void **state)
{
	struct frame_ipv6 frame = frame_of_ipv6("fe80::1", "fd00::2");

	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fd00::1");
	send_frames("v1", &frame, sizeof frame, false, MANY);
	assert_true(vnic_programs_forged(programs) > 0);
	assert_true(sum_of(VNIC_SENDS, "fd00::2").packets < MANY);
	vnic_programs_detach(programs);
}

static void a_link_local_address_of_its_own_is_a_name(void **state)
{
	struct frame_ipv6 frame = frame_of_ipv6("fe80::1", "fd00::2");

	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fe80::1");
	send_frames("v1", &frame, sizeof frame, false, MANY);
	assert_int_equal(vnic_programs_forged(programs), 0);
	vnic_programs_detach(programs);
}

static void ip_that_ends_before_its_source_is_dropped(void **state)
{
	struct frame frame = frame_of("10.0.0.1", "10.4.4.4");

	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fd00::1");
	send_frame("v1", &frame, ETH_HLEN + 14, false);
	assert_int_equal(vnic_programs_forged(programs), 1);
	vnic_programs_detach(programs);
}

static void addresses_can_be_replaced_and_lifted(void **state)
{
	need_own_network();
	attach();
	set_addresses("10.0.0.1", "10.0.0.2");
	set_addresses("10.0.0.2", "10.0.0.3");
	send_from_guest("10.0.0.2", "10.4.4.4");
	send_from_guest("10.0.0.3", "10.4.4.4");
	assert_int_equal(vnic_programs_forged(programs), 0);
	send_from_guest("10.0.0.1", "10.4.4.4");
	assert_int_equal(vnic_programs_forged(programs), 1);
	assert_int_equal(vnic_programs_set_addresses(programs, NULL, 0), 0);
	send_from_guest("10.0.0.1", "10.4.4.4");
	assert_int_equal(vnic_programs_forged(programs), 1);
	vnic_programs_detach(programs);
}

static void all_addresses_can_be_replaced_at_once(void **state)
{
	struct in6_addr addresses[VNIC_PROGRAMS_ADDRESSES_MAX + 1] = {0};

	need_own_network();
	attach();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < VNIC_PROGRAMS_ADDRESSES_MAX; i++)
			addresses[i].s6_addr[0] =
				(uint8_t)(round * VNIC_PROGRAMS_ADDRESSES_MAX + i + 1);
		assert_int_equal(vnic_programs_set_addresses(
					 programs, addresses, VNIC_PROGRAMS_ADDRESSES_MAX),
			0);
	}
	assert_int_equal(
		vnic_programs_set_addresses(programs, addresses, VNIC_PROGRAMS_ADDRESSES_MAX + 1),
		-E2BIG);
	vnic_programs_detach(programs);
}

static void the_next_agent_goes_on_dropping(void **state)
{
	need_own_network();
	attach();
	set_addresses("10.0.0.1", "fd00::1");
	send_from_guest("10.0.0.2", "10.4.4.4");
	vnic_programs_close(programs);
	send_from_guest("10.0.0.2", "10.4.4.4");
	attach();
	send_from_guest("10.0.0.2", "10.4.4.4");
	send_from_guest("10.0.0.1", "10.4.4.4");
	assert_int_equal(vnic_programs_forged(programs), 3);
	assert_sent("10.4.4.4", 1);
	vnic_programs_detach(programs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_from_foreign_addresses_is_dropped),
		cmocka_unit_test(unspecified_and_link_local_addresses_may_send),
		cmocka_unit_test(what_is_not_ip_is_not_dropped),
		cmocka_unit_test(of_what_has_no_name_only_a_little_passes),
		cmocka_unit_test(of_what_is_nobodys_only_a_little_passes),
		cmocka_unit_test(a_link_local_address_of_its_own_is_a_name),
		cmocka_unit_test(ip_that_ends_before_its_source_is_dropped),
		cmocka_unit_test(addresses_can_be_replaced_and_lifted),
		cmocka_unit_test(all_addresses_can_be_replaced_at_once),
		cmocka_unit_test(the_next_agent_goes_on_dropping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
