/* Both ends in threads of their own, which sleep and wake each other as a guest and a sidecore do. */
#include "../cmocka_all.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "exit_ring_fixture.h"

#define REQUESTS 40000u

static sem_t doorbell, calls;
static atomic_bool is_over;

static void ring_doorbell(uint32_t index)
{
	sem_post(&doorbell);
}

static int set_message(void *context, uint64_t address, uint32_t data)
{
	return 0;
}

static void call(void *context)
{
	sem_post(&calls);
}

static void *serve(void *argument)
{
	unsigned idle = 0;

	while (!atomic_load(&is_over)) {
		idle = exit_ring_poll(&fixture.server) ? 0 : idle + 1;
		if (idle < 3)
			continue;
		if (!exit_ring_arm(&fixture.server))
			sem_wait(&doorbell);
		exit_ring_disarm(&fixture.server);
		idle = 0;
	}
	return NULL;
}

/* A lost wake-up in either direction would make this wait for ever. */
static void take_or_sleep(uint64_t *expected)
{
	struct sluice_exit_completion completion;
	unsigned taken = 0;

	while (exit_ring_client_take(&fixture.client, &completion)) {
		assert_int_equal(completion.status, SLUICE_EXIT_DONE);
		assert_int_equal(completion.cookie, *expected);
		*expected += 2;
		taken++;
	}
	if (!taken && exit_ring_client_want_interrupt(&fixture.client))
		sem_wait(&calls);
}

/* Every second request is asynchronous; batches of 1 to 7. */
static void drive(void)
{
	uint64_t expected = 0;

	for (unsigned i = 0; i < REQUESTS;) {
		for (unsigned batch = i % 7 + 1; batch > 0 && i < REQUESTS; batch--) {
			const struct sluice_exit_request request =
				fixture_nothing(i, i % 2 ? SLUICE_EXIT_ASYNCHRONOUS : 0);

			if (!exit_ring_client_add(&fixture.client, &request))
				break;
			i++;
		}
		exit_ring_client_show(&fixture.client);
		if (fixture.client.synchronous > i % 64)
			take_or_sleep(&expected);
	}
	while (fixture.client.synchronous)
		take_or_sleep(&expected);
	assert_int_equal(expected, REQUESTS);
}

static void test_two_threads_lose_nothing(void **state)
{
	const struct sluice_exit_request message = {
		.operation = SLUICE_EXIT_SET_INTERRUPT, .address = 0xfee00000};
	pthread_t server;

	fixture.server.config.set_interrupt = set_message;
	fixture.server.config.interrupt = call;
	fixture.client.ring_doorbell = ring_doorbell;
	assert_int_equal(fixture_call(message).status, SLUICE_EXIT_DONE);
	sem_init(&doorbell, 0, 0);
	sem_init(&calls, 0, 0);
	assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
	drive();
	atomic_store(&is_over, true);
	sem_post(&doorbell);
	pthread_join(server, NULL);
	assert_int_equal(fixture.server.state, SLUICE_EXIT_RING_SERVED);
	assert_int_equal(fixture.server.counters.synchronous, 1 + REQUESTS / 2);
	sem_destroy(&calls);
	sem_destroy(&doorbell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_two_threads_lose_nothing, fixture_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
