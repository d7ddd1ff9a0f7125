/*
 * job_bench SAMPLES: what each way to the hypervisor costs this vCPU, in cycles of the time stamp counter; medians.
 *
 *   bench wait NAME CYCLES         from the instruction to the next one
 *   bench lap BYTES NAME CYCLES    afterwards, one lap of pointers through so much memory, each in a cache line
 *                                  of its own; NAME "none": after nothing
 *
 * What a lap takes longer after an exit than after nothing is what the hypervisor has evicted: SplitX's indirect cost.
 */
#include "cpu.h"
#include "jobs.h"
#include "machine.h"
#include "print.h"
#include "ring.h"

#define SAMPLES_DEFAULT 1001u
#define SAMPLES_MAX 20001u
#define WARM_UPS 50u
#define LINE_BYTES 64u
#define LAP_BYTES_MAX (256u << 10)

struct line {
	struct line *next;
	uint8_t padding[LINE_BYTES - sizeof(struct line *)];
};

static _Alignas(4096) struct line lines[LAP_BYTES_MAX / LINE_BYTES];
static uint64_t samples[SAMPLES_MAX];
static struct exit_ring_client client;
static uint32_t failures; /* requests that the ring did not take, or did not do */

/* ---- ways to the hypervisor ---- */

static void ask_nothing(void)
{
}

static void ask_cpuid(void)
{
	cpuid(0);
}

static void ask_doorbell(void)
{
	port_write32(SLUICE_EXIT_RING_PORT_DOORBELL, 0);
}

static void ask_port_read(void)
{
	port_read32(PORT_PCI_DATA);
}

static void ask_port_write(void)
{
	port_write32(PORT_PCI_ADDRESS, 0x80000000);
}

static void ask_coalesced_write(void)
{
	port_write8(PORT_SERIAL_SCRATCH, 1);
}

static void ask_memory_read(void)
{
	(void)*(volatile uint32_t *)(uintptr_t)(PCI_MEMORY_END - 8);
}

static void ask_ring(uint16_t operation)
{
	const struct sluice_exit_request request = {
		.operation = operation, .address = PORT_PCI_DATA, .size_bytes = 4};
	struct sluice_exit_completion completion;

	if (!exit_ring_client_call(&client, &request, &completion) ||
		completion.status != SLUICE_EXIT_DONE)
		failures++;
}

static void ask_ring_nothing(void)
{
	ask_ring(SLUICE_EXIT_NOTHING);
}

static void ask_ring_port_read(void)
{
	ask_ring(SLUICE_EXIT_PORT_READ);
}

static void ask_ring_post(void)
{
	const struct sluice_exit_request request = {.operation = SLUICE_EXIT_PORT_WRITE,
		.flags = SLUICE_EXIT_ASYNCHRONOUS,
		.address = PORT_PCI_ADDRESS,
		.size_bytes = 4,
		.value = 0x80000000};

	if (!exit_ring_client_add(&client, &request))
		failures++;
	exit_ring_client_show(&client);
}

static const struct {
	const char *name;
	void (*ask)(void);
} ways[] = {
	{"none", ask_nothing},
	{"cpuid", ask_cpuid},
	{"doorbell", ask_doorbell},
	{"port_read", ask_port_read},
	{"port_write", ask_port_write},
	{"memory_read", ask_memory_read},
	{"coalesced_write", ask_coalesced_write},
	{"ring_nothing", ask_ring_nothing},
	{"ring_port_read", ask_ring_port_read},
	{"ring_post", ask_ring_post},
};

#define WAYS (sizeof ways / sizeof *ways)

/* ---- measuring ---- */

/* Shell's sort. */
static uint64_t median(unsigned count)
{
	for (unsigned gap = count / 2; gap > 0; gap /= 2)
		for (unsigned i = gap; i < count; i++) {
			const uint64_t sample = samples[i];
			unsigned at = i;

			for (; at >= gap && samples[at - gap] > sample; at -= gap)
				samples[at] = samples[at - gap];
			samples[at] = sample;
		}
	return samples[count / 2];
}

/* Lines in an order that no prefetcher guesses: the next is a constant number of steps away, modulo a power of two. */
static void lay_lap(unsigned bytes)
{
	const unsigned count = bytes / LINE_BYTES;
	unsigned at = 0;

	for (unsigned i = 0; i < count; i++) {
		const unsigned next = (5 * at + 3) % count; /* full period: Hull and Dobell */

		lines[at].next = &lines[next];
		at = next;
	}
}

static void run_lap(void)
{
	struct line *at = lines;

	do
		at = *(struct line *volatile *)&at->next;
	while (at != lines);
}

/* The server awake, and the ring empty. */
static void settle(void)
{
	ask_ring_nothing();
}

static uint64_t measure_wait(unsigned way, unsigned count)
{
	for (unsigned i = 0; i < count + WARM_UPS; i++) {
		uint64_t began;

		settle();
		began = cycles_now();
		ways[way].ask();
		samples[i < WARM_UPS ? 0 : i - WARM_UPS] = cycles_now() - began;
	}
	return median(count);
}

static uint64_t measure_lap(unsigned way, unsigned count)
{
	for (unsigned i = 0; i < count + WARM_UPS; i++) {
		uint64_t began;

		settle();
		run_lap();
		ways[way].ask();
		began = cycles_now();
		run_lap();
		samples[i < WARM_UPS ? 0 : i - WARM_UPS] = cycles_now() - began;
	}
	return median(count);
}

/* ---- the job ---- */

static void bench_waits(unsigned count)
{
	for (unsigned way = 0; way < WAYS; way++) {
		print("bench wait ");
		print(ways[way].name);
		print(" ");
		print_decimal(measure_wait(way, count));
		print("\n");
	}
}

static void bench_laps(unsigned bytes, unsigned count)
{
	lay_lap(bytes);
	for (unsigned way = 0; way < WAYS; way++) {
		print("bench lap ");
		print_decimal(bytes);
		print(" ");
		print(ways[way].name);
		print(" ");
		print_decimal(measure_lap(way, count));
		print("\n");
	}
}

void job_bench(const uint64_t arguments[JOB_ARGUMENTS_MAX])
{
	const uint64_t asked = arguments[0] ? arguments[0] : SAMPLES_DEFAULT;
	const unsigned count = asked < SAMPLES_MAX ? (unsigned)asked : SAMPLES_MAX;

	if (!ring_open(&client, 0)) {
		print("FAILED there are no exit rings\n");
		return;
	}
	bench_waits(count);
	bench_laps(16u << 10, count);
	bench_laps(LAP_BYTES_MAX, count);
	if (failures)
		print("FAILED requests were not done\n");
}
