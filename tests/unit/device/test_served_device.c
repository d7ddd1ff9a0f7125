/* What devices of every kind share; the thread sanitizer watches. */
#include "../cmocka_all.h"

#include <sys/eventfd.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_that_nobody_takes_does_not_hold_up_the_release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
