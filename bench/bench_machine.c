/* What this machine can do at best: a shared-memory round trip between two cores, a copy, an eventfd. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"

#define ROUND_TRIPS 1000000u
#define EVENT_ROUND_TRIPS 20000u
#define COPIES 200000u
#define COPY_BYTES 4096u
#define COPY_SPAN_BYTES (64u << 20) /* the size of the disk that the ring is measured on */

static _Alignas(64) uint32_t ping;
static _Alignas(64) uint32_t pong;
static int ping_fd, pong_fd;
static int answering_cpu;

static void *answer_memory(void *argument)
{
	cpu_pin_thread(answering_cpu);
	for (uint32_t i = 1; i <= ROUND_TRIPS; i++) {
		while (__atomic_load_n(&ping, __ATOMIC_ACQUIRE) != i)
			cpu_relax();
		__atomic_store_n(&pong, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void ask_memory(void)
{
	for (uint32_t i = 1; i <= ROUND_TRIPS; i++) {
		__atomic_store_n(&ping, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&pong, __ATOMIC_ACQUIRE) != i)
			cpu_relax();
	}
}

static void pass_on(int from, int to)
{
	uint64_t value = 1;

	if (read(from, &value, sizeof value) < 0 || write(to, &value, sizeof value) < 0)
		perror("eventfd");
}

static void *answer_event(void *argument)
{
	cpu_pin_thread(answering_cpu);
	for (unsigned i = 0; i < EVENT_ROUND_TRIPS; i++)
		pass_on(ping_fd, pong_fd);
	return NULL;
}

static void ask_event(void)
{
	const uint64_t one = 1;

	for (unsigned i = 0; i < EVENT_ROUND_TRIPS; i++) {
		uint64_t value;

		if (write(ping_fd, &one, sizeof one) < 0 || read(pong_fd, &value, sizeof value) < 0)
			perror("eventfd");
	}
}

static double time_round_trips(void *(*answer)(void *), void (*ask)(void), unsigned count)
{
	pthread_t thread;
	uint64_t started_ns;

	pthread_create(&thread, NULL, answer, NULL);
	started_ns = clock_now_ns();
	ask();
	started_ns = clock_now_ns() - started_ns;
	pthread_join(thread, NULL);
	return (double)started_ns / count;
}

static double time_copies(void)
{
	static char to[32][COPY_BYTES];
	char *from = mmap(NULL, COPY_SPAN_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	uint64_t started_ns, random = 1;

	if (from == MAP_FAILED)
		return 0;
	started_ns = clock_now_ns();
	for (unsigned i = 0; i < COPIES; i++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		memcpy(to[i % 32], from + (random >> 33) * COPY_BYTES % COPY_SPAN_BYTES,
			COPY_BYTES);
		__asm__ volatile("" ::"r"(to) : "memory");
	}
	return (double)(clock_now_ns() - started_ns) / COPIES;
}

int main(void)
{
	answering_cpu = (int)cpu_usable_count() - 1; /* before the count shrinks to our own */
	cpu_pin_thread(0);
	ping_fd = eventfd(0, 0);
	pong_fd = eventfd(0, 0);
	printf("{\"round_trip_ns\": %.1f, ",
		time_round_trips(answer_memory, ask_memory, ROUND_TRIPS));
	printf("\"eventfd_round_trip_ns\": %.1f, ",
		time_round_trips(answer_event, ask_event, EVENT_ROUND_TRIPS));
	printf("\"memcpy_ns\": %.1f}\n", time_copies());
	return 0;
}
