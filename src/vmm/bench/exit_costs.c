#include "vmm/bench/exit_costs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/bench/bare_machine.h"

#define TEXT_BYTES_MAX 16384u /* a pipe takes as much without being read */
#define COMMAND_LINE_BYTES 64u

const struct exit_way_row exit_ways[EXIT_WAY_COUNT] = {
	[EXIT_WAY_NONE] = {"none", "nothing", "-"},
	[EXIT_WAY_CPUID] = {"cpuid", "cpuid", "KVM"},
	[EXIT_WAY_DOORBELL] = {"doorbell", "port write, to an eventfd", "KVM"},
	[EXIT_WAY_PORT_READ] = {"port_read", "port read", "Sluice"},
	[EXIT_WAY_PORT_WRITE] = {"port_write", "port write", "Sluice"},
	[EXIT_WAY_MEMORY_READ] = {"memory_read", "memory read", "Sluice"},
	[EXIT_WAY_COALESCED_WRITE] = {"coalesced_write", "port write, coalesced if split",
		"Sluice"},
	[EXIT_WAY_RING_NOTHING] = {"ring_nothing", "nothing, there and back", "exit ring"},
	[EXIT_WAY_RING_PORT_READ] = {"ring_port_read", "port read", "exit ring"},
	[EXIT_WAY_RING_POST] = {"ring_post", "port write, asynchronous", "exit ring"},
};

const uint64_t exit_costs_lap_bytes[EXIT_COSTS_LAPS] = {16u << 10, 256u << 10};

/* ---- reading ---- */

struct raw_costs {
	bool has_wait[EXIT_WAY_COUNT], has_lap[EXIT_COSTS_LAPS][EXIT_WAY_COUNT];
	uint64_t wait_cycles[EXIT_WAY_COUNT], lap_cycles[EXIT_COSTS_LAPS][EXIT_WAY_COUNT];
};

/* EXIT_WAY_COUNT if there is none of that name. */
static unsigned way_of(const char *name)
{
	unsigned way = 0;

	while (way < EXIT_WAY_COUNT && strcmp(exit_ways[way].name, name) != 0)
		way++;
	return way;
}

static unsigned lap_of(uint64_t bytes)
{
	unsigned lap = 0;

	while (lap < EXIT_COSTS_LAPS && exit_costs_lap_bytes[lap] != bytes)
		lap++;
	return lap;
}

static void read_line(const char *line, struct raw_costs *raw)
{
	uint64_t cycles, bytes;
	char name[32];
	unsigned way;

	if (sscanf(line, "bench wait %31s %" SCNu64, name, &cycles) == 2 &&
		(way = way_of(name)) < EXIT_WAY_COUNT) {
		raw->wait_cycles[way] = cycles;
		raw->has_wait[way] = true;
	} else if (sscanf(line, "bench lap %" SCNu64 " %31s %" SCNu64, &bytes, name, &cycles) ==
			   3 &&
		   (way = way_of(name)) < EXIT_WAY_COUNT && lap_of(bytes) < EXIT_COSTS_LAPS) {
		raw->lap_cycles[lap_of(bytes)][way] = cycles;
		raw->has_lap[lap_of(bytes)][way] = true;
	}
}

static bool is_complete(const struct raw_costs *raw)
{
	for (unsigned way = 0; way < EXIT_WAY_COUNT; way++) {
		if (!raw->has_wait[way])
			return false;
		for (unsigned lap = 0; lap < EXIT_COSTS_LAPS; lap++)
			if (!raw->has_lap[lap][way])
				return false;
	}
	return true;
}

static uint64_t less(uint64_t cycles, uint64_t taken_off)
{
	return cycles > taken_off ? cycles - taken_off : 0;
}

int exit_costs_read(const char *text, struct exit_costs *costs, struct error *error)
{
	struct raw_costs raw = {0};

	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line == '\n')
		read_line(line, &raw);
	if (!is_complete(&raw) || strstr(text, "FAILED"))
		return error_set(error, -EPROTO,
			"the guest could not measure everything; it said: %.300s", text);
	for (unsigned way = 0; way < EXIT_WAY_COUNT; way++) {
		costs->wait_cycles[way] =
			less(raw.wait_cycles[way], raw.wait_cycles[EXIT_WAY_NONE]);
		for (unsigned lap = 0; lap < EXIT_COSTS_LAPS; lap++)
			costs->lost_cycles[lap][way] =
				less(raw.lap_cycles[lap][way], raw.lap_cycles[lap][EXIT_WAY_NONE]);
	}
	return 0;
}

/* ---- measuring ---- */

/* All that is in a pipe whose writing end is closed. */
static void read_all(int fd, char text[TEXT_BYTES_MAX])
{
	size_t used = 0;
	ssize_t count;

	while (used < TEXT_BYTES_MAX - 1 &&
		(count = read(fd, text + used, TEXT_BYTES_MAX - 1 - used)) > 0)
		used += (size_t)count;
	text[used] = '\0';
}

static int run_guest(
	const struct exit_costs_config *config, bool is_split, int output_fd, struct error *error)
{
	char command_line[COMMAND_LINE_BYTES];
	const struct bare_machine_config machine = {
		.guest_path = config->guest_path,
		.command_line = command_line,
		.vcpu_count = 1,
		.is_split = is_split,
		.vcpu_cpu = config->guest_cpu,
		.hypervisor_cpu = config->hypervisor_cpu,
		.poll_ns_max = SIDECORE_POLL_NS_DEFAULT,
		.output_fd = output_fd,
	};
	struct bare_machine_result result;

	snprintf(command_line, sizeof command_line, "bench %u", config->samples);
	return bare_machine_run(&machine, &result, error);
}

int exit_costs_measure(const struct exit_costs_config *config, bool is_split,
	struct exit_costs *costs, struct error *error)
{
	char text[TEXT_BYTES_MAX];
	int ends[2], result;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(error, -errno, "no pipe: %s", strerror(errno));
	result = run_guest(config, is_split, ends[1], error);
	close(ends[1]);
	read_all(ends[0], text);
	close(ends[0]);
	return result < 0 ? result : exit_costs_read(text, costs, error);
}
