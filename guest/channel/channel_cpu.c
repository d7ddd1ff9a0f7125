/*
 * Whether others want the CPU that a thread would poll on.
 *
 * Theory of operation. The kernel counts for each thread how long it was ready and did not run (schedstat's second number, of kernels with
 * CONFIG_SCHED_INFO, which distributions' have). A thread that has to wait for its turn more than a poll could save gives up the CPU
 * when it waits for an answer: what another does in that time is worth more than being there when the answer comes. Eight clients
 * on one CPU do a tenth more for it. The number costs some microseconds to get, so that is done once in so many waits.
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

void channel_cpu_learn(struct channel_cpu *cpu, pthread_t thread, uint64_t delay_ns)
{
	if (cpu->is_known && pthread_equal(cpu->thread, thread) && delay_ns >= cpu->delay_ns)
		cpu->is_shared =
			delay_ns - cpu->delay_ns > (uint64_t)SHARED_NS_PER_WAIT * ASK_EVERY_WAITS;
	cpu->is_known = true;
	cpu->thread = thread;
	cpu->delay_ns = delay_ns;
}

bool channel_cpu_is_shared(struct channel_cpu *cpu)
{
	uint64_t delay_ns;

	if (cpu->waits++ % ASK_EVERY_WAITS == 0 && get_delay(&delay_ns))
		channel_cpu_learn(cpu, pthread_self(), delay_ns);
	return cpu->is_shared;
}
