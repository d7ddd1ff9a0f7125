/* sluiced's end of a gate, against slots as a hostile process may write them. */
#include "gate_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

static void do_nothing(void *argument)
{
}

/* Whatever was posted before has been looked at when this returns. */
static void let_the_sidecore_look(struct gate_end *end)
{
	eventfd_write(end->descriptors.doorbell, 1);
	while (__atomic_load_n(&end->region->posted, __ATOMIC_SEQ_CST))
		usleep(100);
	sidecore_call(sidecore, do_nothing, NULL);
}

static void post(struct gate_end *end, uint64_t slots)
{
	__atomic_fetch_or(&end->region->posted, slots, __ATOMIC_SEQ_CST);
	let_the_sidecore_look(end);
}

static void set_state(struct gate_end *end, unsigned slot, uint32_t state)
{
	__atomic_store_n(&end->region->slots[slot].state, state, __ATOMIC_SEQ_CST);
}

static uint32_t state_of(const struct gate_end *end, unsigned slot)
{
	return __atomic_load_n(&end->region->slots[slot].state, __ATOMIC_SEQ_CST);
}

static void write_ask(struct gate_end *end, unsigned slot, uint32_t kind, uint64_t bytes)
{
	__atomic_store_n(&end->region->slots[slot].kind, kind, __ATOMIC_RELAXED);
	__atomic_store_n(&end->region->slots[slot].bytes, bytes, __ATOMIC_RELAXED);
	set_state(end, slot, GATE_ASKED);
}

static void ask(struct gate_end *end, unsigned slot, uint32_t kind, uint64_t bytes)
{
	write_ask(end, slot, kind, bytes);
	post(end, 1ull << slot);
}

static void finish(struct gate_end *end, unsigned slot)
{
	set_state(end, slot, GATE_ENDED);
	post(end, 1ull << slot);
}

static void wait_for_state(const struct gate_end *end, unsigned slot, uint32_t state)
{
	while (state_of(end, slot) != state)
		usleep(100);
}

static void leave_is_given_and_ends_when_the_thread_says_so(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	ask(end, 5, GATE_READ, 4096);
	assert_int_equal(state_of(end, 5), GATE_GRANTED);
	assert_int_equal(statistics_of(end).in_flight, 1);
	finish(end, 5);
	assert_int_equal(state_of(end, 5), GATE_FREE);
	assert_int_equal(statistics_of(end).in_flight, 0);
	assert_int_equal(statistics_of(end).reads, 1);
	assert_int_equal(statistics_of(end).read_bytes, 4096);
	assert_int_equal(requests_of_tier(end, 0), 1);
}

static void no_more_have_leave_than_the_window_admits(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	for (unsigned slot = 0; slot < 3; slot++)
		ask(end, slot, GATE_READ, 4096);
	for (unsigned slot = 0; slot < 3; slot++) {
		for (unsigned later = slot + 1; later < 3; later++)
			assert_int_equal(state_of(end, later), GATE_ASKED);
		assert_int_equal(state_of(end, slot), GATE_GRANTED);
		finish(end, slot);
	}
}

static void the_earliest_deadline_has_leave_first(void **state)
{
	struct gate_end *loose, *tight;

	start_pool("null");
	loose = add_gate(0, &tier_of_two_minutes);
	tight = add_gate(1, &tier_of_a_minute);
	ask(loose, 0, GATE_READ, 4096);
	ask(loose, 1, GATE_READ, 4096);
	ask(tight, 0, GATE_READ, 4096);
	assert_int_equal(state_of(tight, 0), GATE_ASKED);
	finish(loose, 0);
	assert_int_equal(state_of(tight, 0), GATE_GRANTED);
	assert_int_equal(state_of(loose, 1), GATE_ASKED);
	finish(tight, 0);
	assert_int_equal(state_of(loose, 1), GATE_GRANTED);
}

static void a_thread_that_sleeps_is_woken(void **state)
{
	struct gate_end *end;
	eventfd_t count = 0;

	start_pool("null");
	end = add_gate(0, &best_effort);
	ask(end, 0, GATE_READ, 4096);
	__atomic_store_n(&end->region->slots[1].is_sleeping, 1, __ATOMIC_SEQ_CST);
	ask(end, 1, GATE_READ, 4096);
	assert_int_equal(eventfd_read(end->descriptors.wake[1], &count), -1);
	finish(end, 0);
	while (eventfd_read(end->descriptors.wake[1], &count) < 0)
		usleep(100);
	assert_int_equal(count, 1);
	assert_int_equal(eventfd_read(end->descriptors.wake[0], &count), -1);
}

static void a_flush_pays_for_what_it_writes_back(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	ask(end, 0, GATE_FLUSH, 0);
	finish(end, 0);
	assert_int_equal(gate_audit(end->gate, 0)->cost_milliunits, 1000);
	ask(end, 0, GATE_FLUSH, 4096);
	finish(end, 0);
	assert_int_equal(gate_audit(end->gate, 0)->cost_milliunits, 1000 + 2000);
	assert_int_equal(statistics_of(end).flushes, 2);
	assert_int_equal(statistics_of(end).write_bytes, 4096);
}

/* What is dearer than the largest request is best effort. */
static void the_largest_that_may_be_asked_for_can_be_guaranteed(void **state)
{
	struct slo slo = tier_of_a_minute;
	struct gate_end *end;

	start_pool("null");
	slo.tiers[0].burst_units = 100;
	end = add_gate(0, &slo);
	ask(end, 0, GATE_FLUSH, end->region->flush_bytes_max);
	finish(end, 0);
	ask(end, 0, GATE_WRITE, end->region->transfer_bytes_max);
	finish(end, 0);
	assert_int_equal(requests_of_tier(end, 0), 2);
	assert_int_equal(requests_of_tier(end, 1), 0);
}

static void nonsense_is_a_write_of_the_largest_size_at_most(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	ask(end, 0, UINT32_MAX, UINT64_MAX);
	finish(end, 0);
	assert_int_equal(statistics_of(end).writes, 1);
	assert_int_equal(statistics_of(end).write_bytes, 256 << 10);
	ask(end, 0, GATE_FLUSH, UINT64_MAX);
	finish(end, 0);
	assert_int_equal(statistics_of(end).flushes, 1);
}

static void states_that_make_no_sense_change_nothing(void **state)
{
	static const uint32_t words[] = {
		GATE_FREE, GATE_CLAIMED, GATE_GRANTED, GATE_ENDED, 5, UINT32_MAX};
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
		for (unsigned slot = 0; slot < GATE_SLOTS; slot++)
			set_state(end, slot, words[i]);
		post(end, UINT64_MAX);
	}
	assert_int_equal(statistics_of(end).in_flight, 0);
	assert_int_equal(statistics_of(end).writes + statistics_of(end).reads, 0);
}

/* It waits behind another: nothing ends that has not begun, and nothing is asked for twice. */
static void a_slot_that_waits_takes_no_other_state(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	ask(end, 0, GATE_READ, 4096);
	ask(end, 1, GATE_READ, 4096);
	finish(end, 1);
	ask(end, 1, GATE_READ, 4096);
	assert_int_equal(statistics_of(end).in_flight, 2);
	finish(end, 0);
	assert_int_equal(state_of(end, 1), GATE_GRANTED);
	ask(end, 1, GATE_READ, 4096);
	assert_int_equal(statistics_of(end).in_flight, 1);
	finish(end, 1);
	assert_int_equal(statistics_of(end).reads, 2);
}

static void an_io_that_never_ends_gives_its_place_to_others(void **state)
{
	struct gate_end *hostile, *other;

	start_pool("null");
	hostile = add_gate(0, &best_effort);
	other = add_gate(1, &best_effort);
	ask(hostile, 0, GATE_READ, 4096);
	ask(other, 0, GATE_READ, 4096);
	assert_int_equal(state_of(other, 0), GATE_ASKED);
	wait_for_state(other, 0, GATE_GRANTED);
	assert_int_equal(statistics_of(hostile).overdue, 1);
	assert_int_equal(statistics_of(hostile).in_flight, 0);
	/* The slot is usable again once it has ended, and its end counts for nothing more. */
	finish(hostile, 0);
	assert_int_equal(state_of(hostile, 0), GATE_FREE);
	assert_int_equal(statistics_of(hostile).reads, 1);
	finish(other, 0);
}

/* All slots are held for as long as they may; by the clock that the scheduler goes by. */
static void holding_the_window_again_and_again_pays_less_and_less(void **state)
{
	struct gate_end *hostile, *other;
	uint64_t start_ns;

	start_pool("null");
	hostile = add_gate(0, &best_effort);
	other = add_gate(1, &best_effort);
	start_ns = clock_now_ns();
	for (unsigned slot = 0; slot < GATE_SLOTS; slot++)
		write_ask(hostile, slot, GATE_READ, 4096);
	post(hostile, UINT64_MAX);
	while (statistics_of(hostile).overdue < GATE_SLOTS)
		usleep(1000);
	assert_true(clock_now_ns() - start_ns >= NS_PER_S);
	/* Weights alternate them; had each held the window for a second this would take a minute. */
	ask(other, 0, GATE_READ, 4096);
	wait_for_state(other, 0, GATE_GRANTED);
	finish(other, 0);
}

static void what_a_process_held_is_done_when_it_ends(void **state)
{
	struct gate_end *dead, *other;

	start_pool("null");
	dead = add_gate(0, &tier_of_a_minute);
	other = add_gate(1, &best_effort);
	ask(dead, 0, GATE_READ, 4096);
	ask(dead, 1, GATE_READ, 4096);
	ask(other, 0, GATE_READ, 4096);
	close_end(dead);
	assert_int_equal(statistics_of(dead).in_flight, 0);
	let_the_sidecore_look(other);
	assert_int_equal(state_of(other, 0), GATE_GRANTED);
	finish(other, 0);

	open_end(dead);
	assert_int_equal(state_of(dead, 0), GATE_FREE);
	ask(dead, 0, GATE_READ, 4096);
	assert_int_equal(state_of(dead, 0), GATE_GRANTED);
}

/* A write to an eventfd that is full blocks; closing must not wait for it. */
static void a_wake_that_nobody_takes_holds_up_nobody(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	assert_int_equal(eventfd_write(end->descriptors.wake[0], UINT64_MAX - 1), 0);
	__atomic_store_n(&end->region->slots[0].is_sleeping, 1, __ATOMIC_SEQ_CST);
	ask(end, 0, GATE_READ, 4096);
	finish(end, 0);
	ask(end, 1, GATE_READ, 4096);
	assert_int_equal(state_of(end, 1), GATE_GRANTED);
	close_end(end);
}

static void a_module_that_the_pool_cannot_keep_promises_to_is_refused(void **state)
{
	struct gate_config config = {.name = "greedy", .slo = tier_of_a_minute};
	struct gate *gate;

	start_pool("null");
	config.slo.tiers[0] = (struct slo_tier){8, 6000, 60 * NS_PER_S};
	add_gate(0, &config.slo);
	assert_int_equal(gate_create(pool, &config, &gate, &error), -ENOSPC);
	assert_non_null(strstr(error.message, "module 'greedy': pool 'pool': "));
	config.slo.tiers[0].rate_units_per_s = 10001;
	assert_int_equal(gate_set_slo(ends[0].gate, &config.slo, &error), -ENOSPC);
	config.slo.tiers[0].rate_units_per_s = 100;
	assert_int_equal(gate_set_slo(ends[0].gate, &config.slo, &error), 0);
	config.slo.tiers[0].rate_units_per_s = 6000;
	assert_int_equal(gate_create(pool, &config, &gate, &error), 0);
	gate_destroy(gate);
}

static void a_limit_that_is_lifted_lets_go_of_what_it_held(void **state)
{
	struct slo slo = best_effort;
	struct gate_end *end;

	start_pool("null");
	slo.limit = (struct slo_limit){.bytes_per_s = 1, .bytes_burst = 4096};
	end = add_gate(0, &slo);
	ask(end, 0, GATE_READ, 4096);
	finish(end, 0);
	ask(end, 0, GATE_READ, 4096);
	assert_int_equal(state_of(end, 0), GATE_ASKED);
	assert_int_equal(gate_set_slo(end->gate, &best_effort, &error), 0);
	assert_int_equal(state_of(end, 0), GATE_GRANTED);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop_pool)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(leave_is_given_and_ends_when_the_thread_says_so),
		TEST(no_more_have_leave_than_the_window_admits),
		TEST(the_earliest_deadline_has_leave_first),
		TEST(a_thread_that_sleeps_is_woken),
		TEST(a_flush_pays_for_what_it_writes_back),
		TEST(the_largest_that_may_be_asked_for_can_be_guaranteed),
		TEST(nonsense_is_a_write_of_the_largest_size_at_most),
		TEST(states_that_make_no_sense_change_nothing),
		TEST(a_slot_that_waits_takes_no_other_state),
		TEST(an_io_that_never_ends_gives_its_place_to_others),
		TEST(holding_the_window_again_and_again_pays_less_and_less),
		TEST(what_a_process_held_is_done_when_it_ends),
		TEST(a_wake_that_nobody_takes_holds_up_nobody),
		TEST(a_module_that_the_pool_cannot_keep_promises_to_is_refused),
		TEST(a_limit_that_is_lifted_lets_go_of_what_it_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
