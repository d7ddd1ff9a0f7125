/* A VM's life and end, with machines that do as they are told. */
#include "../cmocka_all.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "vmm/machine_statistics.h"
#include "vmm/process/vm_control.h"

/* ---- the machines ---- */

struct machine {
	sem_t stop;
};

#define RUNS_UNTIL_STOPPED MACHINE_IS_RUNNING

static enum machine_end ends[8]; /* of the first machine, the second, ... */
static unsigned created, destroyed, pressed, stops;
static unsigned reboots_first; /* machines that reset themselves before those of `ends` */
static enum log_level level = LOG_LEVEL_ERROR;	   /* before its thread says anything */
static int creation_result, later_creation_result; /* of the first machine, and of others */
static unsigned creations_to_fail;		   /* of those, or UINT_MAX */
static sem_t is_running; /* posted by each that runs until it is stopped */

int machine_create(const struct machine_config *config, const struct kvm *kvm,
	struct machine **machine, struct error *error)
{
	int result = created ? later_creation_result : creation_result;

	if (created && creations_to_fail == 0)
		result = 0;
	if (created && creations_to_fail > 0 && creations_to_fail < UINT_MAX)
		creations_to_fail--;
	if (result < 0)
		return error_set(error, result, "no machine today");
	*machine = calloc(1, sizeof **machine);
	sem_init(&(*machine)->stop, 0, 0);
	created++;
	return 0;
}

enum machine_end machine_run(struct machine *machine)
{
	enum machine_end end = MACHINE_RESET;

	if (created > reboots_first)
		end = ends[created - reboots_first - 1];
	if (end != RUNS_UNTIL_STOPPED)
		return end;
	sem_post(&is_running);
	sem_wait(&machine->stop);
	return MACHINE_STOPPED;
}

void machine_destroy(struct machine *machine)
{
	sem_destroy(&machine->stop);
	free(machine);
	destroyed++;
}

void machine_press_power_button(struct machine *machine)
{
	pressed++;
}

void machine_stop(struct machine *machine)
{
	stops++;
	sem_post(&machine->stop);
}

void machine_statistics(const struct machine *machine, struct machine_statistics *statistics)
{
	static const struct sidecore_counters core = {.sleeps = 3};
	static const struct register_counts none, serial = {.writes[EXIT_BY_COALESCING] = 5};
	static struct exit_counters_of_vcpu by_vcpu[2];
	static const struct exit_counters_of_core by_core[2] = {{.wakes = 1}, {.wakes = 2}};
	static const struct exit_ring_counters by_ring[2] = {
		{.synchronous = 4}, {.synchronous = 3}};

	*statistics = (struct machine_statistics){.vcpu_count = 2, .core = &core};
	statistics->vcpus[1].ring_state = SLUICE_EXIT_RING_BAD_REQUEST_INDEX;
	by_vcpu[0].exits[2] = 10; /* KVM_EXIT_IO */
	by_vcpu[1].exits[2] = 20;
	for (unsigned i = 0; i < 2; i++) {
		statistics->vcpus[i].by_vcpu = &by_vcpu[i];
		statistics->vcpus[i].by_core = &by_core[i];
		statistics->vcpus[i].by_ring = &by_ring[i];
		if (!by_vcpu[i].lost_ns.count)
			histogram_record(&by_vcpu[i].lost_ns, 1000 * (i + 1));
	}
	for (unsigned kind = 0; kind < REGISTER_KIND_COUNT; kind++)
		statistics->registers[kind] = kind == REGISTER_SERIAL ? &serial : &none;
	statistics->registers_of_nobody = &none;
}

struct exits_handled machine_exits_handled(const struct machine_statistics *statistics)
{
	return (struct exits_handled){.on_vcpus = 1, .on_core = 2};
}

int machine_kvm_statistics(const struct machine *machine, int vcpu,
	void (*function)(void *argument, const char *name, uint64_t value), void *argument)
{
	if (vcpu != MACHINE_KVM_STATISTICS_OF_VM)
		function(argument, "exits", 100);
	function(argument, "halt_exits", 0);
	return 0;
}

/* ---- the tests ---- */

static const struct machine_config config = {.name = "test"};

static struct vm_life *begin(enum machine_end first)
{
	struct vm_life *life;
	struct error error;

	ends[0] = first;
	created = destroyed = pressed = stops = 0;
	creation_result = 0;
	sem_init(&is_running, 0, 0);
	log_set_level(level);
	assert_int_equal(vm_life_begin(&config, NULL, &life, &error), 0);
	return life;
}

static int end(struct vm_life *life)
{
	struct error error;
	uint64_t value;

	assert_int_equal(read(vm_life_over_fd(life), &value, sizeof value), sizeof value);
	return vm_life_end(life, &error);
}

static void a_reboot_is_another_machine(void **state)
{
	ends[1] = MACHINE_RESET;
	ends[2] = MACHINE_OFF;
	assert_int_equal(end(begin(MACHINE_RESET)), MACHINE_OFF);
	assert_int_equal(created, 3);
	assert_int_equal(destroyed, 3);
}

static void a_guest_that_does_nothing_but_reboot_does_not_fill_the_log(void **state)
{
	int memory = memfd_create("log", 0), standard_error = dup(STDERR_FILENO);
	static char text[1 << 20];
	unsigned lines = 0;
	struct vm_life *life;

	reboots_first = 5000;
	dup2(memory, STDERR_FILENO);
	level = LOG_LEVEL_INFO;
	life = begin(MACHINE_OFF);
	level = LOG_LEVEL_ERROR;
	assert_int_equal(end(life), MACHINE_OFF);
	dup2(standard_error, STDERR_FILENO);
	reboots_first = 0;
	assert_int_equal(created, 5001);
	for (ssize_t i = 0, length = pread(memory, text, sizeof text, 0); i < length; i++)
		lines += text[i] == '\n';
	assert_in_range(lines, 1, 100);
	close(standard_error);
	close(memory);
}

static void a_machine_that_crashes_is_the_end(void **state)
{
	assert_int_equal(end(begin(MACHINE_CRASHED)), MACHINE_CRASHED);
	assert_int_equal(created, 1);
}

static void a_machine_that_cannot_be_made_is_the_end(void **state)
{
	struct vm_life *life;
	struct error error;

	created = 0;
	creation_result = -ENODEV;
	assert_int_equal(vm_life_begin(&config, NULL, &life, &error), 0);
	assert_int_equal(vm_life_end(life, &error), -ENODEV);
	assert_string_equal(error.message, "no machine today");
}

static void a_reboot_waits_for_back_ends(void **state)
{
	later_creation_result = -ECONNREFUSED;
	creations_to_fail = 2;
	ends[1] = MACHINE_OFF;
	assert_int_equal(end(begin(MACHINE_RESET)), MACHINE_OFF);
	assert_int_equal(created, 2);
}

static void a_reboot_that_waits_can_be_stopped(void **state)
{
	struct vm_life *life;

	later_creation_result = -ENOENT;
	creations_to_fail = UINT_MAX;
	life = begin(MACHINE_RESET);
	while (vm_life_reboots(life) == 0)
		usleep(1000);
	vm_life_stop(life);
	assert_int_equal(end(life), MACHINE_STOPPED);
	creations_to_fail = 0;
}

static void it_can_be_stopped(void **state)
{
	struct vm_life *life = begin(RUNS_UNTIL_STOPPED);

	sem_wait(&is_running);
	vm_life_stop(life);
	assert_int_equal(end(life), MACHINE_STOPPED);
}

static void stopping_it_during_a_reboot_ends_it(void **state)
{
	struct vm_life *life;

	ends[1] = RUNS_UNTIL_STOPPED;
	life = begin(MACHINE_RESET);
	vm_life_stop(life);
	assert_int_equal(end(life), MACHINE_STOPPED);
}

static void a_power_button_comes_first_and_then_the_end(void **state)
{
	struct vm_life *life = begin(RUNS_UNTIL_STOPPED);
	struct vm_power power;
	struct error error;

	assert_int_equal(vm_power_init(&power, life, 3600000000000u, &error), 0);
	sem_wait(&is_running);
	vm_power_request(&power, false);
	assert_int_equal(pressed, 1);
	assert_true(power.is_pressed);
	vm_power_request(&power, false);
	assert_int_equal(end(life), MACHINE_STOPPED);
	assert_int_equal(pressed, 1);
	vm_power_free(&power);
}

static void a_signal_that_comes_both_ways_is_one(void **state)
{
	struct vm_life *life = begin(RUNS_UNTIL_STOPPED);
	struct vm_power power;
	struct error error;

	assert_int_equal(vm_power_init(&power, life, 3600000000000u, &error), 0);
	sem_wait(&is_running);
	vm_power_signal(&power, false, false);
	assert_true(power.is_pressed);
	vm_power_signal(&power, false, true);
	assert_int_equal(stops, 0);
	vm_power_signal(&power, false, true);
	assert_int_equal(end(life), MACHINE_STOPPED);
	assert_int_equal(pressed, 1);
	vm_power_free(&power);
}

static void a_grace_period_that_is_over_is_the_end(void **state)
{
	struct vm_life *life = begin(RUNS_UNTIL_STOPPED);
	struct pollfd timer = {.events = POLLIN};
	struct vm_power power;
	struct error error;

	assert_int_equal(vm_power_init(&power, life, 1000000, &error), 0);
	sem_wait(&is_running);
	vm_power_expire(&power); /* too early, as nobody has asked */
	vm_power_request(&power, false);
	timer.fd = power.timer_fd;
	assert_int_equal(poll(&timer, 1, 10000), 1);
	vm_power_expire(&power);
	assert_int_equal(end(life), MACHINE_STOPPED);
	vm_power_free(&power);
}

static void at_once_is_without_the_button(void **state)
{
	struct vm_life *life = begin(RUNS_UNTIL_STOPPED);
	struct vm_power power;
	struct error error;

	assert_int_equal(vm_power_init(&power, life, 3600000000000u, &error), 0);
	sem_wait(&is_running);
	vm_power_request(&power, true);
	assert_int_equal(end(life), MACHINE_STOPPED);
	assert_int_equal(pressed, 0);
	vm_power_free(&power);
}

/* ---- the control socket ---- */

static json_t *call(struct vm_control *control, const char *request)
{
	char *line = rpc_answer(vm_control_methods, control, request, strlen(request));
	json_t *answer = json_loads(line, 0, NULL);

	free(line);
	assert_non_null(answer);
	return answer;
}

static void the_control_socket_says_what_is_counted(void **state)
{
	struct vm_description *description = calloc(1, sizeof *description);
	struct vm_life *life = begin(RUNS_UNTIL_STOPPED);
	struct vm_control control = {.description = description, .life = life};
	json_t *answer, *entry;
	json_int_t count, lost, exits, wakes, asked, stopped;
	const char *class, *path;

	sem_wait(&is_running);
	answer = call(&control, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"vm.stat\"}");
	assert_int_equal(
		json_unpack(answer,
			"{s:{s:[o], s:[{s:s, s:s}], s:{s:I}, s:{s:I}, s:{s:I}, s:{s:I, s:I}}}",
			"result", "exits", &entry, "accesses", "class", &class, "path", &path,
			"lost_ns", "count", &lost, "kvm", "exits", &exits, "notifications",
			"wakes_of_vcpus", &wakes, "exit_rings", "synchronous", &asked, "stopped",
			&stopped),
		0);
	assert_int_equal(json_unpack(entry, "{s:I}", "count", &count), 0);
	assert_int_equal(count, 30);
	assert_string_equal(class, "asynchronous");
	assert_string_equal(path, "coalescing");
	assert_int_equal(lost, 2);
	assert_int_equal(exits, 200);
	assert_int_equal(wakes, 3);
	assert_int_equal(asked, 7);
	assert_int_equal(stopped, 1);
	json_decref(answer);
	vm_life_stop(life);
	end(life);
	free(description);
}

static void the_control_socket_shows_and_stops(void **state)
{
	struct vm_description *description = calloc(1, sizeof *description);
	struct vm_life *life = begin(RUNS_UNTIL_STOPPED);
	struct vm_power power;
	struct vm_control control = {.description = description, .life = life, .power = &power};
	struct error error;
	json_t *answer;

	snprintf(description->name, sizeof description->name, "web");
	assert_int_equal(vm_power_init(&power, life, 3600000000000u, &error), 0);
	sem_wait(&is_running);
	json_decref(call(&control, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"vm.stop\"}"));
	assert_int_equal(pressed, 1);
	answer = call(&control, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"vm.show\"}");
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(answer, "result"), "name")),
		"web");
	assert_true(
		json_is_true(json_object_get(json_object_get(answer, "result"), "is_stopping")));
	json_decref(answer);
	json_decref(call(&control, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"vm.stop\", "
				   "\"params\": {\"now\": true}}"));
	assert_int_equal(end(life), MACHINE_STOPPED);
	vm_power_free(&power);
	free(description);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reboot_is_another_machine),
		cmocka_unit_test(a_guest_that_does_nothing_but_reboot_does_not_fill_the_log),
		cmocka_unit_test(a_machine_that_crashes_is_the_end),
		cmocka_unit_test(a_machine_that_cannot_be_made_is_the_end),
		cmocka_unit_test(a_reboot_waits_for_back_ends),
		cmocka_unit_test(a_reboot_that_waits_can_be_stopped),
		cmocka_unit_test(it_can_be_stopped),
		cmocka_unit_test(stopping_it_during_a_reboot_ends_it),
		cmocka_unit_test(a_power_button_comes_first_and_then_the_end),
		cmocka_unit_test(a_signal_that_comes_both_ways_is_one),
		cmocka_unit_test(a_grace_period_that_is_over_is_the_end),
		cmocka_unit_test(at_once_is_without_the_button),
		cmocka_unit_test(the_control_socket_says_what_is_counted),
		cmocka_unit_test(the_control_socket_shows_and_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
