#include "cli/core_pair.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define THREADS_TEXT_BYTES 64u

/* The threads of a CPU's core, as the kernel writes them; "" if it does not say. */
static void threads_of(int cpu, char text[THREADS_TEXT_BYTES])
{
	char path[80];
	FILE *file;

	text[0] = '\0';
	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		cpu);
	file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(text, THREADS_TEXT_BYTES, file))
		text[0] = '\0';
	fclose(file);
}

bool core_pair_is_one_core(const struct core_pair *pair)
{
	char guest[THREADS_TEXT_BYTES], hypervisor[THREADS_TEXT_BYTES];

	threads_of(pair->guest_cpu, guest);
	threads_of(pair->hypervisor_cpu, hypervisor);
	return guest[0] && strcmp(guest, hypervisor) == 0;
}

/* The first usable CPU other than `taken`; another core's if there is one. -1: none. */
static int other_cpu(const cpu_set_t *usable, int taken)
{
	int found = -1;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		const struct core_pair pair = {cpu, taken};

		if (!CPU_ISSET(cpu, usable) || cpu == taken)
			continue;
		if (taken < 0 || !core_pair_is_one_core(&pair))
			return cpu;
		if (found < 0)
			found = cpu;
	}
	return found;
}

int core_pair_choose(struct core_pair *pair, struct error *error)
{
	cpu_set_t usable;

	if (sched_getaffinity(0, sizeof usable, &usable) < 0)
		return error_set(
			error, -errno, "which CPUs are usable is unknown: %s", strerror(errno));
	if (pair->hypervisor_cpu < 0)
		pair->hypervisor_cpu = other_cpu(&usable, pair->guest_cpu);
	if (pair->guest_cpu < 0)
		pair->guest_cpu = other_cpu(&usable, pair->hypervisor_cpu);
	if (pair->guest_cpu < 0 || pair->hypervisor_cpu < 0)
		return error_set(error, -ENODEV,
			"one CPU is not enough: a guest and its hypervisor need one each");
	return 0;
}
