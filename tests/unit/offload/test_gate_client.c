/* Both sides of a gate against each other: threads of a module that ask, and a pool that gives leave. */
#include "../disk/gate_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "offload/gate/gate_client.h"

#define THREADS 16u
#define THREADS_MANY (GATE_SLOTS + 16u)
#define IOS 200u

static struct gate_client client;

/* As the process gets them: descriptors of its own. */
static void open_client(const struct gate_end *end)
{
	int wake[GATE_SLOTS];

	for (unsigned i = 0; i < GATE_SLOTS; i++)
		wake[i] = fcntl(end->descriptors.wake[i], F_DUPFD_CLOEXEC, 0);
	assert_int_equal(
		gate_client_open(&client, fcntl(end->descriptors.region, F_DUPFD_CLOEXEC, 0),
			fcntl(end->descriptors.doorbell, F_DUPFD_CLOEXEC, 0), wake, &error),
		0);
}

/* ---- threads ---- */

static uint64_t within, within_most;

static void do_io(enum gate_kind kind)
{
	int slot = gate_client_ask(&client, kind, false, 4096);
	uint64_t now = __atomic_add_fetch(&within, 1, __ATOMIC_SEQ_CST);
	uint64_t most = __atomic_load_n(&within_most, __ATOMIC_SEQ_CST);

	while (now > most && !__atomic_compare_exchange_n(&within_most, &most, now, false,
				     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	__atomic_sub_fetch(&within, 1, __ATOMIC_SEQ_CST);
	gate_client_end(&client, slot);
}

static void *do_many(void *argument)
{
	for (unsigned i = 0; i < IOS; i++)
		do_io((enum gate_kind)(i % GATE_KINDS));
	return NULL;
}

static void run_threads(unsigned count)
{
	pthread_t threads[THREADS_MANY];

	within_most = 0;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, do_many, NULL), 0);
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static uint64_t ended(const struct gate_end *end)
{
	struct gate_statistics statistics = statistics_of(end);

	return statistics.reads + statistics.writes + statistics.flushes;
}

static void check_that_all_have_ended(struct gate_end *end, uint64_t count)
{
	while (statistics_of(end).in_flight)
		usleep(100);
	assert_int_equal(ended(end), count);
	assert_int_equal(statistics_of(end).overdue, 0);
}

/* The window is one unit, which is what each costs at least: so they have leave one at a time. */
static void threads_have_leave_in_turn(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	open_client(end);
	run_threads(THREADS);
	gate_client_close(&client);
	assert_int_equal(within_most, 1);
	check_that_all_have_ended(end, THREADS * IOS);
}

static void more_threads_than_slots_have_leave(void **state)
{
	struct gate_end *end;

	start_pool("null");
	end = add_gate(0, &best_effort);
	open_client(end);
	run_threads(THREADS_MANY);
	gate_client_close(&client);
	check_that_all_have_ended(end, THREADS_MANY * IOS);
}

static void a_thread_sleeps_until_it_has_leave(void **state)
{
	struct gate_end *end, *other;
	pthread_t thread;
	int slot;

	start_pool("null");
	end = add_gate(0, &best_effort);
	other = add_gate(1, &best_effort);
	open_client(other);
	slot = gate_client_ask(&client, GATE_READ, false, 4096);
	gate_client_close(&client);
	open_client(end);
	client.spins = 0;
	assert_int_equal(pthread_create(&thread, NULL, do_many, NULL), 0);
	while (!__atomic_load_n(&end->region->slots[0].is_sleeping, __ATOMIC_SEQ_CST))
		usleep(100);
	assert_int_equal(ended(end), 0);
	__atomic_store_n(&other->region->slots[slot].state, GATE_ENDED, __ATOMIC_SEQ_CST);
	__atomic_store_n(&other->region->posted, 1ull << slot, __ATOMIC_SEQ_CST);
	eventfd_write(other->descriptors.doorbell, 1);
	pthread_join(thread, NULL);
	gate_client_close(&client);
	check_that_all_have_ended(end, IOS);
}

static void errno_is_left_alone(void **state)
{
	struct gate_end *end;
	int slot;

	start_pool("null");
	end = add_gate(0, &best_effort);
	open_client(end);
	client.spins = 0;
	errno = EDOM;
	slot = gate_client_ask(&client, GATE_READ, false, 4096);
	assert_int_equal(errno, EDOM);
	gate_client_end(&client, slot);
	assert_int_equal(errno, EDOM);
	gate_client_close(&client);
}

/* ---- processes ---- */

static void another_process_asks_and_ends(void **state)
{
	struct gate_end *end;
	pid_t child;
	int status;

	start_pool("null");
	end = add_gate(0, &best_effort);
	child = fork();
	if (child == 0) {
		open_client(end);
		do_many(NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	check_that_all_have_ended(end, IOS);
}

static void what_a_killed_process_held_is_given_to_others(void **state)
{
	struct gate_end *end, *other;
	pid_t child;

	start_pool("null");
	end = add_gate(0, &best_effort);
	other = add_gate(1, &best_effort);
	child = fork();
	if (child == 0) {
		open_client(end);
		gate_client_ask(&client, GATE_WRITE, false, 4096);
		pause();
		_exit(0);
	}
	while (__atomic_load_n(&end->region->slots[0].state, __ATOMIC_SEQ_CST) != GATE_GRANTED)
		usleep(100);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close_end(end);
	assert_int_equal(statistics_of(end).in_flight, 0);
	open_client(other);
	run_threads(1);
	gate_client_close(&client);
	check_that_all_have_ended(other, IOS);
}

/* A gate that nobody serves: its sluiced is a process that ends while the module asks. */
static void make_unserved(struct gate_end *end)
{
	const struct gate_region region = {.version = GATE_VERSION, .slot_count = GATE_SLOTS};

	end->descriptors.region = memfd_create("gate", 0);
	assert_int_equal(write(end->descriptors.region, &region, sizeof region), sizeof region);
	end->descriptors.doorbell = eventfd(0, EFD_NONBLOCK);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		end->descriptors.wake[i] = eventfd(0, EFD_NONBLOCK);
}

static void ask_in_vain(const struct gate_end *end, int opened, int answer)
{
	open_client(end);
	close(opened);
	gate_client_ask(&client, GATE_READ, false, 4096);
	gate_client_ask(&client, GATE_READ, false, 4096);
	if (write(answer, "", 1) == 1)
		_exit(0);
	_exit(1);
}

static void nobody_waits_for_a_sluiced_that_has_died(void **state)
{
	int opened[2], answer[2];
	struct gate_end end;
	pid_t server;
	char byte;

	make_unserved(&end);
	assert_int_equal(pipe(opened), 0);
	assert_int_equal(pipe(answer), 0);
	server = fork();
	if (server == 0) {
		if (fork() == 0)
			ask_in_vain(&end, opened[1], answer[1]);
		close(opened[1]);
		if (read(opened[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(opened[1]);
	close(answer[1]);
	waitpid(server, NULL, 0);
	assert_int_equal(read(answer[0], &byte, 1), 1);
	close(opened[0]);
	close(answer[0]);
	close(end.descriptors.region);
	close(end.descriptors.doorbell);
	for (unsigned i = 0; i < GATE_SLOTS; i++)
		close(end.descriptors.wake[i]);
}

static void what_is_no_gate_is_refused(void **state)
{
	const struct gate_region other = {.version = GATE_VERSION + 1, .slot_count = GATE_SLOTS};
	int wake[GATE_SLOTS] = {0}, fd = memfd_create("gate", 0);

	assert_int_equal(gate_client_open(&client, fd, -1, wake, &error), -EPROTO);
	assert_int_equal(write(fd, &other, sizeof other), sizeof other);
	assert_int_equal(gate_client_open(&client, fd, -1, wake, &error), -EPROTO);
	close(fd);
}

#define TEST(name) cmocka_unit_test_teardown(name, stop_pool)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(threads_have_leave_in_turn),
		TEST(more_threads_than_slots_have_leave),
		TEST(a_thread_sleeps_until_it_has_leave),
		TEST(errno_is_left_alone),
		TEST(another_process_asks_and_ends),
		TEST(what_a_killed_process_held_is_given_to_others),
		cmocka_unit_test(nobody_waits_for_a_sluiced_that_has_died),
		cmocka_unit_test(what_is_no_gate_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
