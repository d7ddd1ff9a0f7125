#include "cli/bench_exits.h"

#include <argp.h>
#include <cpuid.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/core_pair.h"
#include "cli/program_path.h"
#include "cli/table.h"
#include "vmm/bench/exit_costs.h"

#define SAMPLES_DEFAULT 1001u
#define SAMPLES_MAX 20001u
#define CALIBRATION_NS (50 * NS_PER_MS)
#define GUEST_BUILT_AS "/guest/bare/sluice-bare-guest"
#define GUEST_INSTALLED_AS SLUICE_DATA_DIRECTORY "/guest/sluice-bare-guest"

/* ---- options ---- */

enum option_key { KEY_GUEST_CPU = 256, KEY_HYPERVISOR_CPU, KEY_GUEST, KEY_SAMPLES, KEY_JSON };

struct options {
	char guest_path[PATH_MAX];
	struct core_pair cores;
	unsigned samples;
	bool is_json;
};

static const struct argp_option option_table[] = {
	{"guest-cpu", KEY_GUEST_CPU, "N", 0, "CPU to run the guest on", 0},
	{"hypervisor-cpu", KEY_HYPERVISOR_CPU, "N", 0, "CPU for the hypervisor core", 0},
	{"samples", KEY_SAMPLES, "N", 0, "of each kind; medians are told (1001)", 0},
	{"guest", KEY_GUEST, "FILE", 0, "the guest that measures, if it is not where Sluice is", 0},
	{"json", KEY_JSON, 0, 0, "print the result as JSON", 0},
	{0},
};

static unsigned take_count(
	struct argp_state *state, const char *text, uint64_t least, uint64_t most)
{
	struct error error;
	uint64_t value = 0;

	if (units_parse_count(text, &value, &error) < 0)
		argp_error(state, "%s", error.message);
	if (value < least || value > most)
		argp_error(state, "%s is not between %" PRIu64 " and %" PRIu64, text, least, most);
	return (unsigned)value;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case KEY_GUEST_CPU:
		options->cores.guest_cpu = (int)take_count(state, text, 0, 1023);
		return 0;
	case KEY_HYPERVISOR_CPU:
		options->cores.hypervisor_cpu = (int)take_count(state, text, 0, 1023);
		return 0;
	case KEY_SAMPLES:
		options->samples = take_count(state, text, 1, SAMPLES_MAX);
		return 0;
	case KEY_GUEST:
		snprintf(options->guest_path, sizeof options->guest_path, "%s", text);
		return 0;
	case KEY_JSON:
		options->is_json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp parser = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Measure, by a guest of its own, what leaving the guest costs on this CPU: until "
	       "the guest "
	       "goes on, and in cycles that it loses afterwards because of what has been evicted "
	       "from its "
	       "caches. With exits handled on the guest's own core, on a hypervisor core, and by "
	       "the exit ring, which is no exit. Needs /dev/kvm and two CPUs.",
};

/* The guest that belongs to this program: in its build directory, or installed. */
static void find_guest(char path[PATH_MAX])
{
	char build[PATH_MAX];

	if (!program_path_build(build) || !program_path_join(path, build, GUEST_BUILT_AS))
		program_path_join(path, GUEST_INSTALLED_AS, "");
}

/* ---- this CPU ---- */

struct cpu {
	uint64_t cycles_per_s;
	bool is_virtual, is_emulated;
};

static uint64_t measure_cycles_per_s(void)
{
	const uint64_t began_ns = clock_now_ns(), began = __rdtsc();
	uint64_t now_ns;

	do
		now_ns = clock_now_ns();
	while (now_ns - began_ns < CALIBRATION_NS);
	return (__rdtsc() - began) * NS_PER_S / (now_ns - began_ns);
}

/* CPUID says whether there is a hypervisor below, and QEMU's emulator signs as one. */
static void look_at_cpu(struct cpu *cpu)
{
	uint32_t eax, ebx, ecx, edx;
	char signature[13] = "";

	__cpuid(1, eax, ebx, ecx, edx);
	cpu->is_virtual = ecx >> 31;
	if (cpu->is_virtual) {
		__cpuid(0x40000000, eax, ebx, ecx, edx);
		memcpy(signature, &ebx, 4);
		memcpy(signature + 4, &ecx, 4);
		memcpy(signature + 8, &edx, 4);
	}
	cpu->is_emulated = strcmp(signature, "TCGTCGTCGTCG") == 0;
	cpu->cycles_per_s = measure_cycles_per_s();
}

/* Why the numbers are not this kind of CPU's; NULL if they are. */
static const char *doubt(const struct cpu *cpu, const struct core_pair *cores)
{
	if (cpu->is_emulated)
		return "this CPU is emulated: the numbers mean nothing";
	if (cpu->is_virtual)
		return "this machine is virtual: its exits cost more than those of the CPU itself";
	if (core_pair_is_one_core(cores))
		return "both CPUs are threads of one core: they share its caches and its time";
	return NULL;
}

/* ---- output ---- */

struct report {
	struct options options;
	struct cpu cpu;
	struct exit_costs own, split;
};

static void print_table(const struct report *report)
{
	struct table table;

	table_init(&table, "WAY|HANDLED BY|>WAIT|>IF SPLIT|>LOST OF 16KiB|>IF SPLIT|>LOST OF "
			   "256KiB|>IF SPLIT");
	for (unsigned way = EXIT_WAY_NONE + 1; way < EXIT_WAY_COUNT; way++) {
		table_add(&table, "%s", exit_ways[way].text);
		table_add(&table, "%s", exit_ways[way].handled_by);
		table_add(&table, "%" PRIu64, report->own.wait_cycles[way]);
		table_add(&table, "%" PRIu64, report->split.wait_cycles[way]);
		for (unsigned lap = 0; lap < EXIT_COSTS_LAPS; lap++) {
			table_add(&table, "%" PRIu64, report->own.lost_cycles[lap][way]);
			table_add(&table, "%" PRIu64, report->split.lost_cycles[lap][way]);
		}
	}
	table_print(&table, stdout);
}

/* "an exit on the guest's core 12000, on the hypervisor core 8000 (0.7x), by the ring 900 (0.1x)" */
static void print_ratios(
	const struct report *report, const char *what, enum exit_way by_exit, enum exit_way by_ring)
{
	const double own = (double)report->own.wait_cycles[by_exit];
	const uint64_t split = report->split.wait_cycles[by_exit];
	const uint64_t ring = report->split.wait_cycles[by_ring];

	printf("%s: %" PRIu64 " on the guest's core, %" PRIu64
	       " on the hypervisor core (%.2fx), %" PRIu64 " by the exit ring (%.3fx)\n",
		what, report->own.wait_cycles[by_exit], split, own > 0 ? (double)split / own : 0,
		ring, own > 0 ? (double)ring / own : 0);
}

static void print_text(const struct report *report)
{
	const char *why = doubt(&report->cpu, &report->options.cores);

	if (why)
		printf("Note: %s.\n", why);
	printf("Cycles of %.2f GHz, medians of %u; guest on CPU %d, hypervisor on CPU %d.\n"
	       "WAIT: until the guest goes on. LOST: what it then needs longer to go through so "
	       "much "
	       "memory.\n\n",
		(double)report->cpu.cycles_per_s / 1e9, report->options.samples,
		report->options.cores.guest_cpu, report->options.cores.hypervisor_cpu);
	print_table(report);
	putchar('\n');
	print_ratios(
		report, "A register that is read", EXIT_WAY_PORT_READ, EXIT_WAY_RING_PORT_READ);
	print_ratios(report, "A register that is written", EXIT_WAY_PORT_WRITE, EXIT_WAY_RING_POST);
}

static json_t *costs_json(const struct exit_costs *costs, unsigned way)
{
	json_t *lost = json_array();

	for (unsigned lap = 0; lap < EXIT_COSTS_LAPS; lap++)
		json_array_append_new(lost, json_pack("{s:I, s:I}", "memory_bytes",
						    (json_int_t)exit_costs_lap_bytes[lap], "cycles",
						    (json_int_t)costs->lost_cycles[lap][way]));
	return json_pack(
		"{s:I, s:o}", "wait_cycles", (json_int_t)costs->wait_cycles[way], "lost", lost);
}

static void print_json(const struct report *report)
{
	const char *why = doubt(&report->cpu, &report->options.cores);
	json_t *ways = json_array();
	json_t *json = json_pack("{s:I, s:i, s:i, s:i, s:b, s:b, s:s?, s:o}", "cycles_per_s",
		(json_int_t)report->cpu.cycles_per_s, "samples", (int)report->options.samples,
		"guest_cpu", report->options.cores.guest_cpu, "hypervisor_cpu",
		report->options.cores.hypervisor_cpu, "is_emulated", report->cpu.is_emulated,
		"is_virtual", report->cpu.is_virtual, "note", why, "ways", ways);

	for (unsigned way = EXIT_WAY_NONE + 1; way < EXIT_WAY_COUNT; way++)
		json_array_append_new(
			ways, json_pack("{s:s, s:s, s:o, s:o}", "name", exit_ways[way].name,
				      "handled_by", exit_ways[way].handled_by, "own_core",
				      costs_json(&report->own, way), "split",
				      costs_json(&report->split, way)));
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(json);
}

/* ---- the command ---- */

static int measure(struct report *report, struct error *error)
{
	struct options *options = &report->options;
	int result = core_pair_choose(&options->cores, error);
	struct exit_costs_config config = {.guest_path = options->guest_path,
		.samples = options->samples,
		.guest_cpu = options->cores.guest_cpu,
		.hypervisor_cpu = options->cores.hypervisor_cpu};

	if (result == 0)
		result = exit_costs_measure(&config, false, &report->own, error);
	if (result == 0)
		result = exit_costs_measure(&config, true, &report->split, error);
	return result;
}

int command_bench_exits(int argc, char **argv)
{
	static struct report report = {.options = {.cores = {-1, -1}, .samples = SAMPLES_DEFAULT}};
	struct error error;

	find_guest(report.options.guest_path);
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&parser, argc, argv, 0, NULL, &report.options);
	look_at_cpu(&report.cpu);
	if (measure(&report, &error) < 0) {
		fprintf(stderr, "sluice bench exits: %s\n", error.message);
		return EXIT_FAILURE;
	}
	if (report.options.is_json)
		print_json(&report);
	else
		print_text(&report);
	return EXIT_SUCCESS;
}
