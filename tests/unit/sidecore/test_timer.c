#include "../cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "sidecore/timer.h"

#define TIMERS 500u

static struct timer_heap heap;
static struct timer timers[TIMERS];
static uint64_t last_expired_ns;
static unsigned expired_count;

static void expire(struct timer *timer, uint64_t now_ns)
{
	assert_true(timer->at_ns <= now_ns);
	assert_true(timer->at_ns >= last_expired_ns);
	last_expired_ns = timer->at_ns;
	expired_count++;
}

static int set_up(void **state)
{
	last_expired_ns = 0;
	expired_count = 0;
	for (unsigned i = 0; i < TIMERS; i++)
		timers[i] = (struct timer){.expire = expire};
	return timer_heap_init(&heap, TIMERS - 1);
}

static int tear_down(void **state)
{
	timer_heap_destroy(&heap);
	return 0;
}

static void no_timer_means_no_deadline(void **state)
{
	assert_true(timer_heap_next_ns(&heap) == UINT64_MAX);
	assert_int_equal(timer_heap_run(&heap, UINT64_MAX - 1), 0);
}

static void timers_expire_in_order_whatever_the_order_they_were_set_in(void **state)
{
	srand(1);
	for (unsigned i = 0; i < TIMERS - 1; i++)
		assert_int_equal(timer_heap_set(&heap, &timers[i], (uint64_t)rand() % 1000 + 1), 0);
	for (unsigned i = 0; i < TIMERS - 1; i += 3)
		timer_heap_set(&heap, &timers[i], (uint64_t)rand() % 1000 + 1);
	for (unsigned i = 1; i < TIMERS - 1; i += 3)
		timer_heap_cancel(&heap, &timers[i]);
	for (uint64_t now_ns = 0; now_ns <= 1000; now_ns += 50)
		timer_heap_run(&heap, now_ns);
	assert_int_equal(expired_count, TIMERS - 1 - (TIMERS - 1 + 1) / 3);
}

static void nothing_expires_early(void **state)
{
	timer_heap_set(&heap, &timers[0], 100);
	assert_int_equal(timer_heap_run(&heap, 99), 0);
	assert_int_equal(timer_heap_run(&heap, 100), 1);
}

static void cancelling_twice_is_harmless(void **state)
{
	timer_heap_set(&heap, &timers[0], 100);
	timer_heap_cancel(&heap, &timers[0]);
	timer_heap_cancel(&heap, &timers[0]);
	assert_int_equal(timer_heap_run(&heap, 1000), 0);
}

static void a_full_heap_refuses(void **state)
{
	for (unsigned i = 0; i < TIMERS - 1; i++)
		assert_int_equal(timer_heap_set(&heap, &timers[i], i), 0);
	assert_int_equal(timer_heap_set(&heap, &timers[TIMERS - 1], 1), -ENOSPC);
	assert_int_equal(timer_heap_set(&heap, &timers[0], 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_timer_means_no_deadline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			timers_expire_in_order_whatever_the_order_they_were_set_in, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(nothing_expires_early, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cancelling_twice_is_harmless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_heap_refuses, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
