/*
 * A device that is killed at any store, and its successor: what the driver has made available is
 * used exactly once, none lost, none done twice after the driver saw it.
 *
 * Theory of operation. What a killed process leaves behind is what it has stored. So the device runs
 * in a child that finds its memory (the ring and the in-flight region) write-protected: each store
 * faults, is allowed to happen alone, and traps. Then the parent, which plays the driver, lets a
 * successor take up ring and region, finish everything and go on for some laps, checks who got what,
 * and puts the memory back as it was before the child goes on. In another test the successor is stopped
 * at each of its stores as well, so that every state of every recovery is recovered from once more.
 */
#include "ring_pair.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <ucontext.h>

#define SIZE_MAX_TESTED 8u
#define CHAINS 1024u
#define REGION_AT 4096u /* in the pair's memory, after the ring */
#define SHARED_BYTES 8192u

static struct ring_pair pair;
static struct descriptor_chain popped[SIZE_MAX_TESTED];
static unsigned popped_count;
static unsigned states_seen;

/* What the driver knows. */
static struct {
	unsigned added;
	uint8_t answers[CHAINS];
} ledger;

/* ---- the driver ---- */

/* Chains of one to three descriptors: the tails of long ones keep flags of earlier laps. */
static bool add_chain(void)
{
	uintptr_t number = ledger.added;
	uint64_t address = PAIR_BUFFERS + number % 256 * 64;
	const struct driver_segment segments[] = {{address, 16}, {address + 16, 8}, {address, 8}};

	if (driver_ring_add(&pair.driver, segments, 1, number % 4 % 3, (void *)(number + 1)) < 0)
		return false;
	memcpy(pair.memory + address, &number, sizeof number);
	ledger.added++;
	return true;
}

static void collect(void)
{
	struct driver_completion done[SIZE_MAX_TESTED];
	int count = driver_ring_poll(&pair.driver, done, SIZE_MAX_TESTED);

	assert_true(count >= 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(++ledger.answers[(uintptr_t)done[i].token - 1], 1);
}

static unsigned count_unanswered(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ledger.added; i++)
		count += !ledger.answers[i];
	return count;
}

static void drive(void)
{
	collect();
	while (add_chain())
		;
	driver_ring_publish(&pair.driver);
}

/* ---- states ---- */

struct state {
	uint8_t shared[SHARED_BYTES];
	struct driver_ring driver;
	struct driver_chain chains[SIZE_MAX_TESTED];
	typeof(ledger) ledger;
};

static void save(struct state *state)
{
	memcpy(state->shared, pair.memory, SHARED_BYTES);
	memcpy(state->chains, pair.driver.chains,
		pair.driver.config.size * sizeof *pair.driver.chains);
	state->driver = pair.driver;
	state->ledger = ledger;
}

static void restore(const struct state *state)
{
	memcpy(pair.memory, state->shared, SHARED_BYTES);
	pair.driver = state->driver;
	ledger = state->ledger;
	memcpy(pair.driver.chains, state->chains,
		pair.driver.config.size * sizeof *pair.driver.chains);
}

/* ---- a successor that lives ---- */

static void attach(void)
{
	/* As a front end that lost its back end without warning: it does not know the base. */
	pair.setup.base = driver_ring_base(&pair.driver);
	pair_attach(&pair);
	popped_count = 0;
}

static void pop_all(void)
{
	while (popped_count < SIZE_MAX_TESTED &&
		virtqueue_pop(&pair.device, &popped[popped_count]) == 1)
		popped_count++;
}

static void push(unsigned index)
{
	virtqueue_push(&pair.device, &popped[index], 0);
	popped[index] = popped[--popped_count];
}

static void push_all(void)
{
	for (unsigned i = 0; popped_count; i++)
		push(i * 5 % popped_count);
	virtqueue_publish(&pair.device);
}

/* So that the driver looks at the places of those that aren't given back yet. */
static void push_one_by_one(void)
{
	while (popped_count) {
		push(popped_count - 1);
		virtqueue_publish(&pair.device);
		collect();
	}
}

/* Everything unanswered is popped, once, and nothing else. */
static void check_popped(void)
{
	bool is_popped[CHAINS] = {false};

	assert_null(pair.device.broken);
	assert_int_equal(popped_count, count_unanswered());
	for (unsigned i = 0; i < popped_count; i++) {
		uintptr_t number = pair_number(&popped[i]);

		assert_false(ledger.answers[number]);
		assert_false(is_popped[number]);
		is_popped[number] = true;
	}
}

static void check_free_entries(void)
{
	const struct inflight_packed_region *region = pair.inflight;
	unsigned count = 0;

	if (!pair.setup.is_packed)
		return;
	for (uint16_t i = region->free_head; i < pair.setup.size; i = region->entries[i].next)
		assert_true(++count <= pair.setup.size);
	assert_int_equal(count, pair.setup.size);
}

static void recover_and_go_on(void (*push_popped)(void))
{
	attach();
	pop_all();
	check_popped();
	push_popped();
	collect();
	assert_int_equal(count_unanswered(), 0);
	check_free_entries();
	for (unsigned lap = 0; lap < 3; lap++) {
		drive();
		pop_all();
		check_popped();
		push_all();
	}
	collect();
	assert_int_equal(count_unanswered(), 0);
}

static void check_state(void)
{
	struct state state;

	states_seen++;
	save(&state);
	collect();
	recover_and_go_on(push_all);
	restore(&state);
	collect();
	recover_and_go_on(push_one_by_one);
	restore(&state);
	/* The driver goes on before there is a successor. */
	drive();
	recover_and_go_on(push_one_by_one);
	restore(&state);
}

/* ---- a device that stops after each of its stores ---- */

#define TRAP_FLAG 0x100

enum news { STORED, WANTS_DRIVER };

static int child_end; /* of a socket pair; the parent has the other */

static uint8_t *device_memory(void)
{
	return pair.guest.regions[0].host;
}

static void tell_parent(enum news news)
{
	uint8_t byte = (uint8_t)news;

	if (write(child_end, &byte, 1) != 1 || read(child_end, &byte, 1) != 1)
		_exit(1);
}

/* A store to the memory: let it happen, and trap after it. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	ucontext_t *registers = context;

	if ((uintptr_t)info->si_addr - (uintptr_t)device_memory() >= SHARED_BYTES)
		_exit(2);
	mprotect(device_memory(), SHARED_BYTES, PROT_READ | PROT_WRITE);
	registers->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	ucontext_t *registers = context;

	registers->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	tell_parent(STORED);
	mprotect(device_memory(), SHARED_BYTES, PROT_READ);
}

static void trap_stores(void)
{
	struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	struct sigaction trap = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGTRAP, &trap, NULL);
	mprotect(device_memory(), SHARED_BYTES, PROT_READ);
}

static pid_t start_child(void (*body)(void), int *parent_end)
{
	int ends[2];
	pid_t child;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		child_end = ends[1];
		trap_stores();
		body();
		_exit(0);
	}
	close(ends[1]);
	*parent_end = ends[0];
	return child;
}

/* Run `body` in a child, and `on_store` here after each of its stores. */
static void step(void (*body)(void), void (*on_store)(void))
{
	int end, status;
	pid_t child = start_child(body, &end);
	uint8_t news;

	while (read(end, &news, 1) == 1) {
		if (news == STORED)
			on_store();
		else
			drive();
		assert_int_equal(write(end, &news, 1), 1);
	}
	close(end);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void open_tracked(uint16_t size, bool is_packed)
{
	memset(&ledger, 0, sizeof ledger);
	states_seen = 0;
	pair_open(&pair, size, is_packed, true, false);
	pair.inflight = device_memory() + REGION_AT;
}

static void close_tracked(void)
{
	pair.inflight = NULL;
	pair_close(&pair);
}

/* ---- the tests ---- */

/* Batches of several sizes, completions out of order, some chains in flight over many rounds. */
static void live(void)
{
	attach();
	for (unsigned round = 0; round < 12; round++) {
		tell_parent(WANTS_DRIVER);
		pop_all();
		for (unsigned i = round % 4 + 1; i > 0 && popped_count > round % 2; i--)
			push(i * 3 % popped_count);
		virtqueue_publish(&pair.device);
	}
}

static void killed_anywhere_a_device_loses_nothing(uint16_t size, bool is_packed)
{
	open_tracked(size, is_packed);
	step(live, check_state);
	assert_true(states_seen > 100);
	close_tracked();
}

static void killed_anywhere_a_split_ring_loses_nothing(void **state)
{
	killed_anywhere_a_device_loses_nothing(8, false);
}

static void killed_anywhere_a_packed_ring_loses_nothing(void **state)
{
	killed_anywhere_a_device_loses_nothing(8, true);
	killed_anywhere_a_device_loses_nothing(5, true);
}

static void recover(void)
{
	attach();
	pop_all();
	push_all();
}

static void check_recovery_of_state(void)
{
	struct state state;

	save(&state);
	step(recover, check_state);
	restore(&state);
}

static void live_shortly(void)
{
	attach();
	for (unsigned round = 0; round < 2; round++) {
		tell_parent(WANTS_DRIVER);
		pop_all();
		for (unsigned i = 3; i > 0 && popped_count; i--)
			push(popped_count - 1);
		virtqueue_publish(&pair.device);
	}
}

static void killed_again_while_recovering_a_device_loses_nothing(void **state)
{
	for (unsigned is_packed = 0; is_packed < 2; is_packed++) {
		open_tracked(is_packed ? 7 : 8, is_packed);
		step(live_shortly, check_recovery_of_state);
		assert_true(states_seen > 100);
		close_tracked();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_anywhere_a_split_ring_loses_nothing),
		cmocka_unit_test(killed_anywhere_a_packed_ring_loses_nothing),
		cmocka_unit_test(killed_again_while_recovering_a_device_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
