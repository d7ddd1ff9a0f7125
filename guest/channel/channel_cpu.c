/*
 * Whether others want the CPU that a thread would poll on.
 *
 * Theory of operation. The kernel counts for each thread how long it was ready and did not run
 * (schedstat's second number, of kernels with CONFIG_SCHED_INFO, which distributions' have). A thread
 * that waits for its turn longer than a poll could save gives up the CPU when it waits for an answer:
 * what another does in that time is worth more than being there when the answer comes. The number
 * takes some microseconds to get, so that is done once in so many waits.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel_private.h"

#define ASK_EVERY_WAITS 64u
#define SHARED_NS_PER_WAIT 20000u

/* Returns false if the kernel does not count it. */
static bool get_delay(uint64_t *delay_ns)
{
	char text[64];
	char *end;
	ssize_t bytes;
	int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bytes = read(fd, text, sizeof text - 1);
	close(fd);
	if (bytes <= 0)
		return false;
	text[bytes] = '\0';
	strtoull(text, &end, 10);
	*delay_ns = strtoull(end, NULL, 10);
	return true;
}

void channel_cpu_learn(struct channel_cpu *cpu, uint64_t delay_ns)
{
	const uint64_t shared_ns = (uint64_t)SHARED_NS_PER_WAIT * ASK_EVERY_WAITS;

	cpu->is_shared = cpu->is_known && delay_ns - cpu->delay_ns > shared_ns;
	cpu->is_known = true;
	cpu->delay_ns = delay_ns;
}

struct channel_cpu *channel_cpu_of_thread(void)
{
	static _Thread_local struct channel_cpu cpu;

	return &cpu;
}

bool channel_cpu_is_shared(void)
{
	struct channel_cpu *cpu = channel_cpu_of_thread();
	uint64_t delay_ns;

	if (cpu->waits++ % ASK_EVERY_WAITS != 0)
		return cpu->is_shared;
	if (get_delay(&delay_ns))
		channel_cpu_learn(cpu, delay_ns);
	else
		*cpu = (struct channel_cpu){.waits = 1};
	return cpu->is_shared;
}
