/*
 * Theory of operation. argp's table says how an option is written and what to say about it, the table
 * of settings what its value is and where it goes; the key joins the two.
 */
#include "cli/bench_options.h"

#include <argp.h>
#include <inttypes.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/command.h"

#define REQUEST_BYTES_MAX (16u << 20)

enum option_key {
	KEY_QUEUES = 256,
	KEY_WRITE_PERCENT,
	KEY_DESTROY,
	KEY_SEQUENTIAL,
	KEY_PACKED,
	KEY_NO_EVENT_INDEX,
	KEY_INDIRECT,
	KEY_SEGMENTS,
	KEY_INTERRUPTS,
	KEY_VERIFY,
	KEY_REGION,
	KEY_REQUESTS,
	KEY_RATE,
	KEY_BURST,
	KEY_CPU,
	KEY_JSON,
	KEY_HISTOGRAM,
};

static const struct argp_option option_table[] = {
	{"depth", 'd', "N", 0, "requests in flight per queue (1)", 0},
	{"size", 's', "BYTES", 0, "bytes per request (4KiB)", 0},
	{"duration", 't', "TIME", 0, "how long (5s)", 0},
	{"requests", KEY_REQUESTS, "N", 0, "stop after so many requests", 0},
	{"queues", KEY_QUEUES, "N", 0, "virtqueues (1)", 0},
	{"write-percent", KEY_WRITE_PERCENT, "N", 0, "share of writes, 0 to 100 (0)", 0},
	{"sequential", KEY_SEQUENTIAL, 0, 0, "offsets in order rather than at random", 0},
	{"region", KEY_REGION, "BYTES", 0, "use only the start of the disk", 0},
	{"verify", KEY_VERIFY, 0, 0, "write every block once, then read and compare each", 0},
	{"destroy-data", KEY_DESTROY, 0, 0, "writing and verifying overwrite the disk: allow that",
		0},
	{"rate", KEY_RATE, "N", 0, "open loop: so many requests per second, late or not", 0},
	{"burst", KEY_BURST, "N", 0, "open loop: that many of them at a time (1)", 0},
	{"packed", KEY_PACKED, 0, 0, "packed virtqueues", 0},
	{"no-event-index", KEY_NO_EVENT_INDEX, 0, 0, "notifications by flags", 0},
	{"indirect", KEY_INDIRECT, 0, 0, "indirect descriptors", 0},
	{"segments", KEY_SEGMENTS, "N", 0, "data segments per request (1)", 0},
	{"interrupts", KEY_INTERRUPTS, 0, 0, "sleep until called rather than poll", 0},
	{"cpu", KEY_CPU, "N", 0, "CPU to run on", 0},
	{"json", KEY_JSON, 0, 0, "print the result as JSON", 0},
	{"histogram", KEY_HISTOGRAM, 0, 0, "print the distribution of latencies, too", 0},
	{0},
};

struct setting {
	int key;
	/* Puts the value of the text there; ends the program with a message if it has none. */
	void (*take)(struct argp_state *state, const struct setting *setting, const char *text,
		void *member);
	size_t offset;	      /* of the member in struct bench_options */
	uint64_t least, most; /* counts only */
};

static const char *name_of(int key)
{
	const struct argp_option *option = option_table;

	while (option->key != key)
		option++;
	return option->name;
}

static uint64_t parse(struct argp_state *state, const struct setting *setting, const char *text,
	int (*parser)(const char *text, uint64_t *value, struct error *error))
{
	struct error error;
	uint64_t value = 0;

	if (parser(text, &value, &error) < 0)
		argp_error(state, "--%s: %s", name_of(setting->key), error.message);
	return value;
}

static void take_count(
	struct argp_state *state, const struct setting *setting, const char *text, void *member)
{
	uint64_t value = parse(state, setting, text, units_parse_count);

	if (value < setting->least || value > setting->most)
		argp_error(state, "--%s: %s is not between %" PRIu64 " and %" PRIu64,
			name_of(setting->key), text, setting->least, setting->most);
	*(uint64_t *)member = value;
}

/* For a member that is an unsigned, or an int. */
static void take_small_count(
	struct argp_state *state, const struct setting *setting, const char *text, void *member)
{
	uint64_t value;

	take_count(state, setting, text, &value);
	*(unsigned *)member = (unsigned)value;
}

static void take_bytes(
	struct argp_state *state, const struct setting *setting, const char *text, void *member)
{
	uint64_t value = parse(state, setting, text, units_parse_bytes);

	if (value == 0 || value % 512)
		argp_error(state, "--%s: %s is not a multiple of 512 bytes", name_of(setting->key),
			text);
	*(uint64_t *)member = value;
}

static void take_duration(
	struct argp_state *state, const struct setting *setting, const char *text, void *member)
{
	*(uint64_t *)member = parse(state, setting, text, units_parse_duration_ns);
}

static void take_yes(
	struct argp_state *state, const struct setting *setting, const char *text, void *member)
{
	*(bool *)member = true;
}

static void take_no(
	struct argp_state *state, const struct setting *setting, const char *text, void *member)
{
	*(bool *)member = false;
}

#define OPTION(member) offsetof(struct bench_options, member)
#define WORKLOAD(member) OPTION(workload.member)

static const struct setting settings[] = {
	{'d', take_small_count, WORKLOAD(depth), 1, WORKLOAD_DEPTH_MAX},
	{'s', take_bytes, WORKLOAD(request_bytes), 0, 0},
	{'t', take_duration, WORKLOAD(duration_ns), 0, 0},
	{KEY_REQUESTS, take_count, WORKLOAD(request_limit), 1, UINT64_MAX},
	{KEY_QUEUES, take_small_count, WORKLOAD(queue_count), 1, 64},
	{KEY_WRITE_PERCENT, take_small_count, WORKLOAD(write_percent), 0, 100},
	{KEY_SEQUENTIAL, take_yes, WORKLOAD(is_sequential), 0, 0},
	{KEY_REGION, take_bytes, WORKLOAD(region_bytes), 0, 0},
	{KEY_VERIFY, take_yes, WORKLOAD(verifies), 0, 0},
	{KEY_DESTROY, take_yes, OPTION(may_write), 0, 0},
	{KEY_RATE, take_count, WORKLOAD(rate_per_s), 1, 100000000},
	{KEY_BURST, take_count, WORKLOAD(burst), 1, 1000000},
	{KEY_PACKED, take_yes, WORKLOAD(is_packed), 0, 0},
	{KEY_NO_EVENT_INDEX, take_no, WORKLOAD(has_event_index), 0, 0},
	{KEY_INDIRECT, take_yes, WORKLOAD(uses_indirect), 0, 0},
	{KEY_SEGMENTS, take_small_count, WORKLOAD(segments), 1, WORKLOAD_SEGMENTS_MAX},
	{KEY_INTERRUPTS, take_yes, WORKLOAD(waits_for_calls), 0, 0},
	{KEY_CPU, take_small_count, WORKLOAD(cpu), 0, 1023},
	{KEY_JSON, take_yes, OPTION(is_json), 0, 0},
	{KEY_HISTOGRAM, take_yes, OPTION(wants_histogram), 0, 0},
};

static const struct setting *setting_of(int key)
{
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		if (settings[i].key == key)
			return &settings[i];
	return NULL;
}

/* What options contradict each other. */
static void check(struct argp_state *state, const struct bench_options *options)
{
	const struct workload_config *workload = &options->workload;

	if (!workload->socket_path)
		argp_error(state, "which socket? Give the path of a vhost-user-blk socket");
	if ((workload->write_percent || workload->verifies) && !options->may_write)
		argp_error(state, "this overwrites the disk; say --destroy-data if that is meant");
	if (workload->rate_per_s && workload->waits_for_calls)
		argp_error(state, "--rate and --interrupts do not go together");
	if (workload->request_bytes / workload->segments < 1 ||
		workload->request_bytes > REQUEST_BYTES_MAX)
		argp_error(state, "a request has 512B to 16MiB, and a byte per segment");
}

static void take_socket(
	struct argp_state *state, const char *path, struct workload_config *workload)
{
	if (workload->socket_path)
		argp_error(state, "one socket at a time");
	workload->socket_path = path;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	const struct setting *setting = setting_of(key);
	struct bench_options *options = state->input;

	if (setting)
		setting->take(state, setting, text, (char *)options + setting->offset);
	else if (key == ARGP_KEY_ARG)
		take_socket(state, text, &options->workload);
	else if (key == ARGP_KEY_END)
		check(state, options);
	else
		return ARGP_ERR_UNKNOWN;
	return 0;
}

static const struct argp parser = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "SOCKET",
	.doc = "Drive a vhost-user-blk socket without a VM and print what it does: requests per "
	       "second, latencies, notifications, CPU time.",
};

void bench_options_parse(int argc, char **argv, struct bench_options *options)
{
	*options = (struct bench_options){
		.workload = {.queue_count = 1,
			.depth = 1,
			.request_bytes = 4096,
			.segments = 1,
			.has_event_index = true,
			.burst = 1,
			.cpu = -1},
	};
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(&parser, argc, argv, 0, NULL, options);
	if (!options->workload.duration_ns)
		options->workload.duration_ns =
			options->workload.request_limit ? UINT64_MAX : 5 * NS_PER_S;
}
