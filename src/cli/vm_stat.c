/* `sluice vm stat`: what a VM has counted, twice or more, and what sluiced has done for it meanwhile. */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/vm_find.h"
#include "cli/vm_stat_show.h"
#include "control/control_client.h"
#include "control/vm_description.h"

struct stat_options {
	const char *name;
	uint64_t interval_ns;
	unsigned long count;
};

/* ---- I/Os, which sluiced counts ---- */

static const struct {
	const char *method;
	const char *keys[6]; /* of what is counted */
} kinds[] = {
	[VM_DISK] = {"disk.show", {"reads", "writes", "flushes", "discards", "write_zeroes"}},
	[VM_NIC] = {"nic.show", {"transmit_packets", "receive_packets"}},
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
	json_t *answer = NULL, *counters;

	if (control_call(cli->control, kinds[kind].method, params, &answer, NULL) == 0) {
		counters = json_object_get(
			kind == VM_DISK ? answer : json_object_get(answer, "device"), "statistics");
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

static json_t *ask(const char *name, const char *method)
{
	json_t *result = NULL;
	struct error error;

	if (vm_ask(name, method, json_object(), &result, &error) == 0)
		return result;
	fprintf(stderr, "sluice: %s\n", error.message);
	return NULL;
}

static json_t *look(const struct cli *cli, const json_t *shown, const char *name)
{
	json_t *counted = ask(name, "vm.stat");

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
static int run(const struct cli *cli, const struct stat_options *options, const json_t *shown)
{
	json_t *before = look(cli, shown, options->name), *after;
	int status = before ? EXIT_SUCCESS : EXIT_FAILURE;

	if (before && cli->is_json)
		status = cli_print(cli, json_incref(before), NULL);
	for (unsigned long i = cli->is_json; i < options->count && status == EXIT_SUCCESS; i++) {
		wait_for(options->interval_ns);
		after = look(cli, shown, options->name);
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

/* ---- options ---- */

/* Returns 0, or EXIT_USAGE after having complained. */
static int take_option(struct stat_options *options, int code, const char *text)
{
	struct error error;
	char *end;

	if (code == 'i') {
		if (units_parse_duration_ns(text, &options->interval_ns, &error) < 0)
			return cli_misuse("--interval: %s", error.message);
		if (options->interval_ns < 10 * NS_PER_MS || options->interval_ns > 3600 * NS_PER_S)
			return cli_misuse("--interval: must be from 10ms to 1h");
		return 0;
	}
	options->count = strtoul(text, &end, 10);
	if (end == text || *end || *text == '-' || options->count == 0)
		return cli_misuse("--count: '%s' is not a whole number above 0", text);
	return 0;
}

static int parse(int argc, char **argv, struct stat_options *options)
{
	static const struct option table[] = {{"interval", required_argument, NULL, 'i'},
		{"count", required_argument, NULL, 'c'}, {0}};
	int code, status;

	optind = 0;
	opterr = 0;
	while ((code = getopt_long(argc, argv, ":", table, NULL)) >= 0) {
		if (code == ':')
			return cli_misuse("'%s' needs a value", argv[optind - 1]);
		if (code == '?')
			return cli_misuse(
				"'sluice vm stat' does not understand '%s'", argv[optind - 1]);
		status = take_option(options, code, optarg);
		if (status)
			return status;
	}
	if (optind != argc - 1)
		return cli_misuse("'sluice vm stat' needs the name of one VM");
	options->name = argv[optind];
	return 0;
}

int command_vm_stat(const struct cli *cli, int argc, char **argv)
{
	struct stat_options options = {.interval_ns = NS_PER_S, .count = 1};
	int status = parse(argc, argv, &options);
	json_t *shown;

	if (status)
		return status;
	shown = ask(options.name, "vm.show");
	status = shown ? run(cli, &options, shown) : EXIT_FAILURE;
	json_decref(shown);
	return status;
}
