/* Whether a hypervisor core may poll beside its guest's vCPUs. */
#include "../cmocka_all.h"

#include <sched.h>

#include "base/cpu.h"
#include "vmm/machine.h"

#define POLL_NS 20000u

static cpu_set_t allowed;

static int keep_to_one_cpu(void **state)
{
	return sched_getaffinity(0, sizeof allowed, &allowed) || cpu_pin_thread(sched_getcpu());
}

static int let_go(void **state)
{
	return sched_setaffinity(0, sizeof allowed, &allowed);
}

/* Of a machine with one vCPU. */
static uint64_t poll_ns(int guest_core, int hypervisor_core)
{
	const struct machine_config config = {.vcpu_count = 1,
		.vcpu_cpus = {guest_core},
		.hypervisor_core = {.cpu = hypervisor_core, .poll_ns_max = POLL_NS}};

	return machine_hypervisor_core(&config).poll_ns_max;
}

static void two_cpus_by_name_are_two_wherever_the_process_may_run(void **state)
{
	assert_int_equal(poll_ns(1, 0), POLL_NS);
}

static void a_core_that_a_vcpu_has_too_does_not_poll(void **state)
{
	assert_int_equal(poll_ns(1, 1), 0);
}

static void with_one_cpu_for_all_that_have_none_by_name_it_does_not_poll(void **state)
{
	assert_int_equal(poll_ns(SIDECORE_NOT_PINNED, SIDECORE_NOT_PINNED), 0);
	assert_int_equal(poll_ns(SIDECORE_NOT_PINNED, 0), 0);
	assert_int_equal(poll_ns(0, SIDECORE_NOT_PINNED), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_cpus_by_name_are_two_wherever_the_process_may_run),
		cmocka_unit_test(a_core_that_a_vcpu_has_too_does_not_poll),
		cmocka_unit_test(with_one_cpu_for_all_that_have_none_by_name_it_does_not_poll),
	};

	return cmocka_run_group_tests(tests, keep_to_one_cpu, let_go);
}
