/* Classes on a real veth, in a network namespace of their own; skipped without the rights. */
#include "../cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gatekeeper/netdev/shaper.h"
#include "own_network.h"
#include "state_directory.h"

#define LINK 125000000u

static struct shaper *shaper;

static void take(void)
{
	struct error error;

	if (shaper_open("v0", LINK, state_directory, &shaper, &error) < 0)
		fail_msg("%s", error.message);
}

static void set(uint16_t minor, uint16_t parent, uint64_t rate, uint64_t ceil)
{
	struct shaper_class class = {.minor = minor, .parent = parent, .rate = rate, .ceil = ceil};

	assert_int_equal(shaper_set(shaper, &class), 0);
}

/* Whether `tc` shows a class with these words. */
static bool shows(const char *words)
{
	char command[256];

	snprintf(command, sizeof command, "tc class show dev v0 | grep -q -- '%s'", words);
	return run(command);
}

static void a_class_has_a_rate_and_a_ceiling(void **state)
{
	need_own_network();
	take();
	set(0x10, SHAPER_LINK, LINK / 2, LINK);
	assert_true(shows("htb 5157:10 parent 5157:1 .*rate 500Mbit ceil 1Gbit"));
	shaper_remove(shaper);
}

static void a_class_can_be_changed_and_removed(void **state)
{
	need_own_network();
	take();
	set(0x10, SHAPER_LINK, LINK / 2, LINK);
	set(0x10, SHAPER_LINK, LINK / 4, LINK / 2);
	assert_true(shows("htb 5157:10 parent 5157:1 .*rate 250Mbit ceil 500Mbit"));
	assert_int_equal(shaper_unset(shaper, 0x10), 0);
	assert_false(shows("5157:10"));
	assert_int_equal(shaper_unset(shaper, 0x10), 0);
	shaper_remove(shaper);
}

static void classes_have_children(void **state)
{
	need_own_network();
	take();
	set(0x10, SHAPER_LINK, LINK / 2, LINK);
	set(0x1000, 0x10, 1000000, 2000000);
	assert_true(shows("htb 5157:1000 parent 5157:10 .*rate 8Mbit ceil 16Mbit"));
	assert_true(shaper_unset(shaper, 0x10) < 0);
	shaper_remove(shaper);
}

static void a_successor_finds_the_classes(void **state)
{
	need_own_network();
	take();
	set(0x10, SHAPER_LINK, LINK / 2, LINK);
	shaper_close(shaper);
	take();
	assert_true(shows("htb 5157:10 parent 5157:1"));
	shaper_remove(shaper);
}

static void nothing_is_left_behind(void **state)
{
	need_own_network();
	take();
	shaper_remove(shaper);
	assert_false(run("tc qdisc show dev v0 | grep -q htb"));
}

struct seen {
	uint16_t minor; /* to look for */
	bool is_there;
	uint64_t ceil;
	struct shaper_counters counters;
};

static void see(
	void *context, uint16_t minor, uint64_t ceil, const struct shaper_counters *counters)
{
	struct seen *seen = context;

	if (minor == seen->minor)
		*seen = (struct seen){minor, true, ceil, *counters};
}

static struct seen look_for(uint16_t minor)
{
	struct seen seen = {.minor = minor};

	assert_int_equal(shaper_visit(shaper, see, &seen), 0);
	return seen;
}

static void siblings_borrow_by_weight(void **state)
{
	struct shaper_class class = {
		.minor = 0x10, .parent = SHAPER_LINK, .rate = 1000, .ceil = LINK, .weight = 4};

	need_own_network();
	take();
	assert_int_equal(shaper_set(shaper, &class), 0);
	assert_true(run("tc -d class show dev v0 | grep '5157:10 ' | grep -q 'quantum 262144'"));
	shaper_remove(shaper);
}

static void the_netdevs_rate_can_change(void **state)
{
	need_own_network();
	take();
	assert_int_equal(shaper_set_link(shaper, LINK / 10), 0);
	assert_int_equal(look_for(SHAPER_LINK).ceil, LINK / 10);
	assert_int_equal(look_for(SHAPER_HOST).ceil, LINK / 10);
	shaper_remove(shaper);
}

static void what_nobody_classified_is_counted_as_the_hosts(void **state)
{
	struct seen seen;

	need_own_network();
	take();
	assert_true(
		run("ip addr add 10.0.0.1/24 dev v0; ping -c 1 -W 1 10.0.0.2 >/dev/null; true"));
	seen = look_for(SHAPER_HOST);
	assert_true(seen.counters.packets > 0);
	assert_true(seen.counters.bytes > 0);
	assert_int_equal(seen.ceil, LINK);
	assert_false(look_for(0x77).is_there);
	shaper_remove(shaper);
}

static void a_netdev_that_is_not_there_is_named(void **state)
{
	struct error error;

	assert_int_equal(shaper_open("nowhere", LINK, state_directory, &shaper, &error), -ENODEV);
	assert_non_null(strstr(error.message, "nowhere"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siblings_borrow_by_weight),
		cmocka_unit_test(the_netdevs_rate_can_change),
		cmocka_unit_test(a_class_has_a_rate_and_a_ceiling),
		cmocka_unit_test(a_class_can_be_changed_and_removed),
		cmocka_unit_test(classes_have_children),
		cmocka_unit_test(a_successor_finds_the_classes),
		cmocka_unit_test(nothing_is_left_behind),
		cmocka_unit_test(what_nobody_classified_is_counted_as_the_hosts),
		cmocka_unit_test(a_netdev_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, make_state_directory, remove_state_directory);
}
