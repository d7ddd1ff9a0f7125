#include "cli/bench_disk.h"

#include <argp.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "cli/workload.h"

#define SEGMENTS_MAX 126u
#define REQUEST_BYTES_MAX (16u << 20)

struct options {
	struct workload_config workload;
	bool may_write;
	bool is_json;
	bool wants_histogram;
};

/* ---- command line ---- */

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

static uint64_t parse_count(
	struct argp_state *state, const char *what, const char *text, uint64_t least, uint64_t most)
{
	struct error error;
	uint64_t value = 0;

	if (units_parse_count(text, &value, &error) < 0)
		argp_error(state, "--%s: %s", what, error.message);
	if (value < least || value > most)
		argp_error(state, "--%s: %s is not between %" PRIu64 " and %" PRIu64, what, text,
			least, most);
	return value;
}

static uint64_t parse_bytes(struct argp_state *state, const char *what, const char *text)
{
	struct error error;
	uint64_t value = 0;

	if (units_parse_bytes(text, &value, &error) < 0)
		argp_error(state, "--%s: %s", what, error.message);
	if (value == 0 || value % 512)
		argp_error(state, "--%s: %s is not a multiple of 512 bytes", what, text);
	return value;
}

static uint64_t parse_duration(struct argp_state *state, const char *text)
{
	struct error error;
	uint64_t value = 0;

	if (units_parse_duration_ns(text, &value, &error) < 0)
		argp_error(state, "--duration: %s", error.message);
	return value;
}

/* What options contradict each other. */
static void check(struct argp_state *state, const struct options *options)
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

static error_t parse_option(int key, char *text, struct argp_state *state)
{
	struct options *options = state->input;
	struct workload_config *workload = &options->workload;

	switch (key) {
	case 'd':
		workload->depth =
			(unsigned)parse_count(state, "depth", text, 1, WORKLOAD_DEPTH_MAX);
		break;
	case 's':
		workload->request_bytes = parse_bytes(state, "size", text);
		break;
	case 't':
		workload->duration_ns = parse_duration(state, text);
		break;
	case KEY_REQUESTS:
		workload->request_limit = parse_count(state, "requests", text, 1, UINT64_MAX);
		workload->duration_ns = UINT64_MAX;
		break;
	case KEY_QUEUES:
		workload->queue_count = (unsigned)parse_count(state, "queues", text, 1, 64);
		break;
	case KEY_WRITE_PERCENT:
		workload->write_percent =
			(unsigned)parse_count(state, "write-percent", text, 0, 100);
		break;
	case KEY_SEQUENTIAL:
		workload->is_sequential = true;
		break;
	case KEY_REGION:
		workload->region_bytes = parse_bytes(state, "region", text);
		break;
	case KEY_VERIFY:
		workload->verifies = true;
		break;
	case KEY_DESTROY:
		options->may_write = true;
		break;
	case KEY_RATE:
		workload->rate_per_s = parse_count(state, "rate", text, 1, 100000000);
		break;
	case KEY_BURST:
		workload->burst = parse_count(state, "burst", text, 1, 1000000);
		break;
	case KEY_PACKED:
		workload->is_packed = true;
		break;
	case KEY_NO_EVENT_INDEX:
		workload->has_event_index = false;
		break;
	case KEY_INDIRECT:
		workload->uses_indirect = true;
		break;
	case KEY_SEGMENTS:
		workload->segments =
			(unsigned)parse_count(state, "segments", text, 1, SEGMENTS_MAX);
		break;
	case KEY_INTERRUPTS:
		workload->waits_for_calls = true;
		break;
	case KEY_CPU:
		workload->cpu = (int)parse_count(state, "cpu", text, 0, 1023);
		break;
	case KEY_JSON:
		options->is_json = true;
		break;
	case KEY_HISTOGRAM:
		options->wants_histogram = true;
		break;
	case ARGP_KEY_ARG:
		if (workload->socket_path)
			argp_error(state, "one socket at a time");
		workload->socket_path = text;
		break;
	case ARGP_KEY_END:
		check(state, options);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp parser = {
	.options = option_table,
	.parser = parse_option,
	.args_doc = "SOCKET",
	.doc = "Drive a vhost-user-blk socket without a VM and print what it does: requests per "
	       "second, "
	       "latencies, notifications, CPU time.",
};

/* ---- output ---- */

static double per_second(uint64_t count, const struct workload_result *result)
{
	return result->elapsed_ns ? (double)count * 1e9 / (double)result->elapsed_ns : 0;
}

static uint64_t cpu_ns_per_request(const struct workload_result *result)
{
	return result->requests ? result->cpu_ns / result->requests : 0;
}

static void print_latency(const char *label, uint64_t latency_ns)
{
	char text[UNITS_TEXT_BYTES];

	printf("  %-10s %s\n", label, units_format_duration(text, latency_ns));
}

static void print_histogram(const struct histogram *histogram)
{
	char text[UNITS_TEXT_BYTES];

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (histogram->buckets[i])
			printf("  <= %-10s %" PRIu64 "\n",
				units_format_duration(text, histogram_bucket_limit(i)),
				histogram->buckets[i]);
}

static void print_text(const struct options *options, const struct workload_result *result)
{
	const struct histogram *latency = &result->latency_ns;
	char text[UNITS_TEXT_BYTES];

	printf("requests     %" PRIu64 ", %.0f per second\n", result->requests,
		per_second(result->requests, result));
	printf("throughput   %s per second\n",
		units_format_bytes(text, (uint64_t)per_second(result->bytes, result)));
	printf("latency\n");
	print_latency("mean", histogram_mean(latency));
	print_latency("p50", histogram_quantile(latency, 0.5));
	print_latency("p99", histogram_quantile(latency, 0.99));
	print_latency("p99.9", histogram_quantile(latency, 0.999));
	print_latency("max", latency->max);
	printf("kicks sent   %" PRIu64 ", calls received %" PRIu64 "\n", result->kicks_sent,
		result->calls_received);
	printf("CPU time     %s per request\n",
		units_format_duration(text, cpu_ns_per_request(result)));
	if (result->errors)
		printf("errors       %" PRIu64 "\n", result->errors);
	if (options->workload.verifies)
		printf("verified     %" PRIu64 " of the blocks differ\n", result->mismatches);
	if (result->mismatches)
		printf("             the first at byte %" PRIu64 "\n",
			result->first_mismatch_offset);
	if (options->wants_histogram)
		print_histogram(latency);
}

static json_t *histogram_json(const struct histogram *histogram)
{
	json_t *buckets = json_array();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (histogram->buckets[i])
			json_array_append_new(
				buckets, json_pack("[I,I]", (json_int_t)histogram_bucket_limit(i),
						 (json_int_t)histogram->buckets[i]));
	return buckets;
}

static void print_json(const struct options *options, const struct workload_result *result)
{
	const struct histogram *latency = &result->latency_ns;
	json_t *json = json_pack(
		"{s:I, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"requests", (json_int_t)result->requests, "requests_per_s",
		per_second(result->requests, result), "bytes_per_s",
		per_second(result->bytes, result), "mean_ns", (json_int_t)histogram_mean(latency),
		"p50_ns", (json_int_t)histogram_quantile(latency, 0.5), "p99_ns",
		(json_int_t)histogram_quantile(latency, 0.99), "p999_ns",
		(json_int_t)histogram_quantile(latency, 0.999), "max_ns", (json_int_t)latency->max,
		"kicks_sent", (json_int_t)result->kicks_sent, "calls_received",
		(json_int_t)result->calls_received, "cpu_ns_per_request",
		(json_int_t)cpu_ns_per_request(result), "errors", (json_int_t)result->errors,
		"mismatches", (json_int_t)result->mismatches, "elapsed_ns",
		(json_int_t)result->elapsed_ns);

	if (options->wants_histogram)
		json_object_set_new(json, "histogram_ns", histogram_json(latency));
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(json);
}

/* ---- the command ---- */

static volatile int interrupted;

static void interrupt(int signal_number)
{
	interrupted = 1;
}

int command_bench_disk(int argc, char **argv)
{
	static struct workload_result result;
	struct options options = {
		.workload = {.queue_count = 1,
			.depth = 1,
			.request_bytes = 4096,
			.segments = 1,
			.has_event_index = true,
			.duration_ns = 5 * NS_PER_S,
			.burst = 1,
			.cpu = -1},
	};
	struct error error;

	argp_parse(&parser, argc, argv, 0, NULL, &options);
	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
	if (workload_run(&options.workload, &interrupted, &result, &error) < 0) {
		fprintf(stderr, "sluice bench disk: %s\n", error.message);
		return 1;
	}
	if (options.is_json)
		print_json(&options, &result);
	else
		print_text(&options, &result);
	return result.errors || result.mismatches ? 2 : 0;
}
