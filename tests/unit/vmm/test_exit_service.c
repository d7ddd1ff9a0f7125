/* Exits between vCPUs' threads and whoever handles them; KVM's part is played by the test. */
#include "../cmocka_all.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counter.h"
#include "vmm/exits/exit_service.h"

#define RUN_BYTES 4096u
#define VCPUS 3u
#define MANY_VCPUS 40u /* more than are served in one poll */
#define PORT 0x600u

struct fake_vcpu {
	struct exit_slot slot;
	_Alignas(4096) uint8_t page[RUN_BYTES];
	pthread_t thread;
	unsigned exits; /* to make */
	unsigned pause_us;
	uint64_t wrong; /* answers that were not what the register says */
};

static struct fake_vcpu vcpus[MANY_VCPUS];
static struct exit_slot *slots[MANY_VCPUS];
static struct sidecore *sidecore;
static struct registers *registers;
static struct exit_service *service;
static struct register_range range;
static pthread_t core_thread;
static uint64_t reads, reads_elsewhere, ends;
static bool is_unsteady; /* the device takes a while */

static uint64_t read_register(void *device, uint64_t offset, unsigned size_bytes)
{
	/* Plain, not atomic: one at a time is what is promised. */
	reads++;
	if (!pthread_equal(pthread_self(), core_thread))
		reads_elsewhere++;
	if (is_unsteady)
		usleep(200);
	return 0xabcd;
}

static void note_core(void *argument)
{
	core_thread = pthread_self();
}

static void end(void *context, enum exit_verdict verdict)
{
	ends += verdict == EXIT_CRASH;
}

static void start(bool is_split, uint64_t poll_ns_max, uint64_t spin_ns_max)
{
	const struct sidecore_config core = {
		.name = "test", .cpu = SIDECORE_NOT_PINNED, .poll_ns_max = poll_ns_max};
	const struct exit_service_coalescing coalescing = {.vm_fd = -1};
	struct exit_service_config config = {.is_split = is_split, .end = end};
	struct error error;

	assert_int_equal(sidecore_start(&core, &sidecore, &error), 0);
	sidecore_call(sidecore, note_core, NULL);
	config.sidecore = sidecore;
	config.registers = registers;
	assert_int_equal(exit_service_create(&config, &service, &error), 0);
	for (unsigned i = 0; i < MANY_VCPUS; i++) {
		const struct exit_context context = {.machine_name = "test",
			.vcpu = i,
			.run = (struct kvm_run *)vcpus[i].page,
			.run_bytes = RUN_BYTES,
			.registers = registers};

		exit_slot_init(&vcpus[i].slot, &context, spin_ns_max);
		slots[i] = &vcpus[i].slot;
	}
	exit_service_start(service, slots, MANY_VCPUS, &coalescing);
}

static int set_up(void **state)
{
	memset(vcpus, 0, sizeof vcpus);
	reads = reads_elsewhere = ends = 0;
	is_unsteady = false;
	registers = registers_create();
	range = (struct register_range){
		.kind = REGISTER_POWER, .base = PORT, .size_bytes = 4, .read = read_register};
	return registers_add(registers, &range);
}

static int tear_down(void **state)
{
	exit_service_stop(service);
	exit_service_destroy(service);
	sidecore_stop(sidecore);
	registers_destroy(registers);
	return 0;
}

static void *make_exits(void *argument)
{
	struct fake_vcpu *vcpu = argument;
	struct kvm_run *run = (struct kvm_run *)vcpu->page;
	uint16_t *data = (uint16_t *)(vcpu->page + RUN_BYTES / 2);

	vcpu->slot.thread = pthread_self();
	for (unsigned i = 0; i < vcpu->exits; i++) {
		run->exit_reason = KVM_EXIT_IO;
		run->io.direction = KVM_EXIT_IO_IN;
		run->io.size = 2;
		run->io.port = PORT;
		run->io.count = 1;
		run->io.data_offset = RUN_BYTES / 2;
		*data = 0;
		exit_service_take(service, &vcpu->slot, clock_now_ns());
		vcpu->wrong += *data != 0xabcd;
		if (vcpu->pause_us)
			usleep(vcpu->pause_us);
	}
	return NULL;
}

static void run_vcpus(unsigned count, unsigned exits, unsigned pause_us)
{
	for (unsigned i = 0; i < count; i++) {
		vcpus[i].exits = exits;
		vcpus[i].pause_us = pause_us;
		assert_int_equal(pthread_create(&vcpus[i].thread, NULL, make_exits, &vcpus[i]), 0);
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(vcpus[i].thread, NULL);
}

static void assert_all_handled(unsigned count, unsigned exits, bool on_core)
{
	for (unsigned i = 0; i < count; i++) {
		const struct exit_slot *slot = &vcpus[i].slot;

		assert_int_equal(vcpus[i].wrong, 0);
		assert_int_equal(slot->by_core.handled, on_core ? exits : 0);
		assert_int_equal(slot->by_vcpu.handled, on_core ? 0 : exits);
		assert_int_equal(slot->by_vcpu.lost_ns.count, exits);
	}
	assert_int_equal(reads, count * exits);
	assert_int_equal(reads_elsewhere, on_core ? 0 : count * exits);
}

static void exits_are_handled_on_the_core(void **state)
{
	start(true, 50000, 50000);
	run_vcpus(VCPUS, 2000, 0);
	assert_all_handled(VCPUS, 2000, true);
}

static void many_vcpus_all_get_their_turn(void **state)
{
	start(true, 50000, 0);
	run_vcpus(MANY_VCPUS, 100, 0);
	assert_all_handled(MANY_VCPUS, 100, true);
}

static void parked_core_is_woken(void **state)
{
	start(true, 0, 0);
	run_vcpus(VCPUS, 500, 0);
	assert_all_handled(VCPUS, 500, true);
	/* At the latest the first of all found it parked. */
	assert_true(vcpus[0].slot.by_vcpu.doorbells + vcpus[1].slot.by_vcpu.doorbells +
			    vcpus[2].slot.by_vcpu.doorbells >
		    0);
}

/* Pauses as long as the window, so that parking and posting meet. */
static void no_post_is_lost_when_the_core_parks(void **state)
{
	start(true, 20000, 20000);
	run_vcpus(VCPUS, 1000, 20);
	assert_all_handled(VCPUS, 1000, true);
}

static void thread_that_must_not_spin_sleeps(void **state)
{
	const struct exit_counters_of_vcpu *counters = &vcpus[0].slot.by_vcpu;

	is_unsteady = true;
	start(true, 50000, 0);
	run_vcpus(1, 100, 0);
	assert_all_handled(1, 100, true);
	assert_true(counters->answered_asleep > 0);
	assert_int_equal(counters->answered_asleep + counters->answered_spinning, 100);
	assert_true(counter_get(&vcpus[0].slot.by_core.wakes) <= counters->answered_asleep);
}

static void without_the_split_each_vcpu_handles_its_own(void **state)
{
	start(false, 0, 0);
	run_vcpus(VCPUS, 2000, 0);
	assert_all_handled(VCPUS, 2000, false);
}

static void what_is_dropped_is_answered(void **state)
{
	start(true, 50000, 0);
	exit_service_drop(service);
	run_vcpus(1, 10, 0);
	assert_int_equal(reads, 0);
	assert_int_equal(vcpus[0].slot.by_core.dropped, 10);
}

static void drop_now(void *argument)
{
	usleep(2000);
	exit_service_drop(service);
}

static void dropping_in_the_midst_lets_all_go_on(void **state)
{
	start(true, 20000, 20000);
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i].exits = 2000;
		assert_int_equal(pthread_create(&vcpus[i].thread, NULL, make_exits, &vcpus[i]), 0);
	}
	drop_now(NULL);
	for (unsigned i = 0; i < VCPUS; i++)
		pthread_join(vcpus[i].thread, NULL);
	for (unsigned i = 0; i < VCPUS; i++)
		assert_int_equal(
			vcpus[i].slot.by_core.handled + vcpus[i].slot.by_core.dropped, 2000);
}

static void add_read(void *argument)
{
	exit_service_enter(service);
	reads++;
	exit_service_leave(service);
}

/* The thread sanitizer watches `reads`, which is not atomic. */
static void *run_functions(void *argument)
{
	for (unsigned i = 0; i < 500; i++)
		sidecore_call(exit_service_sidecore(service), add_read, NULL);
	return NULL;
}

static void run_beside_exits(void)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_functions, NULL), 0);
	run_vcpus(VCPUS, 500, 0);
	pthread_join(thread, NULL);
	assert_int_equal(reads, 500 + VCPUS * 500);
}

static void functions_take_turns_with_exits(void **state)
{
	start(true, 20000, 20000);
	run_beside_exits();
}

static void functions_take_turns_with_exits_without_the_split(void **state)
{
	start(false, 20000, 20000);
	run_beside_exits();
}

static void *make_unknown_exit(void *argument)
{
	struct fake_vcpu *vcpu = argument;

	vcpu->slot.thread = pthread_self();
	((struct kvm_run *)vcpu->page)->exit_reason = UINT32_MAX;
	exit_service_take(service, &vcpu->slot, clock_now_ns());
	return NULL;
}

static void verdict_reaches_the_machine(void **state)
{
	start(true, 20000, 20000);
	assert_int_equal(pthread_create(&vcpus[1].thread, NULL, make_unknown_exit, &vcpus[1]), 0);
	pthread_join(vcpus[1].thread, NULL);
	assert_int_equal(ends, 1);
}

static sem_t entered;

/* As an exit ring's poller does, by whose request the guest turns itself off. */
static void stay_at_the_devices(void *argument)
{
	exit_service_enter(service);
	sem_post(&entered);
	usleep(20000);
	ends++;
	exit_service_leave(service);
}

static void stopping_waits_for_who_is_at_the_devices(void **state)
{
	sem_init(&entered, 0, 0);
	start(false, 0, 0);
	sidecore_post(sidecore, stay_at_the_devices, NULL);
	while (sem_wait(&entered) < 0)
		;
	exit_service_stop(service);
	assert_int_equal(ends, 1);
	sem_destroy(&entered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(exits_are_handled_on_the_core, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_vcpus_all_get_their_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parked_core_is_woken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			no_post_is_lost_when_the_core_parks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			thread_that_must_not_spin_sleeps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			without_the_split_each_vcpu_handles_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_dropped_is_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			dropping_in_the_midst_lets_all_go_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(functions_take_turns_with_exits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			functions_take_turns_with_exits_without_the_split, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verdict_reaches_the_machine, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			stopping_waits_for_who_is_at_the_devices, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
