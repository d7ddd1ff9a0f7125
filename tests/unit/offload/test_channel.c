/* Messages through both ends of a module channel, with each way in. */
#include "echo_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void request_is_answered(void **state)
{
	struct channel_connection *connection = join();

	expect_echo(connection, 1);
	channel_disconnect(connection);
}

static void empty_request_is_answered(void **state)
{
	struct channel_connection *connection = join();

	expect_echo(connection, 0);
	channel_disconnect(connection);
}

static void messages_of_all_sizes_wrap_around_the_ring(void **state)
{
	struct channel_connection *connection = join();

	for (size_t bytes = 0; bytes < 3000; bytes += 7)
		expect_echo(connection, bytes);
	channel_disconnect(connection);
}

static void messages_larger_than_a_ring_are_streamed(void **state)
{
	struct channel_connection *connection = join();

	expect_echo(connection, (1u << 20) + 13);
	expect_echo(connection, 8u << 20);
	expect_echo(connection, 5);
	channel_disconnect(connection);
}

static void message_that_is_too_large_is_refused_and_the_connection_goes_on(void **state)
{
	struct channel_connection *connection = join();
	uint8_t *data = calloc(1, (8u << 20) + 1);
	const struct iovec part = {data, (8u << 20) + 1};

	assert_int_equal(channel_message_bytes_max(channel), 8u << 20);
	assert_int_equal(channel_send(connection, &part, 1), -EMSGSIZE);
	expect_echo(connection, 100);
	channel_disconnect(connection);
	free(data);
}

static void parts_are_sent_one_after_the_other(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec parts[] = {{"e", 1}, {NULL, 0}, {"cho", 3}, {"", 0}, {"es", 2}};
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_call(connection, parts, 5, &reply, &bytes), 0);
	assert_int_equal(bytes, 6);
	assert_memory_equal(reply, "echoes", 6);
	channel_disconnect(connection);
}

static void requests_in_a_row_are_answered_in_their_order(void **state)
{
	struct channel_connection *connection = join();
	uint32_t request[256] = {0};
	const struct iovec part = {request, sizeof request};
	const void *reply;
	size_t bytes;

	/* More than both rings hold, so that sending has to receive. */
	for (uint32_t i = 0; i < 2000; i++) {
		request[0] = ECHO;
		request[1] = i;
		assert_int_equal(channel_send(connection, &part, 1), 0);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		assert_int_equal(channel_receive(connection, &reply, &bytes), 0);
		assert_int_equal(bytes, sizeof request);
		assert_int_equal(((const uint32_t *)reply)[1], i);
	}
	channel_disconnect(connection);
}

/* Who is held up between sending and receiving need not wait at all: so these tests go on until it has. */
static void answer_that_takes_its_time_is_slept_for(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec part = {"later", 5};
	struct channel_counters counters;
	const void *reply;
	size_t bytes;

	do {
		assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
		assert_int_equal(bytes, 5);
		channel_counters(channel, &counters);
	} while (counters.sleeps < 20);
	channel_disconnect(connection);
}

/* As if nobody else wanted its CPU, for the next 62 waits: what else the machine does is not the test's matter. */
static void have_a_cpu_alone(void)
{
	*channel_cpu_of_thread() = (struct channel_cpu){.waits = 1};
}

/* Of the client, while an answer that takes its time comes. */
static uint64_t sleeps_for_one(struct channel_connection *connection)
{
	const struct iovec part = {"later", 5};
	struct channel_counters before, after;
	const void *reply;
	size_t bytes;

	channel_counters(channel, &before);
	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	channel_counters(channel, &after);
	return after.sleeps - before.sleeps;
}

static uint64_t sleeps_for_one_alone(struct channel_connection *connection)
{
	have_a_cpu_alone();
	return sleeps_for_one(connection);
}

static void answer_that_is_known_to_take_its_time_is_not_polled_for(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec part = {"later", 5};
	struct channel_counters counters;
	const void *reply;
	size_t bytes;

	have_a_cpu_alone();
	connection->poll_ns_max = (uint64_t)60 * 1000000000;
	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	channel_counters(channel, &counters);
	assert_int_equal(counters.sleeps, 0);
	do {
		assert_int_equal(channel_send(connection, &part, 1), 0);
		channel_expect_delay(connection);
		assert_int_equal(channel_receive(connection, &reply, &bytes), 0);
		channel_counters(channel, &counters);
	} while (counters.sleeps == 0);
	assert_int_equal(connection->trust, CHANNEL_TRUST_MAX);
	channel_disconnect(connection);
}

static void client_stops_polling_in_vain_and_tries_again_now_and_then(void **state)
{
	struct channel_connection *connection = join();
	uint64_t sleeps = 0;

	connection->poll_ns_max = 1;
	while (connection->trust > 0)
		sleeps_for_one_alone(connection);
	connection->poll_ns_max = (uint64_t)60 * 1000000000;
	while (connection->trust == 0)
		sleeps += sleeps_for_one_alone(connection);
	assert_true(sleeps > 0);
	while (connection->trust < CHANNEL_TRUST_MAX)
		assert_int_equal(sleeps_for_one_alone(connection), 0);
	channel_disconnect(connection);
}

static void client_whose_cpu_others_want_does_not_poll(void **state)
{
	struct channel_cpu cpu = {.is_known = false};
	struct channel_connection *connection = join();
	uint64_t sleeps = 0;

	channel_cpu_learn(&cpu, 5000000000);
	assert_false(cpu.is_shared);
	channel_cpu_learn(&cpu, 5001000000);
	assert_false(cpu.is_shared);
	channel_cpu_learn(&cpu, 5003000000);
	assert_true(cpu.is_shared);
	channel_cpu_learn(&cpu, 5003000000);
	assert_false(cpu.is_shared);

	connection->poll_ns_max = (uint64_t)60 * 1000000000;
	*channel_cpu_of_thread() = (struct channel_cpu){.is_shared = true, .waits = 1};
	while (sleeps == 0)
		sleeps = sleeps_for_one(connection);
	channel_disconnect(connection);
}

static void large_answer_to_a_small_request_comes_whole(void **state)
{
	struct channel_connection *connection = join();
	uint8_t request[5] = {ECHO_LARGE};
	const uint32_t wanted = 3000001;
	const struct iovec part = {request, sizeof request};
	const void *reply;
	size_t bytes;

	memcpy(request + 1, &wanted, sizeof wanted);
	assert_int_equal(channel_call(connection, &part, 1, &reply, &bytes), 0);
	assert_int_equal(bytes, wanted);
	assert_int_equal(((const uint8_t *)reply)[wanted - 1], 'x');
	channel_disconnect(connection);
}

static void wait_until_the_host_sleeps(const struct channel_connection *connection)
{
	while (!(read_shared(connection->slot->host.sleeps) & SLUICE_CHANNEL_WAKE_FOR_DATA))
		sched_yield();
}

static uint64_t doorbells(void)
{
	struct channel_counters counters;

	channel_counters(channel, &counters);
	return counters.doorbells;
}

static void what_is_posted_wakes_nobody_before_its_answer_is_wanted(void **state)
{
	struct channel_connection *connection = join();
	const struct iovec part = {"echo me", 7};
	const void *reply;
	size_t bytes;

	for (unsigned i = 0; i < 20; i++) {
		const uint64_t before = doorbells();

		wait_until_the_host_sleeps(connection);
		assert_int_equal(channel_post(connection, &part, 1), 0);
		assert_int_equal(channel_post(connection, &part, 1), 0);
		assert_int_equal(doorbells(), before);
		for (unsigned answer = 0; answer < 2; answer++) {
			assert_int_equal(channel_receive(connection, &reply, &bytes), 0);
			assert_int_equal(bytes, 7);
		}
	}
	channel_disconnect(connection);
}

static void nothing_is_received_that_was_not_asked_for(void **state)
{
	struct channel_connection *connection = join();
	const void *reply;
	size_t bytes;

	assert_int_equal(channel_receive(connection, &reply, &bytes), -EINVAL);
	expect_echo(connection, 9);
	assert_int_equal(channel_receive(connection, &reply, &bytes), -EINVAL);
	channel_disconnect(connection);
}

static void counters_count(void **state)
{
	struct channel_connection *connection = join();
	struct channel_counters counters;

	expect_echo(connection, 100);
	expect_echo(connection, 200);
	channel_disconnect(connection);
	channel_counters(channel, &counters);
	assert_int_equal(counters.requests, 2);
	assert_int_equal(counters.bytes_sent, 300);
	assert_int_equal(counters.bytes_received, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_WAYS(request_is_answered),
		BOTH_WAYS(empty_request_is_answered),
		BOTH_WAYS(messages_of_all_sizes_wrap_around_the_ring),
		BOTH_WAYS(messages_larger_than_a_ring_are_streamed),
		BOTH_WAYS(message_that_is_too_large_is_refused_and_the_connection_goes_on),
		BOTH_WAYS(parts_are_sent_one_after_the_other),
		BOTH_WAYS(requests_in_a_row_are_answered_in_their_order),
		BOTH_WAYS(answer_that_takes_its_time_is_slept_for),
		BOTH_WAYS(answer_that_is_known_to_take_its_time_is_not_polled_for),
		BOTH_WAYS(client_stops_polling_in_vain_and_tries_again_now_and_then),
		BOTH_WAYS(client_whose_cpu_others_want_does_not_poll),
		BOTH_WAYS(large_answer_to_a_small_request_comes_whole),
		BOTH_WAYS(what_is_posted_wakes_nobody_before_its_answer_is_wanted),
		BOTH_WAYS(nothing_is_received_that_was_not_asked_for),
		BOTH_WAYS(counters_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
