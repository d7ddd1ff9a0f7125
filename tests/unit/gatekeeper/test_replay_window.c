/* Each datagram counts once, late and reordered ones included. */
#include "../cmocka_all.h"

#include <stdbool.h>
#include <stdlib.h>

#include "gatekeeper/datagram/replay_window.h"

#define NOW_NS 1000000000000ull
#define EPOCH_NS 500u

static struct replay_window window;

static int start(void **state)
{
	window = (struct replay_window){0};
	return 0;
}

static enum replay_verdict judge(uint64_t sequence)
{
	struct envelope envelope = {.epoch_ns = EPOCH_NS, .sequence = sequence, .sent_ns = NOW_NS};

	return replay_window_judge(&window, &envelope, NOW_NS);
}

static void what_comes_in_order_is_new(void **state)
{
	for (uint64_t sequence = 1; sequence < 5000; sequence++)
		assert_int_equal(judge(sequence), REPLAY_NEW);
}

static void what_comes_twice_is_not(void **state)
{
	for (uint64_t sequence = 1; sequence < 3000; sequence++) {
		judge(sequence);
		assert_int_equal(judge(sequence), REPLAY_REPEATED);
		assert_int_equal(judge(sequence / 2 + 1), REPLAY_REPEATED);
	}
}

static void late_ones_pass_once(void **state)
{
	judge(2000);
	assert_int_equal(judge(2000 - REPLAY_WINDOW_BITS + 1), REPLAY_NEW);
	assert_int_equal(judge(2000 - REPLAY_WINDOW_BITS + 1), REPLAY_REPEATED);
	assert_int_equal(judge(1999), REPLAY_NEW);
}

static void older_than_the_window_is_refused(void **state)
{
	judge(2000);
	assert_int_equal(judge(2000 - REPLAY_WINDOW_BITS), REPLAY_REPEATED);
	assert_int_equal(judge(1), REPLAY_REPEATED);
}

static void a_jump_forgets_only_what_it_passes(void **state)
{
	judge(100);
	judge(100 + REPLAY_WINDOW_BITS / 2);
	assert_int_equal(judge(100), REPLAY_REPEATED);
	assert_int_equal(judge(101), REPLAY_NEW);
	judge(1ull << 60);
	assert_int_equal(judge((1ull << 60) - 5), REPLAY_NEW);
}

/* Who has the key may send any. */
static void numbers_may_come_to_their_end(void **state)
{
	assert_int_equal(judge(UINT64_MAX - 3), REPLAY_NEW);
	assert_int_equal(judge(UINT64_MAX), REPLAY_NEW);
	assert_int_equal(judge(UINT64_MAX), REPLAY_REPEATED);
	assert_int_equal(judge(UINT64_MAX - 1), REPLAY_NEW);
}

/* Against a memory without bounds: nothing passes twice, and nothing within the window is refused. */
static void any_order_gives_each_number_one_chance(void **state)
{
	static bool has_come[20000];
	uint64_t highest = 0;

	srand(1);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t sequence = highest + (uint64_t)(rand() % 1500);
		bool is_new;

		sequence = sequence > 1480 ? sequence - 1480 : 0;
		sequence %= 20000;
		is_new = !has_come[sequence] && sequence + REPLAY_WINDOW_BITS > highest;
		assert_int_equal(judge(sequence), is_new ? REPLAY_NEW : REPLAY_REPEATED);
		has_come[sequence] |= is_new;
		highest = sequence > highest ? sequence : highest;
	}
}

static enum replay_verdict judge_at(uint64_t epoch_ns, uint64_t sequence, uint64_t sent_ns)
{
	struct envelope envelope = {.epoch_ns = epoch_ns, .sequence = sequence, .sent_ns = sent_ns};

	return replay_window_judge(&window, &envelope, NOW_NS);
}

static void a_restarted_sender_starts_anew_and_its_past_is_over(void **state)
{
	judge(700);
	assert_int_equal(judge_at(EPOCH_NS + 1, 1, NOW_NS), REPLAY_NEW);
	assert_int_equal(judge(701), REPLAY_OLD_EPOCH);
	assert_int_equal(judge_at(EPOCH_NS + 1, 1, NOW_NS), REPLAY_REPEATED);
}

static void what_is_not_fresh_is_refused_by_who_knows_nothing(void **state)
{
	assert_int_equal(judge_at(9, 1, NOW_NS - REPLAY_FRESH_NS - 1), REPLAY_STALE);
	assert_int_equal(judge_at(9, 1, NOW_NS + REPLAY_FRESH_NS + 1), REPLAY_STALE);
	assert_int_equal(window.epoch_ns, 0);
	assert_int_equal(judge_at(9, 1, NOW_NS - REPLAY_FRESH_NS), REPLAY_NEW);
}

/* Its clock was ahead when it started, and was set right; then it starts again. */
static void an_epoch_that_is_still_to_come_is_not_believed(void **state)
{
	uint64_t hour_ns = 3600 * 1000000000ull;

	assert_int_equal(judge_at(NOW_NS + hour_ns, 1, NOW_NS), REPLAY_STALE);
	assert_int_equal(judge_at(UINT64_MAX, 1, NOW_NS), REPLAY_STALE);
	assert_int_equal(judge_at(NOW_NS, 1, NOW_NS), REPLAY_NEW);
}

/* Both clocks were ahead, and were set right. */
static void an_epoch_that_has_become_one_to_come_is_forgotten(void **state)
{
	uint64_t ahead_ns = NOW_NS + 3600 * 1000000000ull;
	struct envelope envelope = {.epoch_ns = ahead_ns, .sequence = 1, .sent_ns = ahead_ns};

	assert_int_equal(replay_window_judge(&window, &envelope, ahead_ns), REPLAY_NEW);
	assert_int_equal(judge_at(NOW_NS, 1, NOW_NS), REPLAY_NEW);
	assert_int_equal(judge_at(NOW_NS, 1, NOW_NS), REPLAY_REPEATED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_comes_in_order_is_new, start),
		cmocka_unit_test_setup(what_comes_twice_is_not, start),
		cmocka_unit_test_setup(late_ones_pass_once, start),
		cmocka_unit_test_setup(older_than_the_window_is_refused, start),
		cmocka_unit_test_setup(a_jump_forgets_only_what_it_passes, start),
		cmocka_unit_test_setup(numbers_may_come_to_their_end, start),
		cmocka_unit_test_setup(any_order_gives_each_number_one_chance, start),
		cmocka_unit_test_setup(a_restarted_sender_starts_anew_and_its_past_is_over, start),
		cmocka_unit_test_setup(what_is_not_fresh_is_refused_by_who_knows_nothing, start),
		cmocka_unit_test_setup(an_epoch_that_is_still_to_come_is_not_believed, start),
		cmocka_unit_test_setup(an_epoch_that_has_become_one_to_come_is_forgotten, start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
