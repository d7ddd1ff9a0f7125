/* A guest that does with its ring what it likes. */
#include "../cmocka_all.h"

#include <string.h>

#include "exit_ring_fixture.h"

#define ENTRIES SLUICE_EXIT_RING_ENTRIES

static void assert_stopped(enum sluice_exit_ring_state why)
{
	assert_int_equal(fixture.server.state, why);
	assert_int_equal(fixture.shared.server.state, why);
	assert_false(exit_ring_client_is_served(&fixture.client));
	assert_string_not_equal(exit_ring_state_text(why), "served");
}

static void test_a_request_index_too_far_ahead_stops_the_ring(void **state)
{
	fixture.shared.guest.request_tail = ENTRIES + 1;
	assert_int_equal(exit_ring_poll(&fixture.server), 0);
	assert_stopped(SLUICE_EXIT_RING_BAD_REQUEST_INDEX);
}

static void test_a_request_index_that_goes_back_stops_the_ring(void **state)
{
	fixture_call(fixture_nothing(0, 0));
	fixture.shared.guest.request_tail = 0;
	assert_int_equal(exit_ring_poll(&fixture.server), 0);
	assert_stopped(SLUICE_EXIT_RING_BAD_REQUEST_INDEX);
}

/* What a guest without a client does: synchronous requests, and no completion taken. */
static unsigned serve_untaken(unsigned requests)
{
	unsigned served = 0, count;

	for (unsigned i = 0; i < requests; i++) {
		fixture.shared.requests[i % ENTRIES] = fixture_nothing(i, 0);
		fixture.shared.guest.request_tail++;
		while ((count = exit_ring_poll(&fixture.server)) > 0)
			served += count;
	}
	return served;
}

static void test_more_completions_than_there_is_room_for_stop_the_ring(void **state)
{
	assert_int_equal(serve_untaken(ENTRIES + 1), ENTRIES);
	assert_stopped(SLUICE_EXIT_RING_NO_COMPLETION_LEFT);
}

static void test_a_completion_index_nobody_told_stops_the_ring(void **state)
{
	serve_untaken(ENTRIES);
	fixture.shared.guest.completion_head = 2 * ENTRIES;
	serve_untaken(1);
	assert_stopped(SLUICE_EXIT_RING_BAD_COMPLETION_INDEX);
}

static void test_a_stopped_ring_does_nothing_any_more(void **state)
{
	struct sluice_exit_completion completion;
	const struct sluice_exit_request request = fixture_nothing(0, 0);

	fixture.shared.guest.request_tail = ENTRIES + 1;
	exit_ring_poll(&fixture.server);
	fixture.shared.guest.request_tail = 1;
	fixture.shared.server.state = SLUICE_EXIT_RING_SERVED; /* it is for the guest to read */
	assert_false(exit_ring_is_pending(&fixture.server));
	assert_false(exit_ring_arm(&fixture.server));
	assert_int_equal(exit_ring_poll(&fixture.server), 0);

	fixture.shared.server.state = SLUICE_EXIT_RING_BAD_REQUEST_INDEX;
	assert_false(exit_ring_client_call(&fixture.client, &request, &completion));
	assert_false(exit_ring_client_open(
		&fixture.client, &fixture.shared, 3, fixture.client.ring_doorbell));
}

static void test_the_server_does_not_believe_its_own_line(void **state)
{
	struct sluice_exit_completion completion;

	fixture_call(fixture_nothing(0, 0));
	memset(&fixture.shared.server, 0x5a, sizeof fixture.shared.server);
	fixture.shared.requests[1] = fixture_nothing(7, 0);
	fixture.shared.guest.request_tail = 2;
	assert_int_equal(exit_ring_poll(&fixture.server), 1);
	assert_int_equal(fixture.shared.server.request_head, 2);
	assert_int_equal(fixture.shared.server.completion_tail, 2);
	completion = fixture.shared.completions[1];
	assert_int_equal(completion.cookie, 7);
}

static void test_asking_for_interrupts_all_the_time_costs_whole_polls(void **state)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		fixture.shared.requests[i] =
			(struct sluice_exit_request){.operation = SLUICE_EXIT_SET_INTERRUPT,
				.flags = SLUICE_EXIT_ASYNCHRONOUS,
				.address = 0xfee00000 + i};
	fixture.shared.guest.request_tail = ENTRIES;
	for (unsigned i = 0; i < ENTRIES; i++)
		assert_int_equal(exit_ring_poll(&fixture.server), 1);
}

/* Anything at all in the ring: polls end, and are bounded, and registers are all that is reached. */
static void test_noise_is_survived(void **state)
{
	uint64_t random = 88172645463325252;
	uint8_t *bytes = (uint8_t *)&fixture.shared;

	for (unsigned run = 0; run < 2000; run++) {
		fixture_set_up(NULL);
		for (unsigned step = 0; step < 200; step++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			bytes[random % sizeof fixture.shared] = (uint8_t)(random >> 32);
			fixture.shared.requests[step % ENTRIES].operation %= 8;
			fixture.shared.guest.request_tail += random >> 40 & 1;
			assert_in_range(
				exit_ring_poll(&fixture.server), 0, EXIT_RING_POLL_COST_MAX);
			fixture.console_bytes = 0;
			fixture.console_room = sizeof fixture.console;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			test_a_request_index_too_far_ahead_stops_the_ring, fixture_set_up),
		cmocka_unit_test_setup(
			test_a_request_index_that_goes_back_stops_the_ring, fixture_set_up),
		cmocka_unit_test_setup(
			test_more_completions_than_there_is_room_for_stop_the_ring, fixture_set_up),
		cmocka_unit_test_setup(
			test_a_completion_index_nobody_told_stops_the_ring, fixture_set_up),
		cmocka_unit_test_setup(test_a_stopped_ring_does_nothing_any_more, fixture_set_up),
		cmocka_unit_test_setup(
			test_the_server_does_not_believe_its_own_line, fixture_set_up),
		cmocka_unit_test_setup(
			test_asking_for_interrupts_all_the_time_costs_whole_polls, fixture_set_up),
		cmocka_unit_test_setup(test_noise_is_survived, fixture_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
