/* What devices of every kind share; the thread sanitizer watches. */
#include "../cmocka_all.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "../virtio/ring_pair.h"
#include "base/container.h"
#include "base/counter.h"
#include "device/served_queue.h"

static void report(void *argument)
{
	struct served_device *device = argument;

	sidecore_ring_caller(&device->trouble_caller);
}

static void a_report_that_nobody_takes_does_not_hold_up_the_release(void **state)
{
	const struct sidecore_config config = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct sidecore *sidecore;
	struct error error;

	assert_int_equal(sidecore_start(&config, &sidecore, &error), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct served_device device = {.kicks = 0};
		int full = eventfd(0, EFD_CLOEXEC);

		assert_int_equal(eventfd_write(full, UINT64_MAX - 1), 0);
		served_device_init(&device, sidecore);
		served_device_report_to(&device, full);
		sidecore_call(sidecore, report, &device);
		served_device_release(&device);
		close(full);
	}
	sidecore_stop(sidecore);
}

/* ---- calls ---- */

/*
 * What happens in a round: the driver turns its calls on or off, and then a chain may be done. Before
 * it has calls off, or is given something back, it has taken what came before, and whether to call for
 * that is settled.
 */
struct round {
	bool has_calls;
	enum { NOTHING, PUSHED, GIVEN_BACK } chain;
};

struct fake_queue {
	struct served_queue served;
	struct ring_pair pair;
	const struct round *rounds;
	unsigned count, done, spared; /* first, it does without so many calls */
	bool is_over;
	sem_t over;
};

static void begin_round(struct fake_queue *queue, const struct round *round)
{
	struct driver_completion completions[16];

	if (round->chain == GIVEN_BACK || !round->has_calls)
		driver_ring_poll(&queue->pair.driver, completions, 16);
	if (round->has_calls)
		driver_ring_enable_calls(&queue->pair.driver);
	else
		driver_ring_disable_calls(&queue->pair.driver);
}

static void finish_one(struct fake_queue *queue)
{
	struct virtqueue *virtqueue = &queue->served.virtqueue;
	struct descriptor_chain chain;

	pair_add(&queue->pair, 0);
	driver_ring_publish(&queue->pair.driver);
	assert_int_equal(virtqueue_pop(virtqueue, &chain), 1);
	virtqueue_push(virtqueue, &chain, 0);
}

static void play(struct fake_queue *queue, const struct round *round)
{
	begin_round(queue, round);
	if (round->chain != NOTHING)
		finish_one(queue);
	if (round->chain == GIVEN_BACK)
		assert_true(served_queue_give_back(&queue->served) > 0);
}

/* After the last round it stays as it is until it is settled whether to call. */
static unsigned play_round(struct served_queue *served, uint64_t now_ns)
{
	static const struct round quiet = {false, GIVEN_BACK};
	struct fake_queue *queue = container_of(served, struct fake_queue, served);
	const struct round *round = &queue->rounds[queue->done];
	const bool is_settled = served->virtqueue.unsignalled == 0;

	if (queue->spared > 0) {
		queue->spared -= is_settled;
		if (is_settled)
			play(queue, &quiet);
	} else if (queue->done < queue->count) {
		if (is_settled || round->chain != GIVEN_BACK) {
			play(queue, round);
			queue->done++;
		}
	} else if (is_settled && !queue->is_over) {
		queue->is_over = true;
		sem_post(&queue->over);
	}
	return 1;
}

struct scene {
	unsigned spared, count;
	struct round rounds[6];
	unsigned calls; /* that come of it, before the queue is stopped */
};

static void act(struct sidecore *sidecore, const struct scene *scene, bool is_packed)
{
	static const struct served_queue_kind kind = {.poll = play_round};
	static struct fake_queue queue;
	struct served_device device = {.calls = 0};
	const struct vhost_user_bells bells = {VHOST_USER_NO_FD, eventfd(0, 0), VHOST_USER_NO_FD};
	struct error error;

	queue = (struct fake_queue){
		.rounds = scene->rounds, .count = scene->count, .spared = scene->spared};
	pair_open(&queue.pair, 16, is_packed, true, false);
	sem_init(&queue.over, 0, 0);
	served_device_init(&device, sidecore);
	assert_int_equal(
		served_queue_attach(&queue.served, &kind, &device, &queue.pair.setup, &error), 0);
	served_queue_start(&queue.served, &bells);
	sem_wait(&queue.over);
	served_queue_stop(&queue.served);
	close(bells.call_fd);
	pair_close(&queue.pair);
	assert_int_equal(counter_get(&device.calls), scene->calls);
}

static void act_all(const struct scene *scenes, unsigned count)
{
	const struct sidecore_config config = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct sidecore *sidecore;
	struct error error;

	assert_int_equal(sidecore_start(&config, &sidecore, &error), 0);
	for (unsigned i = 0; i < 2 * count; i++)
		act(sidecore, &scenes[i / 2], i % 2);
	sidecore_stop(sidecore);
}

/* A call is asked for at the end of the round after that in which something was given back. */
static void a_driver_that_polls_is_not_called_for_one_look_with_calls_on(void **state)
{
	static const struct scene scenes[] = {
		/* It has calls on always. */
		{0, 1, {{true, GIVEN_BACK}}, 1},
		/* It polls: at the moment of the look, they are on. */
		{16, 3, {{false, GIVEN_BACK}, {true, NOTHING}, {false, NOTHING}}, 0},
		/* It has stopped polling, */
		{16, 1, {{true, GIVEN_BACK}}, 1},
		/* and is not doubted again; */
		{16, 4, {{true, GIVEN_BACK}, {true, GIVEN_BACK}, {true, NOTHING}, {false, NOTHING}},
			2},
		/* nor is one that does without a few. */
		{8, 3, {{true, GIVEN_BACK}, {true, NOTHING}, {false, NOTHING}}, 1},
	};

	act_all(scenes, sizeof scenes / sizeof scenes[0]);
}

/* Another queue's turn may come between pushing and showing; what has been shown is called for. */
static void a_call_is_not_lost_by_what_is_pushed_before_it_is_asked_for(void **state)
{
	static const struct scene scenes[] = {
		{0, 2, {{true, GIVEN_BACK}, {true, PUSHED}}, 1},
		{16, 3, {{true, GIVEN_BACK}, {true, NOTHING}, {true, PUSHED}}, 1},
	};

	act_all(scenes, sizeof scenes / sizeof scenes[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_that_nobody_takes_does_not_hold_up_the_release),
		cmocka_unit_test(a_driver_that_polls_is_not_called_for_one_look_with_calls_on),
		cmocka_unit_test(a_call_is_not_lost_by_what_is_pushed_before_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
