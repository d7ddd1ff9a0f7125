/* Calls of guests: when they leave, and by which descriptor. */
#include "../cmocka_all.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/counter.h"
#include "sidecore/sidecore.h"

/* A guest to call, and a poller that works as long as it is unclear whether to. */
static struct {
	struct poller poller;
	struct caller caller;
	enum call_wish wish;
	unsigned unclear; /* more questions that are answered so */
} guest;

static struct sidecore *sidecore;

static unsigned wait_for_a_clear_wish(struct poller *poller, uint64_t now_ns)
{
	return __atomic_load_n(&guest.unclear, __ATOMIC_SEQ_CST);
}

static bool arm(struct poller *poller)
{
	return false;
}

static void disarm(struct poller *poller)
{
}

static int set_up(void **state)
{
	const struct sidecore_config config = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct error error;

	memset(&guest, 0, sizeof guest);
	guest.poller = (struct poller){.poll = wait_for_a_clear_wish, .arm = arm, .disarm = disarm};
	assert_int_equal(sidecore_start(&config, &sidecore, &error), 0);
	guest.caller.sidecore = sidecore;
	guest.caller.fd = eventfd(0, EFD_NONBLOCK);
	return 0;
}

static int tear_down(void **state)
{
	sidecore_stop(sidecore);
	close(guest.caller.fd);
	return 0;
}

/* Tests wait for states, with a limit that only a hang reaches. */
static bool eventually(bool (*is_true)(void))
{
	for (unsigned i = 0; i < 20000; i++) {
		if (is_true())
			return true;
		usleep(1000);
	}
	return false;
}

static void call_guest_three_times(void *argument)
{
	for (unsigned i = 0; i < 3; i++)
		sidecore_ring_caller(&guest.caller);
}

static bool guest_was_called(void)
{
	uint64_t value;

	return read(guest.caller.fd, &value, sizeof value) == sizeof value;
}

static void calls_in_one_round_are_merged(void **state)
{
	sidecore_call(sidecore, call_guest_three_times, NULL);
	assert_true(eventually(guest_was_called));
	usleep(10000);
	assert_int_equal(counter_get(&sidecore_counters(sidecore)->calls_sent), 2);
}

/* What a guest that polls has seen by then, it need not be told of. */
static enum call_wish wish_for_call(struct caller *caller, bool is_last)
{
	if (is_last || __atomic_load_n(&guest.unclear, __ATOMIC_SEQ_CST) == 0)
		return guest.wish;
	__atomic_fetch_sub(&guest.unclear, 1, __ATOMIC_SEQ_CST);
	return CALL_UNCLEAR;
}

static void offer_two_calls(void *argument)
{
	guest.caller.wish = wish_for_call;
	guest.wish = argument ? CALL_WANTED : CALL_UNWANTED;
	sidecore_offer_call(&guest.caller);
	sidecore_offer_call(&guest.caller);
}

static void call_that_was_offered_leaves_if_it_is_due(void **state)
{
	sidecore_call(sidecore, offer_two_calls, NULL);
	usleep(10000);
	assert_false(guest_was_called());
	sidecore_call(sidecore, offer_two_calls, &guest);
	assert_true(eventually(guest_was_called));
	assert_int_equal(counter_get(&sidecore_counters(sidecore)->calls_sent), 1);
}

static void add_poller(void *argument)
{
	sidecore_add_poller(sidecore, &guest.poller);
}

static void wake_poller(void *argument)
{
	sidecore_wake_poller(sidecore, &guest.poller);
}

static void remove_poller(void *argument)
{
	sidecore_remove_poller(sidecore, &guest.poller);
}

static bool unclear_is_over(void)
{
	return __atomic_load_n(&guest.unclear, __ATOMIC_SEQ_CST) == 0;
}

/* Without a poller there is no other round: the first answer counts. */
static void call_whose_wish_is_unclear_is_asked_for_again(void **state)
{
	for (unsigned polls = 0; polls < 2; polls++) {
		__atomic_store_n(&guest.unclear, 2, __ATOMIC_SEQ_CST);
		if (polls)
			sidecore_call(sidecore, add_poller, NULL);
		sidecore_call(sidecore, offer_two_calls, &guest);
		assert_true(eventually(guest_was_called));
		assert_int_equal(unclear_is_over(), polls);
	}
	__atomic_store_n(&guest.unclear, 2, __ATOMIC_SEQ_CST);
	sidecore_call(sidecore, wake_poller, NULL);
	sidecore_call(sidecore, offer_two_calls, NULL);
	assert_true(eventually(unclear_is_over));
	usleep(10000);
	assert_false(guest_was_called());
	sidecore_call(sidecore, remove_poller, NULL);
}

static void offer_and_redirect(void *argument)
{
	offer_two_calls(&guest);
	sidecore_redirect_caller(&guest.caller, -1);
}

static void call_twice_and_redirect(void *argument)
{
	sidecore_ring_caller(&guest.caller);
	sidecore_ring_caller(&guest.caller);
	sidecore_redirect_caller(&guest.caller, -1);
}

/* How many calls the old descriptor has had, once its caller is redirected. */
static uint64_t calls_before(void (*redirect)(void *argument))
{
	int fd = guest.caller.fd;
	uint64_t calls;

	sidecore_call(sidecore, redirect, NULL);
	assert_int_equal(read(fd, &calls, sizeof calls), sizeof calls);
	guest.caller.fd = fd;
	return calls;
}

static void call_that_was_offered_goes_to_the_old_descriptor(void **state)
{
	assert_int_equal(calls_before(offer_and_redirect), 1);
}

/* The second is merged into another one, which follows the first when that is done. */
static void call_that_was_merged_goes_to_the_old_descriptor(void **state)
{
	assert_int_equal(calls_before(call_twice_and_redirect), 2);
}

int main(void)
{
#define CALL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CALL_TEST(calls_in_one_round_are_merged),
		CALL_TEST(call_that_was_offered_leaves_if_it_is_due),
		CALL_TEST(call_whose_wish_is_unclear_is_asked_for_again),
		CALL_TEST(call_that_was_offered_goes_to_the_old_descriptor),
		CALL_TEST(call_that_was_merged_goes_to_the_old_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
