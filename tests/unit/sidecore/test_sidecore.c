#include "../cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/container.h"
#include "base/counter.h"
#include "base/cpu.h"
#include "sidecore/sidecore.h"

/* A poller whose work is a number that the test writes. */
struct fake_source {
	struct poller poller;
	struct doorbell doorbell;
	uint64_t work;
	uint64_t done;
	uint64_t polls;
	uint32_t wants_kick;
	uint32_t is_unwatched;
	uint32_t expired;
	struct timer timer;
};

static struct sidecore *sidecore;
static struct fake_source source;

static unsigned poll_source(struct poller *poller, uint64_t now_ns)
{
	uint64_t work = __atomic_exchange_n(&source.work, 0, __ATOMIC_ACQ_REL);

	counter_add(&source.polls, 1);
	counter_add(&source.done, work);
	return (unsigned)work;
}

static bool arm_source(struct poller *poller)
{
	__atomic_store_n(&source.wants_kick, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&source.work, __ATOMIC_SEQ_CST) > 0;
}

static void disarm_source(struct poller *poller)
{
	__atomic_store_n(&source.wants_kick, 0, __ATOMIC_SEQ_CST);
}

static void add_source(void *argument)
{
	sidecore_add_poller(sidecore, &source.poller);
	sidecore_watch(sidecore, &source.doorbell);
}

static void unwatched(struct doorbell *doorbell)
{
	__atomic_store_n(&source.is_unwatched, 1, __ATOMIC_SEQ_CST);
}

static void remove_source(void *argument)
{
	sidecore_remove_poller(sidecore, &source.poller);
	sidecore_unwatch(&source.doorbell, unwatched);
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

static bool is_parked(void)
{
	return __atomic_load_n(&source.wants_kick, __ATOMIC_SEQ_CST) == 1;
}

static bool is_unwatched(void)
{
	return __atomic_load_n(&source.is_unwatched, __ATOMIC_SEQ_CST) == 1;
}

static bool is_done(void)
{
	return counter_get(&source.done) == 1;
}

static int set_up(void **state)
{
	const struct sidecore_config config = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct error error;

	memset(&source, 0, sizeof source);
	source.poller =
		(struct poller){.poll = poll_source, .arm = arm_source, .disarm = disarm_source};
	source.doorbell.fd = eventfd(0, EFD_NONBLOCK);
	source.doorbell.poller = &source.poller;
	assert_int_equal(sidecore_start(&config, &sidecore, &error), 0);
	return 0;
}

static int tear_down(void **state)
{
	sidecore_stop(sidecore);
	close(source.doorbell.fd);
	return 0;
}

static void count(void *argument)
{
	counter_add(argument, 1);
}

static void posted_messages_run_in_order_and_call_waits(void **state)
{
	uint64_t runs = 0;

	for (unsigned i = 0; i < 1000; i++)
		sidecore_post(sidecore, count, &runs);
	sidecore_call(sidecore, count, &runs);
	assert_int_equal(runs, 1001);
	assert_int_equal(counter_get(&sidecore_counters(sidecore)->messages), 1001);
}

static void idle_poller_is_parked_and_its_doorbell_wakes_it(void **state)
{
	const uint64_t one = 1;

	sidecore_call(sidecore, add_source, NULL);
	for (uint64_t kicks = 1; kicks <= 50; kicks++) {
		assert_true(eventually(is_parked));
		__atomic_store_n(&source.work, 1, __ATOMIC_SEQ_CST);
		assert_int_equal(write(source.doorbell.fd, &one, sizeof one), sizeof one);
		while (counter_get(&source.done) < kicks)
			usleep(100);
	}
	assert_int_equal(counter_get(&sidecore_counters(sidecore)->kicks_received), 50);
	sidecore_call(sidecore, remove_source, NULL);
	assert_true(eventually(is_unwatched));
}

static void idle_sidecore_does_not_loop(void **state)
{
	uint64_t rounds_before, rounds_after;

	sidecore_call(sidecore, add_source, NULL);
	assert_true(eventually(is_parked));
	usleep(10000);
	rounds_before = counter_get(&sidecore_counters(sidecore)->polls_idle);
	usleep(200000);
	rounds_after = counter_get(&sidecore_counters(sidecore)->polls_idle);
	assert_int_equal(rounds_before, rounds_after);
	sidecore_call(sidecore, remove_source, NULL);
	assert_true(eventually(is_unwatched));
}

/* On the sidecore, so that the kernel knows of the kick and the poll has not heard of it yet. */
static void kick_and_remove_source(void *argument)
{
	const uint64_t one = 1;

	assert_int_equal(write(source.doorbell.fd, &one, sizeof one), sizeof one);
	remove_source(NULL);
}

static void doorbell_that_rings_while_it_is_unwatched_is_let_go(void **state)
{
	sidecore_call(sidecore, add_source, NULL);
	assert_true(eventually(is_parked));
	sidecore_call(sidecore, kick_and_remove_source, NULL);
	assert_true(eventually(is_unwatched));
}

/* The kernel ends the poll of a descriptor that is closed with an error, at once. */
static void doorbell_whose_poll_failed_is_armed_again(void **state)
{
	const uint64_t one = 1;
	int fd = dup(source.doorbell.fd);

	close(source.doorbell.fd);
	sidecore_call(sidecore, add_source, NULL);
	assert_true(eventually(is_parked));
	assert_int_equal(dup2(fd, source.doorbell.fd), source.doorbell.fd);
	__atomic_store_n(&source.work, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(write(fd, &one, sizeof one), sizeof one);
	assert_true(eventually(is_done));
	close(fd);
	sidecore_call(sidecore, remove_source, NULL);
	assert_true(eventually(is_unwatched));
}

static void doorbell_that_cannot_be_armed_is_let_go(void **state)
{
	int fd = dup(source.doorbell.fd);

	close(source.doorbell.fd);
	sidecore_call(sidecore, add_source, NULL);
	assert_true(eventually(is_parked));
	sidecore_call(sidecore, remove_source, NULL);
	assert_true(eventually(is_unwatched));
	assert_int_equal(dup2(fd, source.doorbell.fd), source.doorbell.fd);
	close(fd);
}

static void expire_source(struct timer *timer, uint64_t now_ns)
{
	assert_true(now_ns >= timer->at_ns);
	__atomic_store_n(&source.expired, 1, __ATOMIC_SEQ_CST);
}

static void set_source_timer(void *argument)
{
	source.timer.expire = expire_source;
	sidecore_set_timer(sidecore, &source.timer, clock_now_ns() + 5 * NS_PER_MS);
}

static bool has_expired(void)
{
	return __atomic_load_n(&source.expired, __ATOMIC_SEQ_CST) == 1;
}

static void timer_wakes_a_sleeping_sidecore(void **state)
{
	sidecore_call(sidecore, set_source_timer, NULL);
	assert_true(eventually(has_expired));
}

/* Of a sidecore that is started by a thread that may run on one CPU only. */
static uint64_t poll_ns_of_one_on(int cpu)
{
	const struct sidecore_config config = {.name = "other", .cpu = cpu, .poll_ns_max = 20000};
	struct sidecore *other;
	cpu_set_t before;
	uint64_t poll_ns_max;

	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	assert_int_equal(cpu_pin_thread(sched_getcpu()), 0);
	assert_int_equal(sidecore_start(&config, &other, NULL), 0);
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
	poll_ns_max = sidecore_config(other)->poll_ns_max;
	sidecore_stop(other);
	return poll_ns_max;
}

static void one_cpu_is_no_place_to_poll_unless_it_was_named(void **state)
{
	if (cpu_allowed_count() == 1)
		skip();
	assert_int_equal(poll_ns_of_one_on(SIDECORE_NOT_PINNED), 0);
	assert_int_equal(poll_ns_of_one_on(sched_getcpu()), 20000);
}

static void impossible_cpu_is_refused_with_the_reason(void **state)
{
	const struct sidecore_config config = {.name = "x", .cpu = 1000};
	struct sidecore *none;
	struct error error;

	assert_int_equal(sidecore_start(&config, &none, &error), -EINVAL);
	assert_non_null(strstr(error.message, "sidecore 'x': cannot run on CPU 1000"));
}

/* ---- batches ---- */

#define FED 16u

static struct sidecore_operation fed[FED];
static unsigned waiting_after[FED];
static unsigned fed_completions;

static void fed_completed(struct sidecore_operation *operation, int result, unsigned cqe_flags)
{
	__atomic_fetch_add(&fed_completions, 1, __ATOMIC_RELAXED);
}

/* Within one message, so that no round ends in between. */
static void feed(void *argument)
{
	for (unsigned i = 0; i < FED; i++) {
		fed[i].complete = fed_completed;
		io_uring_prep_nop(sidecore_prepare(sidecore, &fed[i]));
		sidecore_feed_device(sidecore, &fed[i]);
		waiting_after[i] = io_uring_sq_ready(sidecore_io_uring(sidecore));
	}
}

static bool all_fed_completed(void)
{
	return __atomic_load_n(&fed_completions, __ATOMIC_RELAXED) == FED;
}

static void batches_for_a_device_that_has_little_to_do_are_small(void **state)
{
	for (unsigned round = 0; round < 2; round++) {
		__atomic_store_n(&fed_completions, 0, __ATOMIC_RELAXED);
		sidecore_call(sidecore, feed, NULL);
		for (unsigned i = 0; i < FED; i++) {
			unsigned given = i + 1;
			bool ends_batch = given <= 2 || given % 4 == 0;

			/* Submitted: the 1st, the 2nd, 3 and 4, 5 to 8, 9 to 12, 13 to 16. */
			assert_int_equal(waiting_after[i] == 0, ends_batch);
		}
		assert_true(eventually(all_fed_completed));
	}
}

/* ---- pollers with much work ---- */

#define TURNS 64u

struct busy_source {
	struct poller poller;
	char name;
};

static struct busy_source busy_sources[] = {{.name = 'a'}, {.name = 'b'}, {.name = '-'}};
static char turns[TURNS + 1];
static unsigned turn_count;

static unsigned poll_busy(struct poller *poller, uint64_t now_ns)
{
	if (turn_count == TURNS)
		return 0;
	turns[turn_count++] = container_of(poller, struct busy_source, poller)->name;
	return 1;
}

static bool arm_nothing(struct poller *poller)
{
	return false;
}

static void disarm_nothing(struct poller *poller)
{
}

static void add_busy_sources(void *argument)
{
	for (size_t i = 0; i < 3; i++) {
		busy_sources[i].poller = (struct poller){.poll = poll_busy,
			.arm = arm_nothing,
			.disarm = disarm_nothing,
			.is_bulk = busy_sources[i].name != '-'};
		sidecore_add_poller(sidecore, &busy_sources[i].poller);
	}
	turn_count = 0;
}

static void count_turns(void *argument)
{
	*(unsigned *)argument = turn_count;
}

static void remove_busy_sources(void *argument)
{
	for (size_t i = 0; i < 3; i++)
		sidecore_remove_poller(sidecore, &busy_sources[i].poller);
}

static void only_one_bulk_poller_works_in_a_round_and_they_take_turns(void **state)
{
	unsigned done = 0;

	sidecore_call(sidecore, add_busy_sources, NULL);
	while (done < TURNS)
		sidecore_call(sidecore, count_turns, &done);
	sidecore_call(sidecore, remove_busy_sources, NULL);
	for (unsigned i = 0; i < TURNS; i += 4)
		assert_memory_equal(&turns[i], "-a-b", 4);
}

#define SIDECORE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIDECORE_TEST(posted_messages_run_in_order_and_call_waits),
		SIDECORE_TEST(idle_poller_is_parked_and_its_doorbell_wakes_it),
		SIDECORE_TEST(doorbell_that_rings_while_it_is_unwatched_is_let_go),
		SIDECORE_TEST(doorbell_whose_poll_failed_is_armed_again),
		SIDECORE_TEST(doorbell_that_cannot_be_armed_is_let_go),
		SIDECORE_TEST(idle_sidecore_does_not_loop),
		SIDECORE_TEST(timer_wakes_a_sleeping_sidecore),
		SIDECORE_TEST(only_one_bulk_poller_works_in_a_round_and_they_take_turns),
		cmocka_unit_test(one_cpu_is_no_place_to_poll_unless_it_was_named),
		cmocka_unit_test(impossible_cpu_is_refused_with_the_reason),
		SIDECORE_TEST(batches_for_a_device_that_has_little_to_do_are_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
