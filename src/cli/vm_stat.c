/* `sluice vm stat`: what a VM has counted, twice or more, and what sluiced has done for it meanwhile. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/vm_find.h"
#include "cli/vm_stat_show.h"
#include "cli/watch_options.h"
#include "control/socket/control_client.h"
#include "control/vm/vm_description.h"

/* ---- I/Os, which sluiced counts ---- */

static const struct {
	const char *method;
	const char *part; /* of the answer; NULL: all of it */
	const char *counters;
	const char *keys[6]; /* of what is counted */
} kinds[] = {
	[VM_DISK] = {"disk.show", NULL, "statistics",
		{"reads", "writes", "flushes", "discards", "write_zeroes"}},
	[VM_NIC] = {"nic.show", "device", "statistics", {"transmit_packets", "receive_packets"}},
	[VM_MODULE] = {"module.show", NULL, "counters", {"requests"}},
};

static json_t *sum_of(const json_t *counters, const char *const *keys)
{
	uint64_t sum = 0;

	for (; *keys; keys++)
		sum += cli_number(counters, *keys);
	return json_integer((json_int_t)sum);
}

/* Nothing is added if sluiced does not say. */
static void add_ios(const struct cli *cli, json_t *device, enum vm_device_kind kind)
{
	json_t *params = json_pack("{s:O}", "name", json_object_get(device, "name"));
	const char *part = kinds[kind].part;
	json_t *answer = NULL, *counters;

	if (control_call(cli->control, kinds[kind].method, params, &answer, NULL) == 0) {
		counters = json_object_get(
			part ? json_object_get(answer, part) : answer, kinds[kind].counters);
		if (counters)
			json_object_set_new(device, "ios", sum_of(counters, kinds[kind].keys));
	}
	json_decref(answer);
}

/* What kind each device is the VM has said once; the order is the same. */
static void add_all_ios(const struct cli *cli, const json_t *shown, json_t *counted)
{
	const json_t *described = json_object_get(shown, "devices");
	json_t *device;
	size_t index;

	json_array_foreach (json_object_get(counted, "devices"), index, device) {
		const json_t *description = json_array_get(described, index);
		int kind = vm_word_find(vm_device_kind_words, cli_text(description, "kind"));

		if (cli_is(description, "is_sluiced") && kind >= 0)
			add_ios(cli, device, (enum vm_device_kind)kind);
	}
}

/* ---- looking again and again ---- */

static json_t *look(const struct cli *cli, const json_t *shown, const char *name)
{
	json_t *counted = vm_call(name, "vm.stat", json_object());

	if (counted)
		add_all_ios(cli, shown, counted);
	return counted;
}

static void wait_for(uint64_t duration_ns)
{
	const struct timespec duration = {
		.tv_sec = (time_t)(duration_ns / NS_PER_S),
		.tv_nsec = (long)(duration_ns % NS_PER_S),
	};

	nanosleep(&duration, NULL);
}

/* As JSON, what is counted so far, at once; as text, what happened in each interval. */
static int run(const struct cli *cli, const char *name, const struct watch_options *options,
	const json_t *shown)
{
	json_t *before = look(cli, shown, name), *after;
	int status = before ? EXIT_SUCCESS : EXIT_FAILURE;

	if (before && cli->is_json)
		status = cli_print(cli, json_incref(before), NULL);
	for (unsigned long i = cli->is_json; i < options->count && status == EXIT_SUCCESS; i++) {
		wait_for(options->interval_ns);
		after = look(cli, shown, name);
		status = after ? EXIT_SUCCESS : EXIT_FAILURE;
		if (after && cli->is_json)
			status = cli_print(cli, json_incref(after), NULL);
		else if (after)
			vm_stat_show(before, after, stdout);
		fflush(stdout);
		json_decref(before);
		before = after;
	}
	json_decref(before);
	return status;
}

int command_vm_stat(const struct cli *cli, int argc, char **argv)
{
	struct watch_options options = {.interval_ns = NS_PER_S, .count = 1};
	int status = watch_options_parse(argc, argv, &options);
	json_t *shown;

	if (status)
		return status;
	if (optind != argc - 1)
		return cli_misuse("'sluice vm stat' needs the name of one VM");
	shown = vm_call(argv[optind], "vm.show", json_object());
	status = shown ? run(cli, argv[optind], &options, shown) : EXIT_FAILURE;
	json_decref(shown);
	return status;
}
