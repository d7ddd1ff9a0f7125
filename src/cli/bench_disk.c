#include "cli/bench_disk.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "cli/bench_options.h"
#include "cli/workload.h"

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

static void print_text(const struct bench_options *options, const struct workload_result *result)
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

static void print_json(const struct bench_options *options, const struct workload_result *result)
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
	struct bench_options options;
	struct error error;

	bench_options_parse(argc, argv, &options);
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
