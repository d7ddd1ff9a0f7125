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

/* What happens in a round: the driver turns its calls on or off, and then a chain may be given back. It has taken what came before. */
struct round {
	bool has_calls, is_given_back;
};

struct fake_queue {
	struct served_queue served;
	struct ring_pair pair;
	const struct round *rounds;
	unsigned count, done;
	bool is_over;
	sem_t over;
};

static void begin_round(struct fake_queue *queue, const struct round *round)
{
	struct driver_completion completions[16];

	if (round->is_given_back || !round->has_calls)
		driver_ring_poll(&queue->pair.driver, completions, 16);
	if (round->has_calls)
		driver_ring_enable_calls(&queue->pair.driver);
	else
		driver_ring_disable_calls(&queue->pair.driver);
}

static void give_one_back(struct served_queue *served)
{
	struct descriptor_chain chain;

	assert_int_equal(virtqueue_pop(&served->virtqueue, &chain), 1);
	virtqueue_push(&served->virtqueue, &chain, 0);
	served_queue_give_back(served);
}

/* After the last round it stays as it is until it is settled whether to call. */
static unsigned play_round(struct served_queue *served, uint64_t now_ns)
{
	struct fake_queue *queue = container_of(served, struct fake_queue, served);

	if (queue->done < queue->count) {
		begin_round(queue, &queue->rounds[queue->done]);
		if (queue->rounds[queue->done].is_given_back)
			give_one_back(served);
		queue->done++;
	} else if (served->virtqueue.unsignalled == 0 && !queue->is_over) {
		queue->is_over = true;
		sem_post(&queue->over);
	}
	return 1;
}

/* How many calls come of these rounds, before the queue is stopped. */
static unsigned calls_of(struct sidecore *sidecore, const struct round *rounds, unsigned count)
{
	static const struct served_queue_kind kind = {.poll = play_round};
	static struct fake_queue queue;
	struct served_device device = {.calls = 0};
	const struct vhost_user_bells bells = {VHOST_USER_NO_FD, eventfd(0, 0), VHOST_USER_NO_FD};
	struct error error;

	queue = (struct fake_queue){.rounds = rounds, .count = count};
	pair_open(&queue.pair, 16, false, true, false);
	for (unsigned i = 0; i < count; i++)
		pair_add(&queue.pair, i);
	driver_ring_publish(&queue.pair.driver);
	sem_init(&queue.over, 0, 0);
	served_device_init(&device, sidecore);
	assert_int_equal(
		served_queue_attach(&queue.served, &kind, &device, &queue.pair.setup, &error), 0);
	served_queue_start(&queue.served, &bells);
	sem_wait(&queue.over);
	served_queue_stop(&queue.served);
	close(bells.call_fd);
	pair_close(&queue.pair);
	return (unsigned)counter_get(&device.calls);
}

/* A call is asked for at the end of the round after that in which something was given back. */
static void a_driver_that_polls_is_not_called_for_one_look_with_calls_on(void **state)
{
	static const struct {
		struct round rounds[8];
		unsigned count, calls;
	} cases[] = {
		/* It has calls on always. */
		{{{true, true}}, 1, 1},
		/* It polls: at the moment of the look, they are on. */
		{{{false, true}, {false, false}, {false, true}, {true, false}, {false, false}}, 5,
			0},
		/* It has stopped polling, */
		{{{false, true}, {false, false}, {true, true}}, 3, 1},
		/* and does not begin again. */
		{{{false, true}, {false, false}, {true, true}, {true, false}, {true, false},
			 {true, false}, {true, false}, {true, true}},
			8, 2},
	};
	const struct sidecore_config config = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = 20000};
	struct sidecore *sidecore;
	struct error error;

	assert_int_equal(sidecore_start(&config, &sidecore, &error), 0);
	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_int_equal(
			calls_of(sidecore, cases[i].rounds, cases[i].count), cases[i].calls);
	sidecore_stop(sidecore);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_that_nobody_takes_does_not_hold_up_the_release),
		cmocka_unit_test(a_driver_that_polls_is_not_called_for_one_look_with_calls_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
