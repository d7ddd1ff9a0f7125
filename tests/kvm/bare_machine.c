/*
 * Runs the bare guest: bare_machine GUEST own|split VCPUS COMMAND_LINE. What it prints goes to stdout, and then lines
 * "count NAME N". The exit status is 0 only if the guest has turned itself off. The hypervisor core polls for long, since a
 * machine that is emulated is slow.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "vmm/bench/bare_machine.h"

#define POLL_NS (20 * NS_PER_MS)

static void print_counts(const struct bare_machine_result *result)
{
	printf("count kvm_exits %" PRIu64 "\n", result->kvm_exits);
	printf("count user_exits %" PRIu64 "\n", result->user_exits);
	printf("count synchronous %" PRIu64 "\n", result->rings.synchronous);
	printf("count asynchronous %" PRIu64 "\n", result->rings.asynchronous);
	printf("count refused %" PRIu64 "\n", result->rings.refused);
	printf("count interrupts %" PRIu64 "\n", result->rings.interrupts);
	printf("count rings_stopped %u\n", result->rings_stopped);
}

int main(int argc, char **argv)
{
	struct bare_machine_config config = {
		.vcpu_cpu = SIDECORE_NOT_PINNED,
		.hypervisor_cpu = SIDECORE_NOT_PINNED,
		.poll_ns_max = POLL_NS,
		.output_fd = STDOUT_FILENO,
	};
	struct bare_machine_result result;
	struct error error;

	if (argc != 5) {
		fputs("bare_machine GUEST own|split VCPUS COMMAND_LINE\n", stderr);
		return 2;
	}
	config.guest_path = argv[1];
	config.is_split = strcmp(argv[2], "split") == 0;
	config.vcpu_count = (unsigned)strtoul(argv[3], NULL, 10);
	config.command_line = argv[4];
	if (bare_machine_run(&config, &result, &error) < 0) {
		fprintf(stderr, "bare_machine: %s\n", error.message);
		return 2;
	}
	print_counts(&result);
	return result.end == MACHINE_OFF ? 0 : 1;
}
