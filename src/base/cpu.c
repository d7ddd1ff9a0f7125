#include "base/cpu.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

unsigned cpu_usable_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

/* By trying: a process that has shut itself in does not get to the files that say it. */
unsigned cpu_allowed_count(void)
{
	cpu_set_t before, all;
	unsigned count;

	memset(&all, 0xff, sizeof all);
	if (sched_getaffinity(0, sizeof before, &before) < 0 ||
		sched_setaffinity(0, sizeof all, &all) < 0)
		return 1;
	count = cpu_usable_count();
	sched_setaffinity(0, sizeof before, &before);
	return count;
}

int cpu_pin_thread(int cpu)
{
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}
