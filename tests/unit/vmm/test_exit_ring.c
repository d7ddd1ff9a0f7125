/* Both ends of an exit ring, on good terms. */
#include "../cmocka_all.h"

#include <string.h>

#include "exit_ring_fixture.h"

#define ENTRIES SLUICE_EXIT_RING_ENTRIES

static void add(struct sluice_exit_request request)
{
	assert_true(exit_ring_client_add(&fixture.client, &request));
}

/* Until nothing is left. Returns how many polls that took. */
static unsigned serve_all(void)
{
	unsigned polls = 0;

	while (exit_ring_is_pending(&fixture.server)) {
		assert_true(exit_ring_poll(&fixture.server) > 0);
		polls++;
	}
	return polls;
}

/* ---- both classes ---- */

static void test_a_synchronous_request_is_answered(void **state)
{
	const struct sluice_exit_completion completion =
		fixture_call(fixture_nothing(0x1122334455667788, 0));

	assert_int_equal(completion.cookie, 0x1122334455667788);
	assert_int_equal(completion.status, SLUICE_EXIT_DONE);
	assert_int_equal(fixture.server.counters.synchronous, 1);
}

static void test_an_asynchronous_request_is_done_and_not_answered(void **state)
{
	struct sluice_exit_completion completion;

	add((struct sluice_exit_request){.operation = SLUICE_EXIT_PORT_WRITE,
		.flags = SLUICE_EXIT_ASYNCHRONOUS,
		.address = 0x102,
		.size_bytes = 1,
		.value = 0x42});
	exit_ring_client_show(&fixture.client);
	assert_int_equal(exit_ring_poll(&fixture.server), 1);
	assert_int_equal(fixture.ports[2], 0x42);
	assert_false(exit_ring_client_take(&fixture.client, &completion));
	assert_int_equal(fixture.server.counters.asynchronous, 1);
}

/* What was posted while it caught up may come after what it has not caught up with. */
static void test_what_came_before_a_request_is_done_before_it(void **state)
{
	add((struct sluice_exit_request){
		.operation = SLUICE_EXIT_PORT_WRITE, .address = 0x102, .size_bytes = 1});
	exit_ring_client_show(&fixture.client);
	fixture.posts_when_caught_up = 1;
	assert_int_equal(exit_ring_poll(&fixture.server), 1);
	assert_int_equal(fixture.caught_up, 1);
	assert_int_equal(fixture.accesses_when_caught_up, 0);
	assert_int_equal(fixture.accesses, 1);
	assert_int_equal(exit_ring_poll(&fixture.server), 1);
	assert_int_equal(fixture.caught_up, 2);
	assert_int_equal(exit_ring_poll(&fixture.server), 0);
	assert_int_equal(fixture.caught_up, 2);
}

static void test_nothing_is_seen_before_it_is_shown(void **state)
{
	add(fixture_nothing(1, 0));
	assert_false(exit_ring_is_pending(&fixture.server));
	exit_ring_client_show(&fixture.client);
	assert_true(exit_ring_is_pending(&fixture.server));
}

static void test_completions_come_in_order_around_the_end_of_the_ring(void **state)
{
	struct sluice_exit_completion completion;
	uint64_t cookie = 0;

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < 100; i++)
			add(fixture_nothing(
				100 * round + i, i % 3 == 0 ? SLUICE_EXIT_ASYNCHRONOUS : 0));
		exit_ring_client_show(&fixture.client);
		serve_all();
		for (cookie = 100 * round; exit_ring_client_take(&fixture.client, &completion);
			cookie++) {
			cookie += (cookie - 100 * round) % 3 == 0;
			assert_int_equal(completion.cookie, cookie);
		}
	}
	assert_int_equal(fixture.client.synchronous, 0);
}

static void test_indices_wrap(void **state)
{
	const uint32_t nearly = UINT32_MAX - 20;

	fixture.shared.guest.request_tail = fixture.server.request_head =
		fixture.shared.server.request_head = nearly;
	fixture.server.completion_tail = fixture.server.completion_shown =
		fixture.server.completion_head = fixture.shared.server.completion_tail = nearly;
	assert_true(exit_ring_client_open(
		&fixture.client, &fixture.shared, 3, fixture.client.ring_doorbell));
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(fixture_call(fixture_nothing(i, 0)).cookie, i);
	assert_int_equal(fixture.shared.server.request_head, nearly + 100);
}

/* ---- operations ---- */

static struct sluice_exit_request access_of(
	uint16_t operation, uint64_t address, uint32_t size_bytes, uint64_t value)
{
	return (struct sluice_exit_request){.operation = operation,
		.address = address,
		.size_bytes = size_bytes,
		.value = value};
}

static void test_ports_are_read_and_written(void **state)
{
	struct sluice_exit_completion completion;

	completion = fixture_call(access_of(SLUICE_EXIT_PORT_WRITE, 0x104, 4, 0x89abcdef));
	assert_int_equal(completion.status, SLUICE_EXIT_DONE);
	completion = fixture_call(access_of(SLUICE_EXIT_PORT_READ, 0x105, 2, 0));
	assert_int_equal(completion.status, SLUICE_EXIT_DONE);
	assert_int_equal(completion.value, 0xabcd);
}

static void test_memory_registers_are_read_and_written(void **state)
{
	struct sluice_exit_completion completion;

	fixture_call(access_of(SLUICE_EXIT_MEMORY_WRITE, 0xc0000008, 8, 0x0123456789abcdef));
	completion = fixture_call(access_of(SLUICE_EXIT_MEMORY_READ, 0xc0000008, 8, 0));
	assert_int_equal(completion.value, 0x0123456789abcdef);
}

static void test_what_nobody_has_reads_as_ones(void **state)
{
	assert_int_equal(fixture_call(access_of(SLUICE_EXIT_PORT_READ, 0x80, 2, 0)).value, 0xffff);
}

static void test_the_console_takes_bytes_of_guest_memory(void **state)
{
	struct sluice_exit_completion completion;

	memcpy(fixture.memory + 7, "hello", 5);
	completion = fixture_call(
		access_of(SLUICE_EXIT_CONSOLE_WRITE, FIXTURE_MEMORY_ADDRESS + 7, 5, 0));
	assert_int_equal(completion.status, SLUICE_EXIT_DONE);
	assert_int_equal(completion.value, 5);
	assert_memory_equal(fixture.console, "hello", 5);
}

static void test_a_console_that_is_behind_takes_what_it_can(void **state)
{
	fixture.console_room = 3;
	assert_int_equal(
		fixture_call(access_of(SLUICE_EXIT_CONSOLE_WRITE, FIXTURE_MEMORY_ADDRESS, 5, 0))
			.value,
		3);
}

static void test_refusals_have_no_effect(void **state)
{
	static const struct {
		struct sluice_exit_request request;
		enum sluice_exit_status status;
	} cases[] = {
		{{.operation = SLUICE_EXIT_OPERATION_COUNT}, SLUICE_EXIT_NO_SUCH_OPERATION},
		{{.operation = UINT16_MAX}, SLUICE_EXIT_NO_SUCH_OPERATION},
		{{.operation = SLUICE_EXIT_NOTHING, .flags = 2}, SLUICE_EXIT_BAD_FLAGS},
		{{.operation = SLUICE_EXIT_PORT_READ, .size_bytes = 0}, SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_PORT_READ, .size_bytes = 3}, SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_PORT_WRITE, .size_bytes = 8}, SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_PORT_WRITE, .size_bytes = 33}, SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_PORT_WRITE, .size_bytes = UINT32_MAX},
			SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_PORT_READ, .size_bytes = 2, .address = 0xffff},
			SLUICE_EXIT_BAD_ADDRESS},
		{{.operation = SLUICE_EXIT_PORT_READ, .size_bytes = 1, .address = 0x10000},
			SLUICE_EXIT_BAD_ADDRESS},
		{{.operation = SLUICE_EXIT_MEMORY_READ, .size_bytes = 16}, SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_MEMORY_WRITE,
			 .size_bytes = 8,
			 .address = UINT64_MAX - 6},
			SLUICE_EXIT_BAD_ADDRESS},
		{{.operation = SLUICE_EXIT_CONSOLE_WRITE,
			 .size_bytes = SLUICE_EXIT_CONSOLE_BYTES_MAX + 1,
			 .address = FIXTURE_MEMORY_ADDRESS},
			SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_CONSOLE_WRITE, .address = FIXTURE_MEMORY_ADDRESS},
			SLUICE_EXIT_BAD_SIZE},
		{{.operation = SLUICE_EXIT_CONSOLE_WRITE,
			 .size_bytes = 2,
			 .address = FIXTURE_MEMORY_ADDRESS + FIXTURE_MEMORY_BYTES - 1},
			SLUICE_EXIT_BAD_ADDRESS},
		{{.operation = SLUICE_EXIT_SET_INTERRUPT, .address = 1, .value = 1ull << 32},
			SLUICE_EXIT_BAD_SIZE},
	};

	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(fixture_call(cases[i].request).status, cases[i].status);
	assert_int_equal(fixture.accesses, 0);
	assert_int_equal(fixture.server.counters.refused, sizeof cases / sizeof *cases);
	assert_int_equal(fixture.server.state, SLUICE_EXIT_RING_SERVED);
}

/* ---- back-pressure, and taking turns ---- */

static void test_a_full_ring_takes_no_more(void **state)
{
	const struct sluice_exit_request request = fixture_nothing(0, SLUICE_EXIT_ASYNCHRONOUS);

	for (unsigned i = 0; i < ENTRIES; i++)
		add(request);
	assert_false(exit_ring_client_add(&fixture.client, &request));
	exit_ring_client_show(&fixture.client);
	serve_all();
	assert_true(exit_ring_client_add(&fixture.client, &request));
}

static void test_a_synchronous_request_needs_room_for_its_completion(void **state)
{
	const struct sluice_exit_request request = fixture_nothing(0, 0);
	struct sluice_exit_completion completion;

	for (unsigned i = 0; i < ENTRIES; i++)
		add(request);
	exit_ring_client_show(&fixture.client);
	serve_all();
	assert_false(exit_ring_client_add(&fixture.client, &request));
	add(fixture_nothing(0, SLUICE_EXIT_ASYNCHRONOUS));
	assert_true(exit_ring_client_take(&fixture.client, &completion));
	add(request);
	exit_ring_client_show(&fixture.client);
	serve_all();
	assert_int_equal(fixture.server.state, SLUICE_EXIT_RING_SERVED);
}

static void test_a_poll_is_bounded(void **state)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		add(fixture_nothing(i, 0));
	exit_ring_client_show(&fixture.client);
	assert_int_equal(exit_ring_poll(&fixture.server), EXIT_RING_POLL_COST_MAX);
	assert_int_equal(serve_all(), ENTRIES / EXIT_RING_POLL_COST_MAX - 1);
}

static void test_a_long_request_takes_a_whole_poll(void **state)
{
	add(access_of(SLUICE_EXIT_CONSOLE_WRITE, FIXTURE_MEMORY_ADDRESS, 5, 0));
	add(access_of(SLUICE_EXIT_CONSOLE_WRITE, FIXTURE_MEMORY_ADDRESS, 5, 0));
	exit_ring_client_show(&fixture.client);
	assert_int_equal(serve_all(), 2);
}

/* ---- waking each other ---- */

static void test_a_server_that_polls_is_not_woken(void **state)
{
	fixture_call(fixture_nothing(0, 0));
	assert_int_equal(fixture.doorbells, 0);
}

static void test_a_server_that_sleeps_is_woken_once(void **state)
{
	assert_false(exit_ring_arm(&fixture.server));
	for (unsigned i = 0; i < 3; i++) {
		add(fixture_nothing(i, 0));
		exit_ring_client_show(&fixture.client);
	}
	assert_int_equal(fixture.doorbells, 1);
	exit_ring_disarm(&fixture.server);
	serve_all();
	add(fixture_nothing(3, 0));
	exit_ring_client_show(&fixture.client);
	assert_int_equal(fixture.doorbells, 1);
}

static void test_a_server_does_not_fall_asleep_over_a_request(void **state)
{
	add(fixture_nothing(0, 0));
	exit_ring_client_show(&fixture.client);
	assert_true(exit_ring_arm(&fixture.server));
}

static void set_interrupt(void)
{
	const struct sluice_exit_completion completion =
		fixture_call(access_of(SLUICE_EXIT_SET_INTERRUPT, 0xfee01000, 0, 0x41));

	assert_int_equal(completion.status, SLUICE_EXIT_DONE);
}

static void test_a_guest_that_wants_an_interrupt_gets_one(void **state)
{
	set_interrupt();
	assert_int_equal(fixture.message_address, 0xfee01000);
	assert_int_equal(fixture.message_data, 0x41);
	assert_true(exit_ring_client_want_interrupt(&fixture.client));
	for (unsigned i = 0; i < 3; i++) {
		add(fixture_nothing(i, 0));
		exit_ring_client_show(&fixture.client);
		serve_all();
	}
	assert_int_equal(fixture.interrupts, 1);
	assert_int_equal(fixture.server.counters.interrupts, 1);
	assert_false(exit_ring_client_want_interrupt(&fixture.client));
}

static void test_a_guest_that_polls_is_not_interrupted(void **state)
{
	set_interrupt();
	for (unsigned i = 0; i < 300; i++)
		fixture_call(fixture_nothing(i, 0));
	assert_int_equal(fixture.interrupts, 0);
}

static void test_without_a_message_nobody_is_interrupted(void **state)
{
	set_interrupt();
	fixture_call(access_of(SLUICE_EXIT_SET_INTERRUPT, 0, 0, 0));
	assert_true(exit_ring_client_want_interrupt(&fixture.client));
	fixture_call(fixture_nothing(0, 0));
	assert_int_equal(fixture.interrupts, 0);
}

static void test_a_message_that_cannot_be_set_is_none(void **state)
{
	fixture.set_interrupt_result = -1;
	assert_int_equal(
		fixture_call(access_of(SLUICE_EXIT_SET_INTERRUPT, 0xfee00000, 0, 0x41)).status,
		SLUICE_EXIT_FAILED);
	assert_true(exit_ring_client_want_interrupt(&fixture.client));
	fixture_call(fixture_nothing(0, 0));
	assert_int_equal(fixture.interrupts, 0);
}

/* ---- a kernel after another ---- */

static void test_the_next_kernel_goes_on_where_the_last_stopped(void **state)
{
	const struct exit_ring_client last = fixture.client;
	struct sluice_exit_completion completion;

	for (unsigned i = 0; i < 50; i++)
		add(fixture_nothing(i, 0));
	exit_ring_client_show(&fixture.client);
	serve_all();
	assert_true(exit_ring_client_open(
		&fixture.client, &fixture.shared, last.index, last.ring_doorbell));
	assert_false(exit_ring_client_take(&fixture.client, &completion));
	for (unsigned i = 0; i < 2 * ENTRIES; i++)
		assert_int_equal(fixture_call(fixture_nothing(i, 0)).cookie, i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_synchronous_request_is_answered, fixture_set_up),
		cmocka_unit_test_setup(
			test_an_asynchronous_request_is_done_and_not_answered, fixture_set_up),
		cmocka_unit_test_setup(
			test_what_came_before_a_request_is_done_before_it, fixture_set_up),
		cmocka_unit_test_setup(test_nothing_is_seen_before_it_is_shown, fixture_set_up),
		cmocka_unit_test_setup(
			test_completions_come_in_order_around_the_end_of_the_ring, fixture_set_up),
		cmocka_unit_test_setup(test_indices_wrap, fixture_set_up),
		cmocka_unit_test_setup(test_ports_are_read_and_written, fixture_set_up),
		cmocka_unit_test_setup(test_memory_registers_are_read_and_written, fixture_set_up),
		cmocka_unit_test_setup(test_what_nobody_has_reads_as_ones, fixture_set_up),
		cmocka_unit_test_setup(
			test_the_console_takes_bytes_of_guest_memory, fixture_set_up),
		cmocka_unit_test_setup(
			test_a_console_that_is_behind_takes_what_it_can, fixture_set_up),
		cmocka_unit_test_setup(test_refusals_have_no_effect, fixture_set_up),
		cmocka_unit_test_setup(test_a_full_ring_takes_no_more, fixture_set_up),
		cmocka_unit_test_setup(
			test_a_synchronous_request_needs_room_for_its_completion, fixture_set_up),
		cmocka_unit_test_setup(test_a_poll_is_bounded, fixture_set_up),
		cmocka_unit_test_setup(test_a_long_request_takes_a_whole_poll, fixture_set_up),
		cmocka_unit_test_setup(test_a_server_that_polls_is_not_woken, fixture_set_up),
		cmocka_unit_test_setup(test_a_server_that_sleeps_is_woken_once, fixture_set_up),
		cmocka_unit_test_setup(
			test_a_server_does_not_fall_asleep_over_a_request, fixture_set_up),
		cmocka_unit_test_setup(
			test_a_guest_that_wants_an_interrupt_gets_one, fixture_set_up),
		cmocka_unit_test_setup(test_a_guest_that_polls_is_not_interrupted, fixture_set_up),
		cmocka_unit_test_setup(
			test_without_a_message_nobody_is_interrupted, fixture_set_up),
		cmocka_unit_test_setup(test_a_message_that_cannot_be_set_is_none, fixture_set_up),
		cmocka_unit_test_setup(
			test_the_next_kernel_goes_on_where_the_last_stopped, fixture_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
