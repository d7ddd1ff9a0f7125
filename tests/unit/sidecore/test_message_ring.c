#include "../cmocka_all.h"

#include <pthread.h>
#include <sched.h>

#include "sidecore/message_ring.h"

static struct message_ring ring;

static int reset(void **state)
{
	message_ring_init(&ring);
	return 0;
}

static void nothing(void *argument)
{
}

static struct message numbered(uintptr_t number)
{
	return (struct message){.function = nothing, .argument = (void *)number};
}

static void empty_ring_has_nothing_to_receive(void **state)
{
	struct message message;

	assert_false(message_ring_pending(&ring));
	assert_false(message_ring_receive(&ring, &message));
}

static void messages_arrive_in_order_over_many_laps(void **state)
{
	struct message message;

	for (uintptr_t i = 0; i < 10 * MESSAGE_RING_CELLS; i++) {
		assert_true(message_ring_send(&ring, numbered(2 * i)));
		assert_true(message_ring_send(&ring, numbered(2 * i + 1)));
		for (uintptr_t j = 0; j < 2; j++) {
			assert_true(message_ring_receive(&ring, &message));
			assert_int_equal((uintptr_t)message.argument, 2 * i + j);
		}
	}
}

static void full_ring_refuses_until_one_is_received(void **state)
{
	struct message message;

	for (uintptr_t i = 0; i < MESSAGE_RING_CELLS; i++)
		assert_true(message_ring_send(&ring, numbered(i)));
	assert_false(message_ring_send(&ring, numbered(0)));
	assert_true(message_ring_receive(&ring, &message));
	assert_true(message_ring_send(&ring, numbered(0)));
}

#define SENDERS 4u
#define MESSAGES_PER_SENDER 20000u

static void *send_many(void *argument)
{
	uintptr_t sender = (uintptr_t)argument;

	for (uintptr_t i = 0; i < MESSAGES_PER_SENDER; i++)
		while (!message_ring_send(&ring, numbered(sender << 32 | i)))
			sched_yield();
	return NULL;
}

static void many_senders_lose_nothing_and_keep_their_own_order(void **state)
{
	uint64_t expected[SENDERS] = {0};
	pthread_t threads[SENDERS];
	struct message message;

	for (uintptr_t i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_many, (void *)i);
	for (unsigned received = 0; received < SENDERS * MESSAGES_PER_SENDER;) {
		if (!message_ring_receive(&ring, &message)) {
			sched_yield();
			continue;
		}
		uintptr_t value = (uintptr_t)message.argument;

		assert_int_equal(value & 0xffffffff, expected[value >> 32]++);
		received++;
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_false(message_ring_pending(&ring));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(empty_ring_has_nothing_to_receive, reset),
		cmocka_unit_test_setup(messages_arrive_in_order_over_many_laps, reset),
		cmocka_unit_test_setup(full_ring_refuses_until_one_is_received, reset),
		cmocka_unit_test_setup(many_senders_lose_nothing_and_keep_their_own_order, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
