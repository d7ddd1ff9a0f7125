/* Limits on peers, with real programs and classes on a veth. */
#include "../cmocka_all.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gatekeeper/nic_limits.h"
#include "own_network.h"
#include "state_directory.h"

#define LINK 125000000u
#define NOW_NS 1000000000ull

static struct shaper *shaper;
static struct vnic_programs *programs;
static struct nic_limits limits;

static const struct in6_addr first = {.s6_addr = {1}}, second = {.s6_addr = {2}},
			     third = {.s6_addr = {3}};

static void take(void)
{
	struct error error;

	if (shaper_open("v0", LINK, state_directory, &shaper, &error) < 0 ||
		vnic_programs_attach("v0", 0, &programs, &error) < 0)
		fail_msg("%s", error.message);
	limits = (struct nic_limits){
		.programs = programs,
		.direction = VNIC_SENDS,
		.shaper = shaper,
		.parent = SHAPER_LINK,
		.first_minor = 0x100,
		.minor_count = 3,
		.most = LINK,
	};
}

static void set_up(void)
{
	need_own_network();
	take();
}

static void release(void)
{
	nic_limits_clear(&limits);
	vnic_programs_detach(programs);
	shaper_remove(shaper);
}

static int tell(struct in6_addr one, struct in6_addr other, unsigned count, double bytes_per_s)
{
	struct directory_nic peer = {.addresses = {one, other}, .address_count = count};

	return nic_limits_tell(&limits, &peer, "h2", bytes_per_s, NOW_NS);
}

struct lookup {
	struct in6_addr address;
	uint32_t classid;
};

static void look(void *context, const struct in6_addr *peer, uint32_t classid)
{
	struct lookup *lookup = context;

	if (memcmp(peer, &lookup->address, sizeof *peer) == 0)
		lookup->classid = classid;
}

static uint32_t class_of(struct in6_addr address)
{
	struct lookup lookup = {.address = address};

	vnic_programs_visit_classes(programs, VNIC_SENDS, look, &lookup);
	return lookup.classid;
}

static bool shows(const char *words)
{
	char command[256];

	snprintf(command, sizeof command, "tc class show dev v0 | grep -q -- '%s'", words);
	return run(command);
}

/* Let limits that mean nothing at that time go, with all the time it takes. */
static void fade(uint64_t now_ns)
{
	for (unsigned s = 0; s < 10; s++)
		assert_int_equal(nic_limits_apply(&limits, now_ns + s * 1000000000ull), 0);
}

static void all_addresses_of_a_peer_share_one_class(void **state)
{
	set_up();
	assert_int_equal(tell(first, second, 2, 1e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_int_equal(class_of(first), SHAPER_CLASSID(0x100));
	assert_int_equal(class_of(second), SHAPER_CLASSID(0x100));
	assert_true(shows("5157:100 .*ceil 8Mbit"));
	assert_string_equal(nic_limits_find(&limits, &first)->told_by, "h2");
	release();
}

static void an_address_that_moves_to_another_peer_is_limited_as_that(void **state)
{
	set_up();
	assert_int_equal(tell(first, second, 2, 1e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_int_equal(tell(third, second, 2, 2e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_int_equal(class_of(first), SHAPER_CLASSID(0x100));
	assert_int_equal(class_of(second), SHAPER_CLASSID(0x101));
	assert_int_equal(tell(first, first, 1, INFINITY), 0);
	fade(NOW_NS);
	assert_int_equal(class_of(first), 0);
	assert_int_equal(class_of(second), SHAPER_CLASSID(0x101));
	release();
}

static void a_limit_that_has_faded_leaves_nothing(void **state)
{
	set_up();
	assert_int_equal(tell(first, first, 1, 1e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	fade(UINT64_MAX / 2);
	assert_int_equal(class_of(first), 0);
	assert_false(shows("5157:100 "));
	release();
}

static void a_lifted_limit_keeps_its_class_until_its_queue_is_empty(void **state)
{
	set_up();
	assert_int_equal(tell(first, first, 1, 1e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_int_equal(tell(first, first, 1, INFINITY), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_true(shows("5157:100 .*ceil 1Gbit"));
	assert_int_equal(class_of(first), SHAPER_CLASSID(0x100));
	assert_int_equal(nic_limits_apply(&limits, NOW_NS + 5500000000ull), 0);
	assert_int_equal(class_of(first), 0);
	assert_true(shows("5157:100 ")); /* with what still waits in it */
	assert_int_equal(tell(first, first, 1, 1e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_true(shows("5157:100 .*ceil 8Mbit"));
	assert_int_equal(class_of(first), SHAPER_CLASSID(0x100));
	release();
}

static void what_waits_for_a_limit_is_bounded_in_bytes(void **state)
{
	set_up();
	assert_int_equal(tell(first, first, 1, 1e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_true(run("tc qdisc show dev v0 | grep -q 'bfifo .*parent 5157:100 limit 256Kb'"));
	assert_int_equal(tell(first, first, 1, 100e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_true(run("tc qdisc show dev v0 | grep -q 'bfifo .*parent 5157:100 limit 2Mb'"));
	release();
}

static void there_are_only_so_many(void **state)
{
	set_up();
	for (uint8_t i = 1; i <= 3; i++)
		assert_int_equal(tell((struct in6_addr){.s6_addr = {i}}, first, 1, 1e6), 0);
	assert_int_equal(tell((struct in6_addr){.s6_addr = {4}}, first, 1, 1e6), -ENOSPC);
	release();
}

static void a_successor_goes_on_with_what_is_in_force(void **state)
{
	set_up();
	assert_int_equal(tell(first, second, 2, 1e6), 0);
	assert_int_equal(tell(third, third, 1, 2e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	nic_limits_forget(&limits);
	vnic_programs_close(programs);
	shaper_close(shaper);
	take();
	nic_limits_adopt(&limits, NOW_NS);
	assert_int_equal(class_of(first), SHAPER_CLASSID(0x100));
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_true(shows("5157:100 .*ceil 8Mbit"));
	/* One that is told anew takes its addresses along, in whatever order they were found. */
	assert_int_equal(tell(second, first, 2, 4e6), 0);
	assert_int_equal(nic_limits_apply(&limits, NOW_NS), 0);
	assert_int_equal(class_of(first), class_of(second));
	assert_int_equal(class_of(third), SHAPER_CLASSID(0x101));
	fade(UINT64_MAX / 2);
	assert_int_equal(class_of(first), 0);
	assert_int_equal(class_of(third), 0);
	assert_false(shows("parent 5157:1 .*ceil 16Mbit"));
	release();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_addresses_of_a_peer_share_one_class),
		cmocka_unit_test(an_address_that_moves_to_another_peer_is_limited_as_that),
		cmocka_unit_test(a_limit_that_has_faded_leaves_nothing),
		cmocka_unit_test(a_lifted_limit_keeps_its_class_until_its_queue_is_empty),
		cmocka_unit_test(what_waits_for_a_limit_is_bounded_in_bytes),
		cmocka_unit_test(there_are_only_so_many),
		cmocka_unit_test(a_successor_goes_on_with_what_is_in_force),
	};

	return cmocka_run_group_tests(tests, make_state_directory, remove_state_directory);
}
