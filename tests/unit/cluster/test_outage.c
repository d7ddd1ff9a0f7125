/* When etcd is away, and when it is tried again. */
#include "../cmocka_all.h"

#include "cluster/outage.h"

#define START_NS (1000 * NS_PER_S)

static struct outage outage;

static int set_up(void **state)
{
	outage = (struct outage){.members = 3};
	return 0;
}

/* Fail so often at one time; returns how often that was said to begin an outage. */
static unsigned fail_at(unsigned times, uint64_t now_ns)
{
	unsigned said = 0;

	while (times--)
		said += outage_note_failure(&outage, now_ns);
	return said;
}

static void an_election_is_no_outage(void **state)
{
	outage_note_success(&outage);
	assert_int_equal(fail_at(10, START_NS), 0);
	assert_int_equal(fail_at(10, START_NS + OUTAGE_ELECTION_NS_MAX - 1), 0);
	assert_false(outage.is_away);
	outage_note_success(&outage);
	assert_int_equal(fail_at(10, START_NS + 2 * OUTAGE_ELECTION_NS_MAX), 0);
	assert_false(outage.is_away);
}

static void an_outage_is_said_once(void **state)
{
	outage_note_success(&outage);
	for (unsigned outages = 0; outages < 2; outages++) {
		assert_int_equal(fail_at(10, START_NS), 0);
		assert_int_equal(fail_at(10, START_NS + OUTAGE_ELECTION_NS_MAX), 1);
		assert_true(outage.is_away);
		assert_int_equal(fail_at(10, START_NS + 1000 * NS_PER_S), 0);
		assert_true(outage.is_away);
		outage_note_success(&outage);
		assert_false(outage.is_away);
	}
}

static void members_that_were_not_asked_have_not_failed(void **state)
{
	outage_note_success(&outage);
	assert_int_equal(fail_at(1, START_NS), 0);
	assert_int_equal(fail_at(1, START_NS + 1000 * NS_PER_S), 0);
	assert_false(outage.is_away);
	assert_int_equal(fail_at(1, START_NS + 1000 * NS_PER_S), 1);
	assert_true(outage.is_away);
}

static void who_was_never_served_says_so_at_once(void **state)
{
	assert_int_equal(fail_at(2, START_NS), 0);
	assert_false(outage.is_away);
	assert_int_equal(fail_at(1, START_NS), 1);
	assert_true(outage.is_away);
	assert_int_equal(fail_at(10, START_NS + 1000 * NS_PER_S), 0);
}

static void check_pause(uint64_t pause_ns_max)
{
	fail_at(1, START_NS);
	assert_in_range(outage.retry_ns - START_NS, pause_ns_max / 2, pause_ns_max);
}

static void pauses_double_with_each_round_up_to_a_limit(void **state)
{
	uint64_t pause_ns_max = OUTAGE_PAUSE_NS_MIN;

	while (pause_ns_max < OUTAGE_PAUSE_NS_MAX) {
		for (unsigned i = 0; i < outage.members; i++)
			check_pause(pause_ns_max);
		pause_ns_max *= 2;
	}
	for (unsigned i = 0; i < 100; i++)
		check_pause(OUTAGE_PAUSE_NS_MAX);
	outage_note_success(&outage);
	check_pause(OUTAGE_PAUSE_NS_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_election_is_no_outage, set_up),
		cmocka_unit_test_setup(an_outage_is_said_once, set_up),
		cmocka_unit_test_setup(members_that_were_not_asked_have_not_failed, set_up),
		cmocka_unit_test_setup(who_was_never_served_says_so_at_once, set_up),
		cmocka_unit_test_setup(pauses_double_with_each_round_up_to_a_limit, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
